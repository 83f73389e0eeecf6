SELECT l.node_id, l.actor_id, l.epoch, l.status
  FROM unnest($1::text[]) WITH ORDINALITY u (name, place)
  LEFT JOIN troupe.name_lookup($1::text[]) l USING (name)
 ORDER BY u.place
