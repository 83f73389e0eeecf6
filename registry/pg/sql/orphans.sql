SELECT o.node_id, o.own, o.down_kind, (o.down_seconds * 1000)::bigint FROM troupe.orphans($1::bigint) o
