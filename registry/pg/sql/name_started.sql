SELECT r.name IS NULL
  FROM unnest($2::text[]) WITH ORDINALITY u (name, place)
  LEFT JOIN troupe.name_started($1::bigint, $2::text[], $3::bigint[], $4::bigint[]) r (name) USING (name)
 ORDER BY u.place
