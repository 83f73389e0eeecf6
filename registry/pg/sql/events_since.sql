SELECT e.epoch, e.kind, e.node_id, e.name, e.host, e.port, e.down_reason FROM troupe.events_since($1::bigint, $2::int) e
