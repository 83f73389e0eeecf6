-- 0001_core.sql - who is in the cluster: nodes, leases, deaths and the one row that puts them in order.
--
-- The runner makes the schema and the table of migrations, and wraps each migration in one transaction, under an
-- advisory lock. Everything is schema-qualified,
-- every function pins its search_path, and EXECUTE is taken from PUBLIC at the end of each file.
--
-- Rules that every membership function keeps:
--   * It is one autocommit statement, so a client that stops cannot sit on the row of `cluster`.
--   * It looks first without a lock, because most calls end there, then locks `cluster`, then READS EVERYTHING AGAIN.
--     What was read before the lock was got may be history by then.
--   * Time is clock_timestamp(): now() is when the transaction began, which may be long before the lock was got.
--   * The order of locks is cluster, node, lease. A renewal takes nothing but its own lease row.

DO $$
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'troupe needs a database whose encoding is UTF8, this one is %', current_setting('server_encoding')
            USING HINT = 'CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0';
    END IF;
END $$;

-- ---- roles -----------------------------------------------------------------------------------------------------
-- The roles are made when the migrating role may make them. Where it may not (many managed services), everything
-- belongs to the migrating role and works for it; grants_apply() in 0005 can be called again once an
-- administrator has made the roles.
DO $$
DECLARE
    v_role text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'troupe_owner') THEN
        CREATE ROLE troupe_owner NOLOGIN;
    END IF;
    FOREACH v_role IN ARRAY ARRAY['troupe_migrate', 'troupe_node', 'troupe_client', 'troupe_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = v_role) THEN
            -- No password: until an administrator gives it one (or a certificate), nobody can log in as it.
            EXECUTE pg_catalog.format('CREATE ROLE %I LOGIN', v_role);
        END IF;
    END LOOP;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'troupe: % may not create roles, so none were made', current_user;
    WHEN duplicate_object OR unique_violation THEN
        RAISE NOTICE 'troupe: another database of this server is making the roles at this moment';
END $$;

-- Objects belong to troupe_owner, whom nobody can log in as, so that the functions run with no more rights
-- than the schema needs.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'troupe_owner') THEN
        RAISE NOTICE 'troupe: there is no role troupe_owner, % will own the schema', current_user;
        RETURN;
    END IF;
    IF NOT pg_catalog.pg_has_role(current_user, 'troupe_owner', 'MEMBER') THEN
        EXECUTE pg_catalog.format('GRANT troupe_owner TO %I', current_user);
    END IF;
    EXECUTE pg_catalog.format('GRANT CREATE ON DATABASE %I TO troupe_owner', pg_catalog.current_database());
    ALTER SCHEMA troupe OWNER TO troupe_owner;
    IF pg_catalog.to_regclass('troupe.migration') IS NOT NULL THEN
        ALTER TABLE troupe.migration OWNER TO troupe_owner;
    END IF;
    SET LOCAL ROLE troupe_owner;
EXCEPTION
    WHEN insufficient_privilege OR invalid_grant_operation THEN
        RAISE NOTICE 'troupe: cannot hand the schema to troupe_owner (%), % will own it', SQLERRM, current_user;
END $$;

REVOKE ALL ON SCHEMA troupe FROM PUBLIC;

