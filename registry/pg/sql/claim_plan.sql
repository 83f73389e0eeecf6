-- How many names of a dead node wait, and after which of them this node begins: the members share them out.
SELECT count(*), (pg_catalog.array_agg(n.name ORDER BY n.name))[count(*) * $2::bigint / $3::bigint]
  FROM troupe.names n WHERE n.node_id = $1::bigint AND n.status = 'waiting'
