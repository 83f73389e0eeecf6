-- 0002_names.sql - named actors, recovery, links and samples.
--
-- A name is one row: who holds it, the epoch that fences everybody else, and what the actor last knew. One row lock
-- therefore fences all three. Whether a name is alive is never stored: it follows from the state of its node.

-- Epochs of names come from one sequence and not from "+ 1", so that no epoch is given twice for a name, not even
-- when it was unregistered in between (its row is gone then) or when a failover lost a claim.
CREATE SEQUENCE troupe.name_epoch;

CREATE TABLE troupe.name (
    name             text    COLLATE "C" PRIMARY KEY CHECK (troupe.name_ok(name)),
    node_id          bigint  NOT NULL,             -- the holder; no foreign key, which would lock the node's row
    actor_id         bigint  NOT NULL CHECK (actor_id >= 0), -- 0: claimed after a death and not started yet
    epoch            bigint  NOT NULL DEFAULT nextval('troupe.name_epoch'),
    durable          boolean NOT NULL,
    strict           boolean NOT NULL,
    checkpoint       text    CHECK (octet_length(checkpoint) <= 64),
    behavior         text    COLLATE "C" CHECK (octet_length(behavior) BETWEEN 1 AND 128),
    behavior_version int     NOT NULL DEFAULT 0,   -- the behavior's version that wrote the state
    state            jsonb,
    seq              bigint  NOT NULL DEFAULT 0,   -- of the last step; the next one is greater
    saved_at         timestamptz,
    recoveries       int     NOT NULL DEFAULT 0,   -- since recovered_at, see name_claim
    recovered_at     timestamptz,                  -- when the present count of recoveries began
    parked           boolean NOT NULL DEFAULT false,
    registered_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (NOT durable OR behavior IS NOT NULL)
) WITH (fillfactor = 70);

CREATE INDEX name_by_actor ON troupe.name (node_id, actor_id);
CREATE INDEX name_to_recover ON troupe.name (node_id, name) WHERE durable AND NOT parked;

-- Links and monitors between nodes, written behind. A link has the smaller pid as a, a monitor has the watcher as a.
CREATE TABLE troupe.link (
    a_node  bigint NOT NULL,
    a_actor bigint NOT NULL,
    b_node  bigint NOT NULL,
    b_actor bigint NOT NULL,
    kind    text   NOT NULL CHECK (kind IN ('link', 'monitor')),
    ref     bigint NOT NULL,                       -- tells several monitors of one pair apart; 0 in links
    PRIMARY KEY (a_node, a_actor, b_node, b_actor, kind, ref),
    CHECK (kind = 'monitor' OR (ref = 0 AND (a_node, a_actor) < (b_node, b_actor)))
);
CREATE INDEX link_by_b ON troupe.link (b_node, b_actor);

-- What nodes say about actors that are not saved: depth of mailboxes, and the state of named ones that publish it.
CREATE UNLOGGED TABLE troupe.sample (
    node_id              bigint NOT NULL,
    actor_id             bigint NOT NULL,
    behavior             text,
    state                jsonb,
    version              int,
    mailbox_messages     bigint,
    oldest_message_seconds double precision,
    sampled_at           timestamptz NOT NULL,
    PRIMARY KEY (node_id, actor_id)
) WITH (fillfactor = 50);