-- ---- what a name may be ------------------------------------------------------------------------------------------
-- The same rule holds for names of nodes and of actors, and is checked in C and in the command line tool as well:
-- 1 to 128 bytes, no control characters, no line or paragraph separators, nothing that turns the direction of
-- text round. A name is printed in logs and terminals by people who did not choose it.
CREATE FUNCTION troupe.name_ok(p_name text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN octet_length(p_name) BETWEEN 1 AND 128
   AND (p_name COLLATE "C") !~ '[\u0001-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]';

-- ---- limits ------------------------------------------------------------------------------------------------------
-- Every limit that the database itself applies, with its unit and its reason.
CREATE TABLE troupe.setting (
    name   text   COLLATE "C" PRIMARY KEY,
    value  bigint NOT NULL CHECK (value > 0),
    unit   text   NOT NULL,
    reason text   NOT NULL
);

INSERT INTO troupe.setting (name, value, unit, reason) VALUES
    ('batch_max', 1000, 'rows', 'rows in one call of name_register, step, link_write or sample_write; above it a batch gains nothing and holds its locks too long'),
    ('state_size_max', 16777216, 'bytes', 'saved state of one actor, as JSON text'),
    ('payload_size_max', 16777216, 'bytes', 'payload of one durable message, as JSON text'),
    ('attempts_max', 5, 'attempts', 'failures of one durable message before it becomes a dead letter'),
    ('recoveries_max', 5, 'recoveries', 'recoveries of one name inside recovery_window_seconds before it is parked, so that an actor that kills its node does not kill them all'),
    ('recovery_window_seconds', 600, 'seconds', 'the window of recoveries_max'),
    ('sample_seconds', 10, 'seconds', 'how long the sample of an unnamed actor is shown'),
    ('history_keep_hours', 168, 'hours', 'how long events, ended nodes and operation ids are kept');

CREATE FUNCTION troupe._limit(p_name text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = troupe, pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT s.value FROM troupe.setting s WHERE s.name = p_name);
END $$;

-- ---- tables ------------------------------------------------------------------------------------------------------
-- One row: the arbiter of order. Its lock makes epochs gapless and puts them in the order of commits, which a
-- sequence does not (a cursor over a sequence lost a quarter of the rows in a race).
CREATE TABLE troupe.cluster (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch      bigint  NOT NULL DEFAULT 0,
    timeline   int     NOT NULL,             -- the server's when last seen: a change means failover or restore
    sysid      bigint  NOT NULL,             -- the server's system identifier: a change means another server
    cluster_id uuid    NOT NULL DEFAULT gen_random_uuid()
) WITH (fillfactor = 10);

-- One row per start of a node. The id is never reused; the state only moves up -> draining -> down. Whatever a node
-- owned is judged by joining with its state, so a death writes one row however much the node owned.
CREATE TABLE troupe.node (
    node_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY CHECK (node_id < 281474976710656), -- 2^48, see _session_key
    boot        uuid   NOT NULL,                       -- random per start: proves "it is me"
    name        text   COLLATE "C" NOT NULL CHECK (troupe.name_ok(name)),
    host        text   NOT NULL CHECK (octet_length(host) BETWEEN 1 AND 255),
    port        int    NOT NULL CHECK (port BETWEEN 1 AND 65535),
    state       text   NOT NULL DEFAULT 'up' CHECK (state IN ('up', 'draining', 'down')),
    ttl_ms      int    NOT NULL CHECK (ttl_ms BETWEEN 500 AND 600000),
    roles       text[] NOT NULL DEFAULT '{}',
    version     text   CHECK (octet_length(version) <= 64),
    meta        jsonb  NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(meta) = 'object' AND pg_column_size(meta) <= 65536),
    up_epoch    bigint NOT NULL,
    down_epoch  bigint,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at    timestamptz,
    down_kind   text CHECK (down_kind IN ('gone', 'lost', 'expired', 'left', 'replaced')),
    down_by     bigint,
    strict_free_at timestamptz,                        -- from then on its strict names may be taken over
    swept       boolean NOT NULL DEFAULT false,        -- down, and its links and volatile names are deleted
    CHECK ((state = 'down') = (down_epoch IS NOT NULL)),
    CHECK ((state = 'down') = (down_kind IS NOT NULL))
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX node_live_name ON troupe.node (name) WHERE state <> 'down';
CREATE INDEX node_unswept ON troupe.node (node_id) WHERE state = 'down' AND NOT swept;
CREATE INDEX node_ended ON troupe.node (ended_at) WHERE state = 'down';

-- The log that nodes read: one row per epoch (a `timeline` event jumps by a million on purpose).
CREATE TABLE troupe.event (
    epoch   bigint PRIMARY KEY,
    kind    text   NOT NULL CHECK (kind IN ('node_up', 'node_draining', 'node_down', 'timeline')),
    node_id bigint,
    by_id   bigint,
    detail  text,
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX event_at ON troupe.event (at);

-- Leases are unlogged: no WAL, no flush. A crash of the server empties the table, and so does a promotion; a missing
-- row means "unknown", never "dead". Narrow and half empty, so that each renewal stays on its page.
CREATE UNLOGGED TABLE troupe.lease (
    node_id     bigint PRIMARY KEY,
    boot        uuid   NOT NULL,
    ttl_ms      int    NOT NULL,
    until       timestamptz NOT NULL,
    since       timestamptz NOT NULL,    -- from then on the node has had unbroken service of the database
    session_run timestamptz,             -- the start of the server in which a session lock of the node was last seen
    lost_since  timestamptz              -- the first look that found no session lock, see node_declare_lost
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- What a peer may ask a node to do, by the role it proved in the handshake.
CREATE TABLE troupe.policy (
    role         text    COLLATE "C" PRIMARY KEY CHECK (role IN ('node', 'client')),
    may_spawn    boolean NOT NULL,
    may_exit     boolean NOT NULL,       -- kill without a link
    may_register boolean NOT NULL
);
INSERT INTO troupe.policy (role, may_spawn, may_exit, may_register) VALUES
    ('node', true, true, true),
    ('client', true, true, false);

-- ---- helpers: private, called by the functions below only -----------------------------------------------------------
-- The timeline from the WAL position: pg_control_checkpoint() still says the old one right after a promotion.
CREATE FUNCTION troupe._server_timeline() RETURNS int
LANGUAGE plpgsql STABLE SET search_path = troupe, pg_catalog, pg_temp AS $$
BEGIN
    RETURN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int;
END $$;

INSERT INTO troupe.cluster (timeline, sysid)
SELECT troupe._server_timeline(), s.system_identifier FROM pg_control_system() s;

CREATE FUNCTION troupe._milliseconds(p_ms bigint) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN make_interval(secs => p_ms / 1000.0);

-- The key of a node's session lock: class 4711 in the upper 16 bits, the node id in the lower 48, so that ids never
-- wrap into one another as they would in the two-integer form.
CREATE FUNCTION troupe._session_key(p_node_id bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (4711::bigint << 48) | p_node_id;

-- The server processes that hold the session lock of a node.
CREATE FUNCTION troupe._session_pids(p_node_id bigint) RETURNS SETOF int
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_key bigint := troupe._session_key(p_node_id);
BEGIN
    RETURN QUERY
    SELECT k.pid FROM pg_locks k
     WHERE k.locktype = 'advisory' AND k.objsubid = 1 AND k.granted
       AND k.classid = (v_key >> 32)::oid AND k.objid = (v_key & 4294967295)::oid
       AND k.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
END $$;

CREATE FUNCTION troupe._session_held(p_node_id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM troupe._session_pids(p_node_id));
END $$;

-- The next epoch, its event and the hint. The only place in the schema that notifies on troupe_event: a NOTIFY makes
-- commits wait for one another in the whole server, so it belongs to membership alone.
CREATE FUNCTION troupe._bump(p_kind text, p_node_id bigint, p_by bigint, p_detail text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_epoch bigint;
BEGIN
    UPDATE troupe.cluster c SET epoch = c.epoch + 1 RETURNING c.epoch INTO v_epoch;
    INSERT INTO troupe.event (epoch, kind, node_id, by_id, detail) VALUES (v_epoch, p_kind, p_node_id, p_by, p_detail);
    PERFORM pg_notify('troupe_event', v_epoch::text);
    RETURN v_epoch;
END $$;

-- Ends the database sessions of a dead node, which rolls back what a zombie has left open. Sessions that the owner of
-- this function may not end stay: epochs fence them all the same.
CREATE FUNCTION troupe._end_sessions(p_node_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_super boolean := (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user);
BEGIN
    PERFORM pg_terminate_backend(a.pid)
       FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
      WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
        AND (a.pid IN (SELECT troupe._session_pids(p_node_id)) OR a.application_name = 'troupe/' || p_node_id)
        AND (v_super OR NOT r.rolsuper AND (pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')));
EXCEPTION
    WHEN insufficient_privilege THEN
        NULL;
END $$;

-- The end of a node. The caller holds the row of `cluster` and has read its evidence under it.
CREATE FUNCTION troupe._kill(p_node_id bigint, p_by bigint, p_kind text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_epoch bigint := troupe._bump('node_down', p_node_id, p_by, p_kind);
BEGIN
    UPDATE troupe.node n
       SET state = 'down', down_epoch = v_epoch, ended_at = clock_timestamp(), down_by = p_by, down_kind = p_kind,
           -- A node that is only thought to be gone may believe in its lease until it ends: nobody runs its strict
           -- names before that.
           strict_free_at = CASE WHEN p_kind IN ('left', 'expired') THEN clock_timestamp()
                ELSE coalesce((SELECT l.until FROM troupe.lease l WHERE l.node_id = p_node_id),
                              clock_timestamp() + troupe._milliseconds(n.ttl_ms)) END
     WHERE n.node_id = p_node_id;
    DELETE FROM troupe.lease l WHERE l.node_id = p_node_id;
    IF p_kind <> 'left' THEN
        PERFORM troupe._end_sessions(p_node_id);
    END IF;
    RETURN v_epoch;
END $$;

-- Why this node may not accuse, or NULL. p_unbroken: how long it must have been served without a break.
CREATE FUNCTION troupe._standing(p_by bigint, p_unbroken interval) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_since timestamptz;
BEGIN
    SELECT l.since INTO v_since
      FROM troupe.lease l JOIN troupe.node n USING (node_id)
     WHERE l.node_id = p_by AND n.state <> 'down' AND l.until > clock_timestamp();
    IF NOT FOUND THEN
        RETURN 'accuser holds no lease';
    END IF;
    IF v_since > clock_timestamp() - p_unbroken THEN
        RETURN 'accuser has not been served for the victim''s ttl';
    END IF;
    RETURN NULL;
END $$;

-- ---- joining and staying -------------------------------------------------------------------------------------------
-- The first call on every connection. The first one to see another timeline or another server (failover, restore, clone)
-- makes sure that no epoch, node id or inbox id that was lost with the old server can come again, and empties
-- the leases, so that everybody gets a full ttl to come back.
CREATE FUNCTION troupe.hello(OUT epoch bigint, OUT timeline int, OUT sysid bigint, OUT cluster_id uuid,
                             OUT schema_version int, OUT switched boolean, OUT fsync_on boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
#variable_conflict use_column
DECLARE
    c          troupe.cluster;
    v_timeline int := troupe._server_timeline();
    v_sysid    bigint;
BEGIN
    SELECT s.system_identifier INTO v_sysid FROM pg_control_system() s;
    SELECT * INTO c FROM troupe.cluster;
    switched := false;
    IF (c.timeline, c.sysid) IS DISTINCT FROM (v_timeline, v_sysid) THEN
        SELECT * INTO c FROM troupe.cluster FOR UPDATE;
        IF (c.timeline, c.sysid) IS DISTINCT FROM (v_timeline, v_sysid) THEN
            UPDATE troupe.cluster x SET timeline = v_timeline, sysid = v_sysid, epoch = x.epoch + 1000000;
            PERFORM setval(q, nextval(q) + 1000000)
               FROM unnest(ARRAY[pg_get_serial_sequence('troupe.node', 'node_id')::regclass,
                                 pg_get_serial_sequence('troupe.inbox', 'id')::regclass,
                                 'troupe.name_epoch'::regclass]) q;
            DELETE FROM troupe.lease;
            PERFORM troupe._bump('timeline', NULL, NULL,
                                 format('timeline %s -> %s, system %s -> %s', c.timeline, v_timeline, c.sysid, v_sysid));
            switched := true;
        END IF;
        SELECT * INTO c FROM troupe.cluster;
    END IF;
    epoch := c.epoch;
    timeline := c.timeline;
    sysid := c.sysid;
    cluster_id := c.cluster_id;
    schema_version := (SELECT max(m.id) FROM troupe.migration m);
    fsync_on := current_setting('fsync')::boolean AND current_setting('full_page_writes')::boolean;
END $$;

-- A start. A live node of this name refuses it, unless that one's lease has run out, or its session was broken and has
-- not come back (the process crashed and this is its restart): then its death comes first, in this
-- transaction, so that nobody sees the new node before the end of the old one.
--
-- p_replace_node_id: the caller has dialled that very node and was refused. Then it is enough that the server holds no
-- session lock of it, even when none was seen since the server started.
-- The same boot again is the retry of a join whose answer was lost: it gets the same answer.
CREATE FUNCTION troupe.node_join(p_name text, p_host text, p_port int, p_boot uuid, p_ttl_ms int,
                                 p_meta jsonb DEFAULT '{}', p_replace_node_id bigint DEFAULT NULL,
                                 OUT node_id bigint, OUT epoch bigint, OUT refused text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
#variable_conflict use_column
DECLARE
    h record;
    v_id bigint;
BEGIN
    PERFORM FROM troupe.cluster FOR UPDATE;
    SELECT n.node_id, n.boot, n.host, n.port, n.ttl_ms, n.up_epoch, l.until, l.session_run INTO h
      FROM troupe.node n LEFT JOIN troupe.lease l USING (node_id)
     WHERE n.name = p_name AND n.state <> 'down';
    IF FOUND AND h.boot = p_boot THEN
        node_id := h.node_id;
        epoch := h.up_epoch;
        RETURN;
    END IF;
    IF h.node_id IS NOT NULL AND NOT troupe._replaceable(h.node_id, h.ttl_ms, h.until, h.session_run, p_replace_node_id) THEN
        -- The words behind the address tell the caller that waiting helps: nobody has that node's session.
        refused := format('name is held by node %s at %s:%s%s', h.node_id, h.host, h.port,
                          CASE WHEN troupe._session_held(h.node_id) THEN '' ELSE ', which may still come back' END);
        RETURN;
    END IF;
    v_id := nextval(pg_get_serial_sequence('troupe.node', 'node_id'));
    IF h.node_id IS NOT NULL THEN
        PERFORM troupe._kill(h.node_id, v_id, 'replaced');
    END IF;
    epoch := troupe._bump('node_up', v_id, v_id, NULL);
    INSERT INTO troupe.node (node_id, boot, name, host, port, ttl_ms, roles, version, meta, up_epoch)
    OVERRIDING SYSTEM VALUE
    VALUES (v_id, p_boot, p_name, p_host, p_port, p_ttl_ms,
            ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(p_meta -> 'roles') WHEN 'array' THEN p_meta -> 'roles' ELSE '[]' END)),
            p_meta ->> 'version', coalesce(p_meta, '{}'), epoch);
    INSERT INTO troupe.lease (node_id, boot, ttl_ms, until, since)
    VALUES (v_id, p_boot, p_ttl_ms, clock_timestamp() + troupe._milliseconds(p_ttl_ms), clock_timestamp());
    node_id := v_id;
END $$;

-- Whether a new start may end this live node of the same name. The caller holds the row of `cluster`.
CREATE FUNCTION troupe._replaceable(p_node_id bigint, p_ttl_ms int, p_until timestamptz, p_session_run timestamptz,
                                    p_replace_node_id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_ttl interval := troupe._milliseconds(p_ttl_ms);
BEGIN
    IF NOT troupe._session_held(p_node_id)
       AND (p_session_run = pg_postmaster_start_time() OR p_node_id = p_replace_node_id) THEN
        RETURN true;
    END IF;
    IF p_until IS NULL THEN    -- the leases were emptied by a crash: a grace of one ttl, never death
        INSERT INTO troupe.lease (node_id, boot, ttl_ms, until, since)
        SELECT n.node_id, n.boot, n.ttl_ms, clock_timestamp() + v_ttl, clock_timestamp()
          FROM troupe.node n WHERE n.node_id = p_node_id;
        RETURN false;
    END IF;
    -- A lease that ran out while the server was away says nothing: everybody gets a full ttl to come back.
    RETURN p_until < clock_timestamp() AND pg_postmaster_start_time() < clock_timestamp() - v_ttl;
END $$;

-- Takes the session lock of the node for this connection; every connection of a node calls it. It tells others that
-- this process lives, at once and without a timer, and tells the database whose sessions these are.
-- A new session is a new start of unbroken service. False: the node is down, or somebody else misuses the key.
CREATE FUNCTION troupe.node_hold(p_node_id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM troupe.node n WHERE n.node_id = p_node_id AND n.state <> 'down';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF NOT EXISTS (SELECT FROM troupe._session_pids(p_node_id) s WHERE s = pg_backend_pid()) THEN
        IF NOT pg_try_advisory_lock_shared(troupe._session_key(p_node_id)) THEN
            RETURN false;
        END IF;
        UPDATE troupe.lease l SET session_run = pg_postmaster_start_time(), since = clock_timestamp()
         WHERE l.node_id = p_node_id;
    END IF;
    RETURN true;
END $$;

-- One UPDATE of one unlogged row, and never an upsert: a death deletes the lease in its own transaction, so a renewal
-- either comes before it and is seen, or finds nothing. NULLs mean no lease row: call node_reinstate.
-- A peer may call it for a node that asked it to, as that node's id and boot are all it takes.
CREATE FUNCTION troupe.node_renew(p_node_id bigint, p_boot uuid,
                                  OUT epoch bigint, OUT until timestamptz, OUT inbox_waiting boolean,
                                  OUT expires_in_ms bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    UPDATE troupe.lease l
       SET until = clock_timestamp() + troupe._milliseconds(l.ttl_ms),
           -- Renewals come every third of the ttl. One that is late by more than half of it was held up, and
           -- so may others have been: this node has to be served for a full ttl again before it accuses.
           since = CASE WHEN clock_timestamp() > l.until - troupe._milliseconds(l.ttl_ms / 2) THEN clock_timestamp() ELSE l.since END,
           lost_since = NULL,
           session_run = CASE WHEN l.session_run = pg_postmaster_start_time() THEN l.session_run
                              WHEN troupe._session_held(p_node_id) THEN pg_postmaster_start_time() END
     WHERE l.node_id = p_node_id AND l.boot = p_boot
    RETURNING l.until INTO until;
    IF FOUND THEN
        epoch := (SELECT c.epoch FROM troupe.cluster c);    -- tells of an event whose notification got lost
        inbox_waiting := troupe._inbox_waiting(p_node_id);
        expires_in_ms := troupe._expires_in_ms(p_node_id);
    END IF;
END $$;

-- In how many milliseconds the first lease among the others' runs out, so that a node need not ask for expired ones
-- but looks exactly when there may be one. 0: there is one; NULL: there are no others.
CREATE FUNCTION troupe._expires_in_ms(p_node_id bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
BEGIN
    RETURN (SELECT ceil(extract(epoch FROM min(greatest(coalesce(l.until, v_now), v_now)) - v_now) * 1000)::bigint
              FROM troupe.node n LEFT JOIN troupe.lease l USING (node_id)
             WHERE n.state <> 'down' AND n.node_id <> p_node_id);
END $$;

-- For a node whose lease row is missing. Under the cluster lock no death can be declared meanwhile. NULLs: fenced.
CREATE FUNCTION troupe.node_reinstate(p_node_id bigint, p_boot uuid, OUT epoch bigint, OUT until timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
#variable_conflict use_column
DECLARE
    v_epoch bigint;
    n       troupe.node;
BEGIN
    SELECT c.epoch INTO v_epoch FROM troupe.cluster c FOR UPDATE;
    SELECT * INTO n FROM troupe.node x WHERE x.node_id = p_node_id AND x.boot = p_boot AND x.state <> 'down';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO troupe.lease AS l (node_id, boot, ttl_ms, until, since, session_run)
    VALUES (n.node_id, n.boot, n.ttl_ms, clock_timestamp() + troupe._milliseconds(n.ttl_ms), clock_timestamp(),
            CASE WHEN troupe._session_held(p_node_id) THEN pg_postmaster_start_time() END)
    ON CONFLICT (node_id) DO UPDATE SET until = excluded.until, since = excluded.since, lost_since = NULL
    RETURNING l.until INTO until;
    epoch := v_epoch;
END $$;

-- From now on the node takes no new names. The epoch, or NULL when it is not up.
CREATE FUNCTION troupe.node_drain(p_node_id bigint, p_boot uuid) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    PERFORM FROM troupe.cluster FOR UPDATE;
    UPDATE troupe.node n SET state = 'draining' WHERE n.node_id = p_node_id AND n.boot = p_boot AND n.state = 'up';
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN troupe._bump('node_draining', p_node_id, p_node_id, NULL);
END $$;

-- The graceful end. The epoch, or NULL when the node is down already (declared dead by somebody).
CREATE FUNCTION troupe.node_leave(p_node_id bigint, p_boot uuid) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    PERFORM FROM troupe.cluster FOR UPDATE;
    PERFORM FROM troupe.node n WHERE n.node_id = p_node_id AND n.boot = p_boot AND n.state <> 'down';
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN troupe._kill(p_node_id, p_node_id, 'left');
END $$;

-- ---- death -------------------------------------------------------------------------------------------------------
-- Each answers (epoch, NULL) to the one caller who won, and (epoch of the death, 'already down') to those after it.
-- Other refusals have no epoch: 'no such node', 'a node cannot accuse itself', 'accuser holds no lease', 'accuser has
-- not been served for the victim's ttl', 'session alive', 'session not seen', 'first look', 'in grace', 'no lease
-- row', 'grace granted', 'lease valid'.

-- What all kinds of evidence have in common; read before the lock and again under it. True: go on.
CREATE FUNCTION troupe._accuse(p_by bigint, p_node_id bigint, p_unbroken boolean, OUT epoch bigint, OUT refused text)
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v troupe.node;
BEGIN
    SELECT * INTO v FROM troupe.node n WHERE n.node_id = p_node_id;
    IF NOT FOUND THEN
        refused := 'no such node';
    ELSIF v.state = 'down' THEN
        epoch := v.down_epoch;
        refused := 'already down';
    ELSIF p_by = p_node_id THEN
        refused := 'a node cannot accuse itself';
    ELSE
        refused := troupe._standing(p_by, CASE WHEN p_unbroken THEN troupe._milliseconds(v.ttl_ms) ELSE '0' END);
    END IF;
END $$;

-- Whether the session of a node was seen in this run of the server and is broken now. NULL: yes.
CREATE FUNCTION troupe._session_broken(p_node_id bigint) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
BEGIN
    IF troupe._session_held(p_node_id) THEN
        UPDATE troupe.lease l SET lost_since = NULL WHERE l.node_id = p_node_id AND l.lost_since IS NOT NULL;
        RETURN 'session alive';
    END IF;
    -- After a restart of the server nobody's session is there; that says something about the server only.
    IF NOT EXISTS (SELECT FROM troupe.lease l WHERE l.node_id = p_node_id AND l.session_run = pg_postmaster_start_time()) THEN
        RETURN 'session not seen';
    END IF;
    RETURN NULL;
END $$;

-- Evidence (a), gone: the caller's session to the victim broke and dialling it is refused, and the server holds no
-- session lock of it. The server notices a killed process within some milliseconds: on 'session alive' try again soon.
CREATE FUNCTION troupe.node_declare_gone(p_by bigint, p_node_id bigint, OUT epoch bigint, OUT refused text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    SELECT d.epoch, d.refused INTO epoch, refused FROM troupe._declare_broken(p_by, p_node_id, 'gone', 0) d;
END $$;

-- Evidence (b), lost: the caller's session to the victim broke, and the server holds no session lock of it on two looks
-- p_grace_ms apart (by anybody; at least 100 ms). A renewal in between clears the first look.
CREATE FUNCTION troupe.node_declare_lost(p_by bigint, p_node_id bigint, p_grace_ms int, OUT epoch bigint, OUT refused text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    SELECT d.epoch, d.refused INTO epoch, refused FROM troupe._declare_broken(p_by, p_node_id, 'lost', p_grace_ms) d;
END $$;

-- The first look takes no lock, the second is under the row of `cluster`.
CREATE FUNCTION troupe._declare_broken(p_by bigint, p_node_id bigint, p_kind text, p_grace_ms int, OUT epoch bigint, OUT refused text)
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    FOR look IN 1..2 LOOP
        SELECT a.epoch, a.refused INTO epoch, refused FROM troupe._accuse(p_by, p_node_id, false) a;
        IF refused IS NOT NULL THEN
            RETURN;
        END IF;
        refused := CASE p_kind WHEN 'gone' THEN troupe._session_broken(p_node_id)
                               ELSE troupe._second_look(p_node_id, p_grace_ms, look = 2) END;
        IF refused IS NOT NULL THEN
            -- A death between the two questions took the lease with it; then that is the answer.
            epoch := (SELECT n.down_epoch FROM troupe.node n WHERE n.node_id = p_node_id);
            IF epoch IS NOT NULL THEN
                refused := 'already down';
            END IF;
            RETURN;
        END IF;
        IF look = 1 THEN
            PERFORM FROM troupe.cluster FOR UPDATE;
        END IF;
    END LOOP;
    epoch := troupe._kill(p_node_id, p_by, p_kind);
END $$;

-- Why this is not the second look at a lost node, or NULL. Makes the first look when there was none.
-- p_lock: wait for a renewal that is under way. Only under the row of `cluster`, or the order of locks is broken.
CREATE FUNCTION troupe._second_look(p_node_id bigint, p_grace_ms int, p_lock boolean) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_refused text := troupe._session_broken(p_node_id);
    l         troupe.lease;
BEGIN
    IF v_refused IS NOT NULL THEN
        RETURN v_refused;
    END IF;
    IF p_lock THEN
        PERFORM FROM troupe.lease x WHERE x.node_id = p_node_id FOR UPDATE;
    END IF;
    SELECT * INTO l FROM troupe.lease x WHERE x.node_id = p_node_id;
    IF NOT FOUND THEN
        RETURN 'no lease row';
    ELSIF l.lost_since IS NULL THEN
        UPDATE troupe.lease x SET lost_since = clock_timestamp() WHERE x.node_id = p_node_id;
        RETURN 'first look';
    ELSIF l.lost_since > clock_timestamp() - troupe._milliseconds(greatest(p_grace_ms, 100)) THEN
        RETURN 'in grace';
    END IF;
    RETURN NULL;
END $$;

-- Evidence (c), expired: the lease ran out, and the caller has been served without a break for the victim's whole ttl, so
-- that after any outage everybody has that long to come back. No lease row is a grace of one ttl, never death.
CREATE FUNCTION troupe.node_declare_expired(p_by bigint, p_node_id bigint, OUT epoch bigint, OUT refused text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
#variable_conflict use_column
DECLARE
    v_until timestamptz;
BEGIN
    SELECT a.epoch, a.refused INTO epoch, refused FROM troupe._accuse(p_by, p_node_id, true) a;
    SELECT l.until INTO v_until FROM troupe.lease l WHERE l.node_id = p_node_id;
    IF refused IS NULL AND v_until > clock_timestamp() THEN
        refused := 'lease valid';
    END IF;
    IF refused IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM FROM troupe.cluster FOR UPDATE;
    SELECT a.epoch, a.refused INTO epoch, refused FROM troupe._accuse(p_by, p_node_id, true) a;
    IF refused IS NOT NULL THEN
        RETURN;
    END IF;
    -- The row lock waits for a renewal that is under way and then sees it.
    SELECT l.until INTO v_until FROM troupe.lease l WHERE l.node_id = p_node_id FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO troupe.lease (node_id, boot, ttl_ms, until, since)
        SELECT n.node_id, n.boot, n.ttl_ms, clock_timestamp() + troupe._milliseconds(n.ttl_ms), clock_timestamp()
          FROM troupe.node n WHERE n.node_id = p_node_id;
        refused := 'grace granted';
    ELSIF v_until > clock_timestamp() THEN
        refused := 'lease valid';
    ELSE
        epoch := troupe._kill(p_node_id, p_by, 'expired');
    END IF;
END $$;

-- ---- reading the order --------------------------------------------------------------------------------------------
-- Events after p_epoch, in order. A first row that is not p_epoch + 1 means that events are missing (pruned, or the
-- jump of a failover): the caller reads members() instead and goes on from the epoch found there.
CREATE FUNCTION troupe.events_since(p_epoch bigint, p_max int)
RETURNS TABLE (epoch bigint, kind text, node_id bigint, name text, host text, port int, down_reason text, by bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT e.epoch, e.kind, e.node_id, n.name, n.host, n.port, CASE e.kind WHEN 'node_down' THEN e.detail END, e.by_id
      FROM troupe.event e LEFT JOIN troupe.node n USING (node_id)
     WHERE e.epoch > p_epoch ORDER BY e.epoch LIMIT p_max;
END $$;

-- The live nodes. The epoch in each row is read in the same snapshot, so the list is exactly the state at that epoch.
CREATE FUNCTION troupe.members()
RETURNS TABLE (node_id bigint, name text, host text, port int, state text, roles text[], epoch bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT n.node_id, n.name, n.host, n.port, n.state, n.roles, c.epoch
      FROM troupe.node n, troupe.cluster c WHERE n.state <> 'down' ORDER BY n.node_id;
END $$;

-- Live nodes whose lease has run out or is missing: whom node_declare_expired is for.
CREATE FUNCTION troupe.members_expired() RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT n.node_id FROM troupe.node n LEFT JOIN troupe.lease l USING (node_id)
     WHERE n.state <> 'down' AND (l.until IS NULL OR l.until < clock_timestamp()) ORDER BY n.node_id;
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA troupe FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA troupe FROM PUBLIC;
