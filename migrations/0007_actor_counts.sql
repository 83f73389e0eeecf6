-- 0007_actor_counts.sql - how many actors of each behavior run on each node.

-- What nodes say about themselves; rows of nodes that are down are removed by whoever writes next.
CREATE UNLOGGED TABLE troupe.actor_count (
    node_id    bigint NOT NULL,
    behavior   text NOT NULL,                      -- '': behaviors that the node does not know by name
    actors     bigint NOT NULL,
    sampled_at timestamptz NOT NULL,
    PRIMARY KEY (node_id, behavior)
) WITH (fillfactor = 50);

-- All that run on a node at this moment, by behavior; one may be named several times, then its actors are added up. Behaviors that
-- are not named have none any more. Answers how many rows were written.
CREATE FUNCTION troupe.sample_write(p_node_id bigint, p_behavior text[], p_actors bigint[]) RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    v_rows int;
BEGIN
    PERFORM troupe._check_batch(cardinality(p_behavior), cardinality(p_actors));
    PERFORM troupe._commit_relaxed();
    DELETE FROM troupe.actor_count c WHERE c.node_id = p_node_id AND c.behavior <> ALL (p_behavior);
    DELETE FROM troupe.actor_count c
     WHERE c.ctid = ANY (ARRAY(SELECT x.ctid FROM troupe.actor_count x
                                WHERE NOT EXISTS (SELECT FROM troupe.node d WHERE d.node_id = x.node_id AND d.state <> 'down')
                                LIMIT 1000 FOR UPDATE SKIP LOCKED));
    INSERT INTO troupe.actor_count AS c (node_id, behavior, actors, sampled_at)
    SELECT p_node_id, u.behavior, sum(u.actors), clock_timestamp()
      FROM unnest(p_behavior, p_actors) u (behavior, actors)
     WHERE EXISTS (SELECT FROM troupe.node me WHERE me.node_id = p_node_id AND me.state <> 'down')
     GROUP BY u.behavior
    ON CONFLICT (node_id, behavior) DO UPDATE SET actors = excluded.actors, sampled_at = excluded.sampled_at;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END $$;

CREATE VIEW troupe.actor_counts AS
SELECT nullif(c.behavior, '') AS behavior,
       d.name AS node,
       c.node_id,
       c.actors,
       c.sampled_at
  FROM troupe.actor_count c JOIN troupe.node d USING (node_id)
 WHERE d.state <> 'down';

REVOKE ALL ON ALL TABLES IN SCHEMA troupe FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA troupe FROM PUBLIC;

DO $$
BEGIN
    PERFORM troupe.grants_apply();
END $$;
