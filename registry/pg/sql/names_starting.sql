-- Names that this node has claimed and not started: the answer to a claim may have been lost.
SELECT n.name, n.epoch FROM troupe.names n WHERE n.node_id = $1::bigint AND n.status = 'starting' LIMIT $2::int
