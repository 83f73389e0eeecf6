SELECT j.node_id, j.epoch, j.refused
  FROM troupe.node_join($1::text, $2::text, $3::int, $4::uuid, $5::int,
                        pg_catalog.jsonb_build_object('roles', pg_catalog.to_jsonb(pg_catalog.string_to_array($6::text, ',')),
                                                      'version', $7::text,
                                                      'metadata', troupe.metadata_read($8::text))) j
