-- 0013_spawn_options.sql - a durable actor is recovered as it was spawned.
--
-- The bounds and the policy of its mailbox, the interval of its checkpoints and whether it may be suspended were known to the node
-- that spawned it and to nobody else. Nodes of before this migration go on: they register without options.

ALTER TABLE troupe.name ADD COLUMN options jsonb -- of the spawn; NULL: all are the node's defaults
    CHECK (jsonb_typeof(options) = 'object' AND octet_length(options::text) <= 1024);

-- As before, and with the options, JSON as text. NULL in the place of the array: nobody has any.
DROP FUNCTION troupe.name_register(bigint, text[], bigint[], boolean[], boolean[], text[], int[], text[], text[]);
CREATE FUNCTION troupe.name_register(p_node_id bigint, p_names text[], p_actor_ids bigint[], p_durable boolean[],
                                     p_strict boolean[], p_behavior text[], p_behavior_version int[],
                                     p_checkpoint text[], p_state text[], p_options text[] DEFAULT NULL)
RETURNS TABLE (name text, won boolean, epoch bigint, holder_node_id bigint, holder_actor_id bigint, refused text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '300ms' AS $$
#variable_conflict use_column
DECLARE
    v_state_max bigint := troupe._limit('state_size_max');
BEGIN
    PERFORM troupe._check_batch(cardinality(p_names), cardinality(p_actor_ids), cardinality(p_durable),
        cardinality(p_strict), cardinality(p_behavior), cardinality(p_behavior_version), cardinality(p_checkpoint), cardinality(p_state),
        coalesce(cardinality(p_options), cardinality(p_names)));
    PERFORM troupe._commit_strict();
    INSERT INTO troupe.name AS n (name, node_id, actor_id, durable, strict, behavior, behavior_version, checkpoint, state, options, saved_at)
    SELECT u.name, p_node_id, u.actor_id, u.durable, u.strict, u.behavior, coalesce(u.version, 0), u.checkpoint, u.state::jsonb, u.options::jsonb,
           CASE WHEN u.state IS NOT NULL THEN clock_timestamp() END
      FROM (SELECT DISTINCT ON (i.name COLLATE "C") i.*     -- the first of equal names; sorted, so that two batches never deadlock
              FROM unnest(p_names, p_actor_ids, p_durable, p_strict, p_behavior, p_behavior_version, p_checkpoint, p_state,
                          p_options)
                   WITH ORDINALITY i (name, actor_id, durable, strict, behavior, version, checkpoint, state, options, place)
             WHERE troupe._name_refused(i.name, i.durable, i.behavior, i.state, v_state_max) IS NULL
             ORDER BY i.name COLLATE "C", i.place) u
     WHERE EXISTS (SELECT FROM troupe.node me WHERE me.node_id = p_node_id AND me.state = 'up')
     ORDER BY u.name COLLATE "C"
    ON CONFLICT (name) DO UPDATE
       SET node_id = excluded.node_id, actor_id = excluded.actor_id, epoch = excluded.epoch, durable = excluded.durable,
           strict = excluded.strict, behavior = excluded.behavior, behavior_version = excluded.behavior_version,
           checkpoint = excluded.checkpoint, state = excluded.state, options = excluded.options, seq = 0, saved_at = excluded.saved_at,
           recoveries = 0, recovered_at = NULL, parked = false, registered_at = clock_timestamp()
     WHERE NOT n.durable
       AND EXISTS (SELECT FROM troupe.node d WHERE d.node_id = n.node_id AND d.state = 'down'
                      AND (NOT n.strict OR d.strict_free_at <= clock_timestamp()));
    RETURN QUERY
    SELECT i.name, coalesce((n.node_id, n.actor_id) = (p_node_id, i.actor_id), false), n.epoch, n.node_id, n.actor_id,
           CASE WHEN (n.node_id, n.actor_id) = (p_node_id, i.actor_id) THEN NULL
                ELSE coalesce(troupe._name_refused(i.name, i.durable, i.behavior, i.state, v_state_max),
                     CASE WHEN n.name IS NOT NULL THEN 'held'
                          WHEN NOT EXISTS (SELECT FROM troupe.node me WHERE me.node_id = p_node_id AND me.state = 'up') THEN 'node is not up'
                          ELSE 'busy' END) END
      FROM unnest(p_names, p_actor_ids, p_durable, p_behavior, p_state) WITH ORDINALITY i (name, actor_id, durable, behavior, state, place)
      LEFT JOIN troupe.name n ON n.name = i.name
     ORDER BY i.place;
END $$;

-- What is needed to start claimed names.
DROP FUNCTION troupe.name_load(bigint, text[]);
CREATE FUNCTION troupe.name_load(p_node_id bigint, p_names text[])
RETURNS TABLE (name text, epoch bigint, behavior text, behavior_version int, checkpoint text, strict boolean, seq bigint, state jsonb,
               options jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT n.name, n.epoch, n.behavior, n.behavior_version, n.checkpoint, n.strict, n.seq, n.state, n.options
      FROM troupe.name n WHERE n.name = ANY (p_names) AND n.node_id = p_node_id ORDER BY n.name;
END $$;

CREATE OR REPLACE VIEW troupe.names AS
SELECT n.name,
       d.name AS node,
       n.node_id,
       n.actor_id,
       n.epoch,
       n.durable,
       n.strict,
       n.behavior,
       CASE WHEN n.stopped AND NOT n.parked AND n.actor_id <> 0 AND d.state <> 'down' THEN 'stopped'
            ELSE troupe.name_status(n.durable, n.parked, n.actor_id, d.state) END AS status,
       n.registered_at,
       n.checkpoint,
       n.recoveries,
       n.options
  FROM troupe.name n JOIN troupe.node d USING (node_id);

REVOKE ALL ON FUNCTION troupe.name_register(bigint, text[], bigint[], boolean[], boolean[], text[], int[], text[], text[], text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION troupe.name_load(bigint, text[]) FROM PUBLIC;

DO $$
BEGIN
    PERFORM troupe.grants_apply();
END $$;
