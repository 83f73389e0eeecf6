-- 0003_durable.sql - durable messages and the step of a durable actor.
--
-- A message to a durable actor is a row of inbox. The row is deleted in the transaction that saves the state which includes
-- it, together with what the actor sends on. So the effect on saved state happens exactly once, whoever crashes when.
-- The inbox has no cursor: a row with a lower id may become visible after one with a higher id.
--
-- Whoever deletes a row of inbox holds the lock of the name it is for. Nothing else keeps two steps apart.

CREATE TABLE troupe.inbox (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    to_name   text   COLLATE "C" NOT NULL CHECK (troupe.name_ok(to_name)),
    from_name text   COLLATE "C",
    type      text   COLLATE "C" NOT NULL CHECK (octet_length(type) BETWEEN 1 AND 128),
    payload   jsonb  NOT NULL,
    op        uuid,                                -- of the call of send() that made it
    attempts  int    NOT NULL DEFAULT 0,           -- failures so far
    error     text,                                -- of the last failure
    at        timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX inbox_by_name ON troupe.inbox (to_name, id);

CREATE TABLE troupe.dead_letter (
    id        bigint PRIMARY KEY,                  -- that of the row of inbox
    to_name   text   COLLATE "C" NOT NULL,
    from_name text   COLLATE "C",
    type      text   COLLATE "C" NOT NULL,
    payload   jsonb  NOT NULL,
    op        uuid,
    attempts  int    NOT NULL,
    error     text,
    at        timestamptz NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Operations by the id that the caller chose, so that a call whose answer was lost can be repeated or looked up.
CREATE TABLE troupe.operation (
    op     uuid   PRIMARY KEY,
    result bigint NOT NULL,
    at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX operation_at ON troupe.operation (at);

-- ---- the step ------------------------------------------------------------------------------------------------------
-- Steps of many actors in one transaction. Step i (from 1) is p_name[i], p_epoch[i], p_seq[i], p_state[i] (JSON as text; NULL:
-- unchanged), p_version[i]; it handled the inbox rows p_handled_id[j] where p_handled_step[j] = i, and sends (p_out_to[k],
-- p_out_type[k], p_out_payload[k]) where p_out_step[k] = i, in that order.
--
-- Answers one row for each step that was refused; of a refused step nothing is written, the others are committed. why:
--   'fenced'   the name is not held by this node with this epoch, or the node is down: the actor must die
--   'stale'    a later step of this actor is already saved
--   'replayed' one of the inbox rows it handled is no longer there
--   'too big'  its state or a message is above the limit, or the address of a message is not a name
-- A step whose seq is the saved one has been committed before and its answer got lost: it is answered as done, and nothing
-- is written twice. Sequence numbers therefore grow with each step and go on from name_load after a recovery.
-- An actor has at most one step in a call.
-- serialization_failure (40001): the same batch was under way on another connection, or a claim came in between; nothing was
-- written. Call again: then each step has its answer.
CREATE FUNCTION troupe.step(p_node_id bigint, p_name text[], p_epoch bigint[], p_seq bigint[], p_state text[], p_version int[],
                            p_handled_step int[], p_handled_id bigint[],
                            p_out_step int[], p_out_to text[], p_out_type text[], p_out_payload text[])
RETURNS TABLE (name text, why text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '2s'
SET plan_cache_mode = force_generic_plan AS $$     -- planning a step takes longer than doing it
#variable_conflict use_column
DECLARE
    v_why     text[];
    v_go      boolean[];
    v_handled bigint := cardinality(p_handled_id);
    v_rows    bigint;
BEGIN
    PERFORM troupe._check_batch(cardinality(p_name), cardinality(p_epoch), cardinality(p_seq), cardinality(p_state), cardinality(p_version));
    IF cardinality(p_handled_step) IS DISTINCT FROM v_handled
       OR (cardinality(p_out_to), cardinality(p_out_type), cardinality(p_out_payload))
          IS DISTINCT FROM (cardinality(p_out_step), cardinality(p_out_step), cardinality(p_out_step)) THEN
        RAISE EXCEPTION 'arrays of one batch have different lengths' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM troupe._commit_strict();
    v_why := troupe._step_judge(p_node_id, p_name, p_epoch, p_seq, p_state, p_handled_step, p_handled_id,
                                p_out_step, p_out_to, p_out_payload);
    IF v_handled > 0 OR cardinality(p_out_step) > 0 THEN
        v_go := ARRAY(SELECT w.why = 'go' FROM unnest(v_why) WITH ORDINALITY w (why, i) ORDER BY w.i);
    END IF;
    -- Takes the rows' locks; what was judged before it got them is asked again here. Locking all rows first, and judging
    -- then, costs half as much again.
    UPDATE troupe.name n
       SET seq = s.seq, state = coalesce(s.state::jsonb, n.state),
           behavior_version = CASE WHEN s.state IS NULL THEN n.behavior_version ELSE coalesce(s.version, n.behavior_version) END,
           saved_at = CASE WHEN s.state IS NULL THEN n.saved_at ELSE clock_timestamp() END
      FROM unnest(p_name, p_epoch, p_seq, p_state, p_version, v_why) s (name, epoch, seq, state, version, why)
     WHERE s.why = 'go' AND n.name = s.name AND n.node_id = p_node_id AND n.epoch = s.epoch AND n.seq < s.seq;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    IF v_rows <> cardinality(array_positions(v_why, 'go')) THEN
        -- Rare: the same batch runs on another connection, or a claim came first. Nothing can be said of the rest of it
        -- but by starting again.
        RAISE EXCEPTION 'names changed hands or went on meanwhile' USING ERRCODE = 'serialization_failure';
    END IF;
    IF v_handled > 0 THEN
        v_rows := (SELECT count(DISTINCT h.id) FROM unnest(p_handled_step, p_handled_id) h (step, id) WHERE v_go[h.step]);
        WITH gone AS (
            DELETE FROM troupe.inbox b USING unnest(p_handled_step, p_handled_id) h (step, id)
             WHERE v_go[h.step] AND b.id = h.id RETURNING b.id)
        SELECT v_rows - count(*) INTO v_rows FROM gone;
        IF v_rows <> 0 THEN
            RAISE EXCEPTION 'messages were consumed meanwhile' USING ERRCODE = 'serialization_failure';
        END IF;
    END IF;
    IF cardinality(p_out_step) > 0 THEN
        INSERT INTO troupe.inbox (to_name, from_name, type, payload)
        SELECT o.to_name, p_name[o.step], o.type, o.payload::jsonb
          FROM unnest(p_out_step, p_out_to, p_out_type, p_out_payload) WITH ORDINALITY o (step, to_name, type, payload, place)
         WHERE v_go[o.step]
         ORDER BY o.place;
    END IF;
    IF NOT v_why <@ ARRAY['go', 'done'] THEN
        RETURN QUERY SELECT s.name, s.why FROM unnest(p_name, v_why) s (name, why) WHERE s.why NOT IN ('go', 'done');
    END IF;
END $$;

-- For each step 'go', 'done' or why it is refused, without a lock.
CREATE FUNCTION troupe._step_judge(p_node_id bigint, p_name text[], p_epoch bigint[], p_seq bigint[], p_state text[],
                                   p_handled_step int[], p_handled_id bigint[],
                                   p_out_step int[], p_out_to text[], p_out_payload text[]) RETURNS text[]
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_why         text[];
    v_up          boolean := EXISTS (SELECT FROM troupe.node me WHERE me.node_id = p_node_id AND me.state <> 'down');
    v_missing     int[] := '{}';
    v_too_big     int[] := '{}';
    v_state_max   bigint;
    v_payload_max bigint;
    v_names       bigint;
BEGIN
    SELECT s.value, p.value INTO v_state_max, v_payload_max
      FROM troupe.setting s, troupe.setting p WHERE s.name = 'state_size_max' AND p.name = 'payload_size_max';
    IF cardinality(p_handled_id) > 0 THEN
        v_missing := ARRAY(
            SELECT DISTINCT h.step FROM unnest(p_handled_step, p_handled_id) h (step, id)
             WHERE NOT EXISTS (SELECT FROM troupe.inbox b WHERE b.id = h.id AND b.to_name = p_name[h.step]));
    END IF;
    IF cardinality(p_out_step) > 0 THEN
        v_too_big := ARRAY(
            SELECT DISTINCT o.step FROM unnest(p_out_step, p_out_to, p_out_payload) o (step, to_name, payload)
             WHERE octet_length(o.payload) > v_payload_max OR troupe.name_ok(o.to_name) IS NOT TRUE);
    END IF;
    SELECT array_agg(CASE
               WHEN NOT v_up OR n.name IS NULL THEN 'fenced'
               WHEN n.seq = u.seq THEN 'done'
               WHEN n.seq > u.seq THEN 'stale'
               WHEN u.i = ANY (v_missing) THEN 'replayed'
               WHEN octet_length(u.state) > v_state_max OR u.i = ANY (v_too_big) THEN 'too big'
               ELSE 'go' END ORDER BY u.i),
           count(DISTINCT u.name)
      INTO v_why, v_names
      FROM unnest(p_name, p_epoch, p_seq, p_state) WITH ORDINALITY u (name, epoch, seq, state, i)
      LEFT JOIN troupe.name n ON n.name = u.name AND n.epoch = u.epoch AND n.node_id = p_node_id;
    IF v_names <> cardinality(p_name) THEN
        RAISE EXCEPTION 'an actor has more than one step in a batch' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN v_why;
END $$;

-- ---- the inbox -----------------------------------------------------------------------------------------------------
-- Messages for names that this node holds, oldest first. p_skip: ids that the node has already and has not finished with.
CREATE FUNCTION troupe.inbox_fetch(p_node_id bigint, p_names text[], p_max int, p_skip bigint[] DEFAULT '{}')
RETURNS TABLE (id bigint, to_name text, from_name text, type text, payload jsonb, attempts int)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT b.id, b.to_name, b.from_name, b.type, b.payload, b.attempts
      FROM troupe.inbox b JOIN troupe.name n ON n.name = b.to_name
     WHERE b.to_name = ANY (p_names) AND n.node_id = p_node_id
       AND NOT EXISTS (SELECT FROM unnest(p_skip) s (id) WHERE s.id = b.id)
     ORDER BY b.id LIMIT p_max;
END $$;

-- Names of this node that have messages. Hops from name to name in the index of the inbox, so the cost is the number of
-- names with messages, neither of names nor of messages.
CREATE FUNCTION troupe.inbox_waiting_names(p_node_id bigint, p_max int) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE waiting AS (
        SELECT (SELECT min(b.to_name) FROM troupe.inbox b) AS name
        UNION ALL
        SELECT (SELECT min(b.to_name) FROM troupe.inbox b WHERE b.to_name > waiting.name) FROM waiting WHERE waiting.name IS NOT NULL)
    SELECT n.name FROM waiting JOIN troupe.name n ON n.name = waiting.name WHERE n.node_id = p_node_id LIMIT p_max;
END $$;

-- Used by each renewal: nobody is told when somebody sends by SQL, so the node asks. Nearly always the inbox is empty.
CREATE FUNCTION troupe._inbox_waiting(p_node_id bigint) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = troupe, pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM troupe.inbox) AND EXISTS (SELECT FROM troupe.inbox_waiting_names(p_node_id, 1));
END $$;

-- Counts a failure of a message. From attempts_max on it is a dead letter. NULLs: fenced, or the message is no longer there.
CREATE FUNCTION troupe.inbox_fail(p_node_id bigint, p_name text, p_epoch bigint, p_id bigint, p_error text,
                                  OUT attempts int, OUT dead boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
#variable_conflict use_column
BEGIN
    PERFORM troupe._commit_strict();
    PERFORM FROM troupe.name n WHERE n.name = p_name AND n.epoch = p_epoch AND n.node_id = p_node_id FOR UPDATE;
    IF NOT FOUND OR NOT EXISTS (SELECT FROM troupe.node me WHERE me.node_id = p_node_id AND me.state <> 'down') THEN
        RETURN;
    END IF;
    UPDATE troupe.inbox b SET attempts = b.attempts + 1, error = left(p_error, 1024)
     WHERE b.id = p_id AND b.to_name = p_name RETURNING b.attempts INTO attempts;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    dead := attempts >= troupe._limit('attempts_max');
    IF dead THEN
        WITH gone AS (DELETE FROM troupe.inbox b WHERE b.id = p_id RETURNING b.*)
        INSERT INTO troupe.dead_letter (id, to_name, from_name, type, payload, op, attempts, error, at)
        SELECT g.id, g.to_name, g.from_name, g.type, g.payload, g.op, g.attempts, g.error, g.at FROM gone g;
    END IF;
END $$;

-- Sends a durable message from SQL, in the caller's own transaction: it is sent if and when that commits. The answer is its id.
-- p_op: the same operation again answers the same id and sends nothing.
CREATE FUNCTION troupe.send(p_to text, p_type text, p_payload jsonb, p_op uuid DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_id bigint;
BEGIN
    IF troupe.name_ok(p_to) IS NOT TRUE THEN
        RAISE EXCEPTION 'not a name: %', coalesce(quote_literal(left(p_to, 128)), 'NULL') USING ERRCODE = 'invalid_parameter_value',
            HINT = 'A name has 1 to 128 bytes and no control characters.';
    END IF;
    IF octet_length(p_payload::text) > troupe._limit('payload_size_max') THEN
        RAISE EXCEPTION 'the payload is too big' USING ERRCODE = 'program_limit_exceeded',
            DETAIL = format('The limit is %s bytes (troupe.setting, payload_size_max).', troupe._limit('payload_size_max'));
    END IF;
    IF p_op IS NOT NULL THEN
        v_id := nextval(pg_get_serial_sequence('troupe.inbox', 'id'));
        INSERT INTO troupe.operation (op, result) VALUES (p_op, v_id) ON CONFLICT (op) DO NOTHING;
        IF NOT FOUND THEN
            RETURN (SELECT o.result FROM troupe.operation o WHERE o.op = p_op);
        END IF;
        INSERT INTO troupe.inbox (id, to_name, type, payload, op) OVERRIDING SYSTEM VALUE VALUES (v_id, p_to, p_type, p_payload, p_op);
    ELSE
        INSERT INTO troupe.inbox (to_name, type, payload) VALUES (p_to, p_type, p_payload) RETURNING id INTO v_id;
    END IF;
    RETURN v_id;
END $$;

-- Tells the holders of these names to look into the inbox now instead of at their next renewal. A transaction of its own, never
-- the one that sends: a NOTIFY makes commits wait for one another in the whole server. The payload of channel
-- troupe_inbox is the holder's node id.
CREATE FUNCTION troupe.inbox_hint(p_names text[]) RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_nodes bigint[] := ARRAY(SELECT DISTINCT n.node_id FROM troupe.name n JOIN troupe.node d USING (node_id)
                               WHERE n.name = ANY (p_names) AND d.state <> 'down' ORDER BY n.node_id);
    v_node  bigint;
BEGIN
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'inbox_hint belongs in a transaction of its own' USING ERRCODE = 'active_sql_transaction';
    END IF;
    FOREACH v_node IN ARRAY v_nodes LOOP
        PERFORM pg_notify('troupe_inbox', v_node::text);
    END LOOP;
    RETURN cardinality(v_nodes);
END $$;

-- Gives a dead letter another round of attempts. False: there is no such dead letter. For operators.
CREATE FUNCTION troupe.dead_letter_retry(p_id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
BEGIN
    WITH back AS (DELETE FROM troupe.dead_letter d WHERE d.id = p_id RETURNING d.*)
    INSERT INTO troupe.inbox (id, to_name, from_name, type, payload, op, at) OVERRIDING SYSTEM VALUE
    SELECT b.id, b.to_name, b.from_name, b.type, b.payload, b.op, b.at FROM back b;
    RETURN FOUND;
END $$;

-- ---- tidying up ----------------------------------------------------------------------------------------------------
-- Deletes history older than history_keep_hours, up to p_max rows of each kind; answers how many rows. Ended nodes that still
-- own names stay.
CREATE FUNCTION troupe.prune(p_max int) RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    v_old   timestamptz := clock_timestamp() - troupe._milliseconds(troupe._limit('history_keep_hours') * 3600000);
    v_total int := 0;
    v_rows  int;
BEGIN
    PERFORM troupe._commit_relaxed();
    DELETE FROM troupe.operation o
     WHERE o.op = ANY (ARRAY(SELECT x.op FROM troupe.operation x WHERE x.at < v_old LIMIT p_max FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_total := v_total + v_rows;
    -- Oldest first, so that what is left has no gap.
    DELETE FROM troupe.event e
     WHERE e.epoch = ANY (ARRAY(SELECT x.epoch FROM troupe.event x WHERE x.at < v_old ORDER BY x.epoch LIMIT p_max FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_total := v_total + v_rows;
    DELETE FROM troupe.node n
     WHERE n.node_id = ANY (ARRAY(
               SELECT x.node_id FROM troupe.node x
                WHERE x.state = 'down' AND x.swept AND x.ended_at < v_old
                  AND NOT EXISTS (SELECT FROM troupe.name y WHERE y.node_id = x.node_id)
                  AND NOT EXISTS (SELECT FROM troupe.event e WHERE e.node_id = x.node_id)
                LIMIT p_max FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_total := v_total + v_rows;
    DELETE FROM troupe.sample s WHERE s.sampled_at < clock_timestamp() - interval '1 hour';
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_total + v_rows;
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA troupe FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA troupe FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA troupe FROM PUBLIC;
