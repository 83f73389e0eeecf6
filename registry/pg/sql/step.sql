SELECT s.name, s.why
  FROM troupe.step($1::bigint, $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::int[], $7::int[], $8::bigint[],
                   $9::int[], $10::text[], $11::text[], $12::text[]) s
