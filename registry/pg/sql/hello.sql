SELECT h.epoch, h.sysid, h.cluster_id, h.schema_version, h.fsync_on, pg_catalog.pg_backend_pid(),
       CASE WHEN $1::bigint IS NOT NULL THEN troupe.node_hold($1::bigint) END
  FROM troupe.hello() h
