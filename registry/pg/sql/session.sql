SELECT pg_catalog.set_config('application_name', 'troupe/' || $1::bigint, false), troupe.node_hold($1::bigint)
