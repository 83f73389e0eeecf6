SELECT troupe.node_leave($1::bigint, $2::uuid)
