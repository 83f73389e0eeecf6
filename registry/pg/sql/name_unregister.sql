SELECT d.name IS NOT NULL
  FROM unnest($2::text[]) WITH ORDINALITY u (name, place)
  LEFT JOIN troupe.name_unregister($1::bigint, $2::text[], $3::bigint[]) d (name) USING (name)
 ORDER BY u.place
