SELECT b.id, b.to_name, b.from_name, b.type, b.payload
  FROM troupe.inbox_fetch($1::bigint, $2::text[], $3::int, $4::bigint[]) b
