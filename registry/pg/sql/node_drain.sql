SELECT troupe.node_drain($1::bigint, $2::uuid, $3::boolean)
