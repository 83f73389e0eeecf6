SELECT troupe.sweep($1::bigint, $2::bigint, $3::int)
