SELECT f.attempts, f.dead FROM troupe.inbox_fail($1::bigint, $2::text, $3::bigint, $4::bigint, $5::text) f