-- What a row of `name` means, from its node's state. 'running'; 'starting' (claimed, not started yet); 'waiting' (durable,
-- its node is down, nobody has claimed it yet); 'parked' (recovered too often); 'gone' (volatile, its node is down).
CREATE FUNCTION troupe.name_status(p_durable boolean, p_parked boolean, p_actor_id bigint, p_node_state text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_parked THEN 'parked'
            WHEN p_node_state <> 'down' THEN CASE p_actor_id WHEN 0 THEN 'starting' ELSE 'running' END
            WHEN p_durable THEN 'waiting'
            ELSE 'gone' END;

-- Refuses a batch that is too long or whose arrays differ in length, which would be a bug of the caller.
CREATE FUNCTION troupe._check_batch(VARIADIC p_counts int[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_max bigint := (SELECT s.value FROM troupe.setting s WHERE s.name = 'batch_max');
BEGIN
    IF (p_counts[1] = ALL (p_counts)) IS NOT TRUE THEN
        RAISE EXCEPTION 'arrays of one batch have different lengths: %', p_counts USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_counts[1] > v_max THEN
        RAISE EXCEPTION 'a batch of % rows is too long', p_counts[1]
            USING ERRCODE = 'program_limit_exceeded', DETAIL = format('The limit is %s (troupe.setting, batch_max).', v_max);
    END IF;
END $$;

-- A write that may be forgotten when the server crashes within the next moments (never torn, never half). Only when the
-- transaction has written nothing yet: others' writes in it keep the durability they asked for.
CREATE FUNCTION troupe._commit_relaxed() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF pg_catalog.pg_current_xact_id_if_assigned() IS NULL THEN
        PERFORM pg_catalog.set_config('synchronous_commit', 'off', true);
    END IF;
END $$;

-- A write that the caller is told is safe.
CREATE FUNCTION troupe._commit_strict() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF pg_catalog.current_setting('synchronous_commit') = 'off' THEN
        PERFORM pg_catalog.set_config('synchronous_commit', 'on', true);
    END IF;
END $$;

-- ---- registering ---------------------------------------------------------------------------------------------------
-- One answer for each input, in the order of the input. The primary key decides: after the insert the rows are read again, and
-- whoever stands in them has won. So a call that is repeated because its answer was lost answers the same.
-- refused: 'held', 'bad name', 'no behavior' (a durable name needs one), 'bad state', 'node is not up', 'busy' (it changed
-- hands meanwhile: try again). The state is JSON as text; NULL is none.
-- A dead node's volatile name is overwritten at once: states of nodes only move towards down, so an old snapshot can only
-- refuse. A durable one is taken over by name_claim alone.
CREATE FUNCTION troupe.name_register(p_node_id bigint, p_names text[], p_actor_ids bigint[], p_durable boolean[],
                                     p_strict boolean[], p_behavior text[], p_behavior_version int[],
                                     p_checkpoint text[], p_state text[])
RETURNS TABLE (name text, won boolean, epoch bigint, holder_node_id bigint, holder_actor_id bigint, refused text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '300ms' AS $$
#variable_conflict use_column
DECLARE
    v_state_max bigint := troupe._limit('state_size_max');
BEGIN
    PERFORM troupe._check_batch(cardinality(p_names), cardinality(p_actor_ids), cardinality(p_durable),
        cardinality(p_strict), cardinality(p_behavior), cardinality(p_behavior_version), cardinality(p_checkpoint), cardinality(p_state));
    PERFORM troupe._commit_strict();
    INSERT INTO troupe.name AS n (name, node_id, actor_id, durable, strict, behavior, behavior_version, checkpoint, state, saved_at)
    SELECT u.name, p_node_id, u.actor_id, u.durable, u.strict, u.behavior, coalesce(u.version, 0), u.checkpoint, u.state::jsonb,
           CASE WHEN u.state IS NOT NULL THEN clock_timestamp() END
      FROM (SELECT DISTINCT ON (i.name COLLATE "C") i.*     -- the first of equal names; sorted, so that two batches never deadlock
              FROM unnest(p_names, p_actor_ids, p_durable, p_strict, p_behavior, p_behavior_version, p_checkpoint, p_state)
                   WITH ORDINALITY i (name, actor_id, durable, strict, behavior, version, checkpoint, state, place)
             WHERE troupe._name_refused(i.name, i.durable, i.behavior, i.state, v_state_max) IS NULL
             ORDER BY i.name COLLATE "C", i.place) u
     WHERE EXISTS (SELECT FROM troupe.node me WHERE me.node_id = p_node_id AND me.state = 'up')
     ORDER BY u.name COLLATE "C"
    ON CONFLICT (name) DO UPDATE
       SET node_id = excluded.node_id, actor_id = excluded.actor_id, epoch = excluded.epoch, durable = excluded.durable,
           strict = excluded.strict, behavior = excluded.behavior, behavior_version = excluded.behavior_version,
           checkpoint = excluded.checkpoint, state = excluded.state, seq = 0, saved_at = excluded.saved_at,
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

-- Why this can never be registered, or NULL.
CREATE FUNCTION troupe._name_refused(p_name text, p_durable boolean, p_behavior text, p_state text, p_state_max bigint)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_name IS NULL OR NOT troupe.name_ok(p_name) THEN 'bad name'
            WHEN p_durable AND p_behavior IS NULL OR NOT troupe.name_ok(p_behavior) THEN 'no behavior'
            WHEN octet_length(p_state) > p_state_max THEN 'bad state' END;

-- Gives names back; answers those that were deleted. Checks holder and epoch: a name lost meanwhile is not ours to delete.
CREATE FUNCTION troupe.name_unregister(p_node_id bigint, p_names text[], p_epochs bigint[]) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    PERFORM troupe._check_batch(cardinality(p_names), cardinality(p_epochs));
    PERFORM troupe._commit_strict();
    RETURN QUERY
    WITH mine AS MATERIALIZED (
        SELECT n.name FROM troupe.name n JOIN unnest(p_names, p_epochs) u (name, epoch) ON n.name = u.name AND n.epoch = u.epoch
         WHERE n.node_id = p_node_id AND EXISTS (SELECT FROM troupe.node me WHERE me.node_id = p_node_id AND me.state <> 'down')
         ORDER BY n.name FOR UPDATE OF n)
    DELETE FROM troupe.name n USING mine WHERE n.name = mine.name RETURNING n.name;
END $$;

-- Who holds these names; no row for a name that nobody holds.
CREATE FUNCTION troupe.name_lookup(p_names text[])
RETURNS TABLE (name text, node_id bigint, actor_id bigint, epoch bigint, node_state text, durable boolean, status text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT n.name, n.node_id, n.actor_id, n.epoch, d.state, n.durable, troupe.name_status(n.durable, n.parked, n.actor_id, d.state)
      FROM troupe.name n JOIN troupe.node d USING (node_id) WHERE n.name = ANY (p_names);
END $$;

-- ---- recovery ------------------------------------------------------------------------------------------------------
-- Dead nodes that still own durable names which may be claimed now. own: it had this node's name, so this node may claim
-- first; others wait a while (down_seconds). Found by hopping from owner to owner in the index, so the cost is the number
-- of owners, not of names.
CREATE FUNCTION troupe.orphans(p_node_id bigint)
RETURNS TABLE (node_id bigint, name text, own boolean, down_kind text, down_seconds double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE owner AS (
        SELECT (SELECT min(n.node_id) FROM troupe.name n WHERE n.durable AND NOT n.parked) AS id
        UNION ALL
        SELECT (SELECT min(n.node_id) FROM troupe.name n WHERE n.durable AND NOT n.parked AND n.node_id > owner.id)
          FROM owner WHERE owner.id IS NOT NULL)
    SELECT d.node_id, d.name, coalesce(d.name = me.name, false), d.down_kind, extract(epoch FROM clock_timestamp() - d.ended_at)::double precision
      FROM owner JOIN troupe.node d ON d.node_id = owner.id AND d.state = 'down'
      LEFT JOIN troupe.node me ON me.node_id = p_node_id
     WHERE d.strict_free_at <= clock_timestamp()
        OR EXISTS (SELECT FROM troupe.name n WHERE n.node_id = d.node_id AND n.durable AND NOT n.parked AND NOT n.strict)
     ORDER BY d.node_id;
END $$;

-- Takes over up to p_max durable names of a dead node, in the order of names after p_after ('' = from the start), skipping
-- what others are claiming at this moment. p_behaviors: what this node can start; NULL: everything.
-- Only ownership is written and no state is sent: a node that stops half-way must not sit on locked rows. The names then
-- are 'starting' until name_started. A name recovered too often in a short time is parked instead; recoveries after a
-- graceful leave do not count. Fewer rows than p_max do not mean the end: only an empty answer from '' does.
CREATE FUNCTION troupe.name_claim(p_node_id bigint, p_dead_node_id bigint, p_behaviors text[], p_after text, p_max int)
RETURNS TABLE (name text, epoch bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
    d        troupe.node;
    v_max    bigint := troupe._limit('recoveries_max');
    v_window interval := troupe._milliseconds(troupe._limit('recovery_window_seconds') * 1000);
BEGIN
    PERFORM FROM troupe.node me WHERE me.node_id = p_node_id AND me.state = 'up';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT * INTO d FROM troupe.node x WHERE x.node_id = p_dead_node_id AND x.state = 'down';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM troupe._commit_strict();
    RETURN QUERY
    WITH pick AS MATERIALIZED (
        SELECT n.name, n.recoveries, coalesce(n.recovered_at > clock_timestamp() - v_window, false) AS recent
          FROM troupe.name n
         WHERE n.node_id = p_dead_node_id AND n.durable AND NOT n.parked AND n.name > p_after COLLATE "C"
           AND (p_behaviors IS NULL OR n.behavior = ANY (p_behaviors))
           AND (NOT n.strict OR d.strict_free_at <= clock_timestamp())
         ORDER BY n.name LIMIT p_max FOR UPDATE SKIP LOCKED),
    parked AS (
        UPDATE troupe.name n SET parked = true FROM pick p
         WHERE n.name = p.name AND d.down_kind <> 'left' AND p.recent AND p.recoveries >= v_max
        RETURNING n.name),
    claimed AS (
        UPDATE troupe.name n
           SET node_id = p_node_id, actor_id = 0, epoch = nextval('troupe.name_epoch'),
               recoveries = CASE WHEN d.down_kind = 'left' THEN n.recoveries WHEN p.recent THEN n.recoveries + 1 ELSE 1 END,
               recovered_at = CASE WHEN d.down_kind = 'left' OR p.recent THEN n.recovered_at ELSE clock_timestamp() END
          FROM pick p
         WHERE n.name = p.name AND NOT (d.down_kind <> 'left' AND p.recent AND p.recoveries >= v_max)
        RETURNING n.name, n.epoch)
    SELECT c.name, c.epoch FROM claimed c ORDER BY c.name;
END $$;

-- What is needed to start claimed names.
CREATE FUNCTION troupe.name_load(p_node_id bigint, p_names text[])
RETURNS TABLE (name text, epoch bigint, behavior text, behavior_version int, checkpoint text, strict boolean, seq bigint, state jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT n.name, n.epoch, n.behavior, n.behavior_version, n.checkpoint, n.strict, n.seq, n.state
      FROM troupe.name n WHERE n.name = ANY (p_names) AND n.node_id = p_node_id ORDER BY n.name;
END $$;

-- Says which actors now run claimed names; answers the names that were refused (fenced).
CREATE FUNCTION troupe.name_started(p_node_id bigint, p_names text[], p_epochs bigint[], p_actor_ids bigint[]) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    PERFORM troupe._check_batch(cardinality(p_names), cardinality(p_epochs), cardinality(p_actor_ids));
    RETURN QUERY
    WITH u AS MATERIALIZED (
        SELECT * FROM unnest(p_names, p_epochs, p_actor_ids) u (name, epoch, actor_id)),
    mine AS MATERIALIZED (
        SELECT n.name, u.actor_id FROM troupe.name n JOIN u ON n.name = u.name AND n.epoch = u.epoch
         WHERE n.node_id = p_node_id AND EXISTS (SELECT FROM troupe.node me WHERE me.node_id = p_node_id AND me.state <> 'down')
         ORDER BY n.name FOR UPDATE OF n),
    done AS (
        UPDATE troupe.name n SET actor_id = mine.actor_id FROM mine WHERE n.name = mine.name RETURNING n.name)
    SELECT u.name FROM u WHERE NOT EXISTS (SELECT FROM done WHERE done.name = u.name);
END $$;

-- Lets parked names be recovered again, with a fresh count; answers those that were parked. For operators.
CREATE FUNCTION troupe.name_unpark(p_names text[]) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    RETURN QUERY
    UPDATE troupe.name n SET parked = false, recoveries = 0, recovered_at = NULL
     WHERE n.name = ANY (p_names) AND n.parked RETURNING n.name;
END $$;

-- ---- links ---------------------------------------------------------------------------------------------------------
-- Adds and removes links and monitors, each given by both its ends, in whichever order for a link. Both ends' nodes may
-- write the same link: the canonical order makes it one row. Rows whose ends' nodes are down are left out, as their end has
-- already been told. The writer must be one of the ends. Lost in a crash of the server: the last moments, which nodes
-- write again from memory.
CREATE FUNCTION troupe.link_write(p_node_id bigint,
    p_add_kind text[], p_add_a_node bigint[], p_add_a_actor bigint[], p_add_b_node bigint[], p_add_b_actor bigint[], p_add_ref bigint[],
    p_del_kind text[], p_del_a_node bigint[], p_del_a_actor bigint[], p_del_b_node bigint[], p_del_b_actor bigint[], p_del_ref bigint[],
    OUT added int, OUT removed int)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    PERFORM troupe._check_batch(cardinality(p_add_kind), cardinality(p_add_a_node), cardinality(p_add_a_actor),
        cardinality(p_add_b_node), cardinality(p_add_b_actor), cardinality(p_add_ref));
    PERFORM troupe._check_batch(cardinality(p_del_kind), cardinality(p_del_a_node), cardinality(p_del_a_actor),
        cardinality(p_del_b_node), cardinality(p_del_b_actor), cardinality(p_del_ref));
    PERFORM troupe._commit_relaxed();
    DELETE FROM troupe.link l
     USING (SELECT c.* FROM unnest(p_del_kind, p_del_a_node, p_del_a_actor, p_del_b_node, p_del_b_actor, p_del_ref)
                            u (kind, a_node, a_actor, b_node, b_actor, ref),
                       troupe._link_canonical(u.kind, u.a_node, u.a_actor, u.b_node, u.b_actor, u.ref) c
             WHERE p_node_id IN (u.a_node, u.b_node)) d
     WHERE (l.a_node, l.a_actor, l.b_node, l.b_actor, l.kind, l.ref) = (d.a_node, d.a_actor, d.b_node, d.b_actor, d.kind, d.ref);
    GET DIAGNOSTICS removed = ROW_COUNT;
    INSERT INTO troupe.link (a_node, a_actor, b_node, b_actor, kind, ref)
    SELECT c.a_node, c.a_actor, c.b_node, c.b_actor, c.kind, c.ref
      FROM unnest(p_add_kind, p_add_a_node, p_add_a_actor, p_add_b_node, p_add_b_actor, p_add_ref)
           u (kind, a_node, a_actor, b_node, b_actor, ref),
           troupe._link_canonical(u.kind, u.a_node, u.a_actor, u.b_node, u.b_actor, u.ref) c
     WHERE p_node_id IN (u.a_node, u.b_node)
       AND EXISTS (SELECT FROM troupe.node n WHERE n.node_id = u.a_node AND n.state <> 'down')
       AND EXISTS (SELECT FROM troupe.node n WHERE n.node_id = u.b_node AND n.state <> 'down')
     ORDER BY 1, 2, 3, 4, 5, 6        -- two batches never deadlock
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
END $$;

-- A link with the smaller pid first and no ref; a monitor as it is.
CREATE FUNCTION troupe._link_canonical(p_kind text, p_a_node bigint, p_a_actor bigint, p_b_node bigint, p_b_actor bigint, p_ref bigint)
RETURNS TABLE (kind text, a_node bigint, a_actor bigint, b_node bigint, b_actor bigint, ref bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT p_kind, CASE WHEN s.turn THEN p_b_node ELSE p_a_node END, CASE WHEN s.turn THEN p_b_actor ELSE p_a_actor END,
           CASE WHEN s.turn THEN p_a_node ELSE p_b_node END, CASE WHEN s.turn THEN p_a_actor ELSE p_b_actor END,
           CASE p_kind WHEN 'link' THEN 0 ELSE p_ref END
      FROM (SELECT p_kind = 'link' AND (p_b_node, p_b_actor) < (p_a_node, p_a_actor) AS turn) s;
END;

-- ---- samples -------------------------------------------------------------------------------------------------------
-- What a node says of its actors at this moment; p_gone are actors to forget. Answers how many rows were written.
CREATE FUNCTION troupe.sample_write(p_node_id bigint, p_actor_ids bigint[], p_behavior text[], p_state text[], p_version int[],
                                    p_mailbox_messages bigint[], p_oldest_message_seconds double precision[],
                                    p_gone bigint[] DEFAULT '{}') RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    v_rows int;
BEGIN
    PERFORM troupe._check_batch(cardinality(p_actor_ids), cardinality(p_behavior), cardinality(p_state), cardinality(p_version),
        cardinality(p_mailbox_messages), cardinality(p_oldest_message_seconds));
    PERFORM troupe._commit_relaxed();
    DELETE FROM troupe.sample s WHERE s.node_id = p_node_id AND s.actor_id = ANY (p_gone);
    INSERT INTO troupe.sample AS s (node_id, actor_id, behavior, state, version, mailbox_messages, oldest_message_seconds, sampled_at)
    SELECT p_node_id, u.actor_id, u.behavior, u.state::jsonb, u.version, u.mailbox, u.oldest, clock_timestamp()
      FROM (SELECT DISTINCT ON (i.actor_id) i.*
              FROM unnest(p_actor_ids, p_behavior, p_state, p_version, p_mailbox_messages, p_oldest_message_seconds)
                   WITH ORDINALITY i (actor_id, behavior, state, version, mailbox, oldest, place)
             ORDER BY i.actor_id, i.place DESC) u
     WHERE EXISTS (SELECT FROM troupe.node me WHERE me.node_id = p_node_id AND me.state <> 'down')
     ORDER BY u.actor_id
    ON CONFLICT (node_id, actor_id) DO UPDATE
       SET behavior = excluded.behavior, state = coalesce(excluded.state, s.state), version = coalesce(excluded.version, s.version),
           mailbox_messages = excluded.mailbox_messages, oldest_message_seconds = excluded.oldest_message_seconds,
           sampled_at = excluded.sampled_at;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END $$;

-- ---- tidying up ----------------------------------------------------------------------------------------------------
-- Dead nodes whose links and volatile names are still in the tables.
CREATE FUNCTION troupe.unswept(p_max int) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT n.node_id FROM troupe.node n WHERE n.state = 'down' AND NOT n.swept ORDER BY n.node_id LIMIT p_max;
END $$;

-- Deletes up to p_max rows each of a dead node's links, volatile names and samples; answers how many. 0: nothing is left, and the
-- node is marked as swept. One survivor does it, in the background, after it has told its own actors.
CREATE FUNCTION troupe.sweep(p_node_id bigint, p_dead_node_id bigint, p_max int) RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    v_total int := 0;
    v_rows  int;
BEGIN
    PERFORM FROM troupe.node me, troupe.node d
      WHERE me.node_id = p_node_id AND me.state <> 'down' AND d.node_id = p_dead_node_id AND d.state = 'down' AND NOT d.swept;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    PERFORM troupe._commit_relaxed();
    DELETE FROM troupe.link l
     WHERE l.ctid = ANY (ARRAY(SELECT x.ctid FROM troupe.link x WHERE x.a_node = p_dead_node_id LIMIT p_max FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_total := v_total + v_rows;
    DELETE FROM troupe.link l
     WHERE l.ctid = ANY (ARRAY(SELECT x.ctid FROM troupe.link x WHERE x.b_node = p_dead_node_id LIMIT p_max FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_total := v_total + v_rows;
    DELETE FROM troupe.name n
     WHERE n.node_id = p_dead_node_id AND NOT n.durable    -- read again: somebody may just have taken it over
       AND n.name = ANY (ARRAY(SELECT x.name FROM troupe.name x WHERE x.node_id = p_dead_node_id AND NOT x.durable
                                ORDER BY x.name LIMIT p_max FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_total := v_total + v_rows;
    DELETE FROM troupe.sample s
     WHERE s.ctid = ANY (ARRAY(SELECT x.ctid FROM troupe.sample x WHERE x.node_id = p_dead_node_id LIMIT p_max FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_total := v_total + v_rows;
    IF v_total = 0 THEN
        -- A batch that was under way when the node died may still bring rows: look once more after a minute.
        UPDATE troupe.node n SET swept = true
         WHERE n.node_id = p_dead_node_id AND n.ended_at < clock_timestamp() - interval '1 minute';
    END IF;
    RETURN v_total;
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA troupe FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA troupe FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA troupe FROM PUBLIC;
