SELECT r.won, r.epoch, r.holder_node_id, r.holder_actor_id, r.refused
  FROM troupe.name_register($1::bigint, $2::text[], $3::bigint[], $4::boolean[], $5::boolean[], $6::text[], $7::int[],
                            $8::text[], $9::text[], $10::text[]) r
