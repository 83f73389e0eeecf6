SELECT c.name, c.epoch FROM troupe.name_claim($1::bigint, $2::bigint, $3::text[], $4::text, $5::int) c
