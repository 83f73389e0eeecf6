SELECT r.epoch, r.inbox_waiting, r.expires_in_ms FROM troupe.node_renew($1::bigint, $2::uuid) r
