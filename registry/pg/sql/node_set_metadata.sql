SELECT troupe.node_set_metadata($1::bigint, $2::uuid, troupe.metadata_read($3::text))
