SELECT m.node_id, m.name, m.host, m.port, m.epoch, m.state = 'draining', pg_catalog.array_to_string(m.roles, ','),
       troupe.metadata_text(m.metadata), pg_catalog.floor(1000 * pg_catalog.date_part('epoch', m.started_at))::bigint
  FROM troupe.members() m
