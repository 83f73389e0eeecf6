SELECT e.epoch, e.kind, e.node_id, e.name, e.host, e.port, e.down_reason, pg_catalog.array_to_string(e.roles, ','),
       troupe.metadata_text(e.metadata), pg_catalog.floor(1000 * pg_catalog.date_part('epoch', e.started_at))::bigint
  FROM troupe.events_since($1::bigint, $2::int) e
