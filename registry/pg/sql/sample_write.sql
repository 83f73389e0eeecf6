SELECT troupe.sample_write($1::bigint, $2::bigint[], $3::text[], array_fill(NULL::text, ARRAY[cardinality($2::bigint[])]),
                           array_fill(NULL::int, ARRAY[cardinality($2::bigint[])]), $4::bigint[],
                           ARRAY(SELECT o.ms / 1000.0 FROM unnest($5::bigint[]) WITH ORDINALITY o (ms, place)
                                  ORDER BY o.place)::double precision[], $6::bigint[]),
       CASE WHEN $7::boolean THEN troupe.sample_write($1::bigint, $8::text[], $9::bigint[]) END
