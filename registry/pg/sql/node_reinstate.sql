SELECT r.epoch FROM troupe.node_reinstate($1::bigint, $2::uuid) r
