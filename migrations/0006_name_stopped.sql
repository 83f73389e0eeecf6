-- 0006_name_stopped.sql - durable names whose actor has failed or was stopped on a node that lives.

ALTER TABLE troupe.name ADD COLUMN stopped boolean NOT NULL DEFAULT false; -- see name_started

-- Says which actors now run claimed names, or, by the actor 0, that a name's actor has ended and nobody has started it again:
-- the row keeps the last one then. Of several entries for a name the last counts. Answers the names that were refused (fenced).
CREATE OR REPLACE FUNCTION troupe.name_started(p_node_id bigint, p_names text[], p_epochs bigint[], p_actor_ids bigint[]) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    PERFORM troupe._check_batch(cardinality(p_names), cardinality(p_epochs), cardinality(p_actor_ids));
    RETURN QUERY
    WITH u AS MATERIALIZED (
        SELECT DISTINCT ON (i.name COLLATE "C", i.epoch) i.name, i.epoch, i.actor_id
          FROM unnest(p_names, p_epochs, p_actor_ids) WITH ORDINALITY i (name, epoch, actor_id, place)
         ORDER BY i.name COLLATE "C", i.epoch, i.place DESC),
    mine AS MATERIALIZED (
        SELECT n.name, u.actor_id FROM troupe.name n JOIN u ON n.name = u.name AND n.epoch = u.epoch
         WHERE n.node_id = p_node_id AND EXISTS (SELECT FROM troupe.node me WHERE me.node_id = p_node_id AND me.state <> 'down')
         ORDER BY n.name FOR UPDATE OF n),
    done AS (
        UPDATE troupe.name n
           SET actor_id = CASE mine.actor_id WHEN 0 THEN n.actor_id ELSE mine.actor_id END,
               stopped = mine.actor_id = 0
          FROM mine WHERE n.name = mine.name RETURNING n.name)
    SELECT DISTINCT u.name FROM u WHERE NOT EXISTS (SELECT FROM done WHERE done.name = u.name);
END $$;

-- What people see is 'stopped' while the node lives and the actor does not. A claimed name is 'starting' again.
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
       n.recoveries
  FROM troupe.name n JOIN troupe.node d USING (node_id);

CREATE OR REPLACE VIEW troupe.actors AS
SELECT n.name,
       d.name AS node,
       n.node_id,
       n.actor_id,
       n.behavior,
       CASE WHEN n.stopped AND NOT n.parked AND n.actor_id <> 0 AND d.state <> 'down' THEN 'stopped'
            ELSE troupe.name_status(n.durable, n.parked, n.actor_id, d.state) END AS status,
       CASE WHEN n.durable THEN n.state ELSE coalesce(s.state, n.state) END AS state,
       CASE WHEN n.durable OR s.state IS NULL THEN n.behavior_version ELSE s.version END AS version,
       CASE WHEN n.durable THEN n.seq END AS seq,
       n.saved_at,
       s.mailbox_messages,
       s.oldest_message_seconds,
       s.sampled_at
  FROM troupe.name n JOIN troupe.node d USING (node_id)
  LEFT JOIN troupe.sample s ON s.node_id = n.node_id AND s.actor_id = n.actor_id
UNION ALL
SELECT NULL,
       d.name,
       s.node_id,
       s.actor_id,
       s.behavior,
       'running',
       s.state,
       s.version,
       NULL,
       NULL,
       s.mailbox_messages,
       s.oldest_message_seconds,
       s.sampled_at
  FROM troupe.sample s JOIN troupe.node d USING (node_id)
 WHERE d.state <> 'down'
   AND NOT EXISTS (SELECT FROM troupe.name n WHERE n.node_id = s.node_id AND n.actor_id = s.actor_id)
   AND s.sampled_at > clock_timestamp() - make_interval(secs => (SELECT t.value FROM troupe.setting t WHERE t.name = 'sample_seconds'));
