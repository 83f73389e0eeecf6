SELECT u.node_id FROM troupe.unswept($1::int) u (node_id)
