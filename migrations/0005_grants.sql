-- 0005_grants.sql - who may do what.
--
--   troupe_owner    owns everything, cannot log in; the functions run with its rights
--   troupe_migrate  may become troupe_owner, so it may migrate
--   troupe_node     a node: the functions, and the views
--   troupe_client   sends, registers and looks up by SQL, and reads the views
--   troupe_reader   reads the views
--
-- Nobody but the owner has any right on a table.

-- Grants everything to those of the roles that exist. To be called again by the owner of the schema when roles were made later.
-- Answers the roles that do not exist.
CREATE FUNCTION troupe.grants_apply() RETURNS text[]
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_missing text[] := ARRAY(SELECT r FROM unnest(ARRAY['troupe_migrate', 'troupe_node', 'troupe_client', 'troupe_reader']) r
                               WHERE NOT EXISTS (SELECT FROM pg_roles p WHERE p.rolname = r));
    v_node    text[] := ARRAY['hello', 'name_ok', 'name_status', 'node_join', 'node_hold', 'node_renew', 'node_reinstate', 'node_drain',
        'node_leave', 'node_declare_gone', 'node_declare_lost', 'node_declare_expired', 'events_since', 'members', 'members_expired',
        'name_register', 'name_unregister', 'name_lookup', 'name_claim', 'name_load', 'name_started', 'name_unpark', 'orphans',
        'link_write', 'sample_write', 'unswept', 'sweep', 'prune', 'step', 'inbox_fetch', 'inbox_waiting_names', 'inbox_fail',
        'inbox_hint', 'send', 'dead_letter_retry'];
    v_client  text[] := ARRAY['hello', 'name_ok', 'name_status', 'members', 'name_register', 'name_lookup', 'name_unpark', 'send',
        'inbox_hint', 'dead_letter_retry'];
    v_reader  text[] := ARRAY['name_ok', 'name_status'];
    g         record;
BEGIN
    -- Identifiers come from the catalog and from the lists above, through %I and regprocedure.
    FOR g IN
        SELECT w.role, p.oid::regprocedure AS function
          FROM (VALUES ('troupe_node', v_node), ('troupe_client', v_client), ('troupe_reader', v_reader)) w (role, functions)
          JOIN pg_proc p ON p.proname = ANY (w.functions) AND p.pronamespace = 'troupe'::regnamespace
         WHERE w.role <> ALL (v_missing)
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', g.function, g.role);
    END LOOP;
    FOR g IN
        SELECT r.role, c.oid::regclass AS relation
          FROM unnest(ARRAY['troupe_node', 'troupe_client', 'troupe_reader']) r (role)
          JOIN pg_class c ON c.relkind = 'v' AND c.relnamespace = 'troupe'::regnamespace
         WHERE r.role <> ALL (v_missing)
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA troupe TO %I', g.role);
        EXECUTE format('GRANT SELECT ON %s TO %I', g.relation, g.role);
    END LOOP;
    RETURN v_missing;
END $$;

REVOKE ALL ON FUNCTION troupe.grants_apply() FROM PUBLIC;

DO $$
DECLARE
    v_missing text[] := troupe.grants_apply();
BEGIN
    IF cardinality(v_missing) > 0 THEN
        RAISE NOTICE 'troupe: no grants for the missing roles %', array_to_string(v_missing, ', ')
            USING HINT = 'Create them, then run SELECT troupe.grants_apply() as the owner of the schema.';
    END IF;
END $$;

-- Settings of the roles, memberships and the right to end a dead node's sessions are the administrator's to give. Where the
-- migrating role may not, the migration goes on: nothing depends on them but comfort and the speed of detection.
RESET ROLE;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'troupe_migrate') THEN
        RAISE NOTICE 'troupe: there is no role troupe_migrate';
    ELSIF NOT pg_has_role('troupe_migrate', 'troupe_owner', 'MEMBER') THEN
        GRANT troupe_owner TO troupe_migrate;
    END IF;
EXCEPTION
    WHEN insufficient_privilege OR undefined_object THEN
        RAISE NOTICE 'troupe: troupe_migrate was not made a member of troupe_owner (%)', SQLERRM;
END $$;

DO $$
BEGIN
    IF NOT pg_has_role('troupe_owner', 'pg_signal_backend', 'MEMBER') THEN
        GRANT pg_signal_backend TO troupe_owner;
    END IF;
EXCEPTION
    WHEN insufficient_privilege OR undefined_object THEN
        RAISE NOTICE 'troupe: dead nodes'' database sessions will not be ended by the survivors (%)', SQLERRM;
END $$;

-- A node that stops must not hold locks for long, and the server has to notice a killed one while it works for it.
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['troupe_node', 'troupe_client'] LOOP
        EXECUTE format('ALTER ROLE %I SET statement_timeout = ''10s''', v_role);
        EXECUTE format('ALTER ROLE %I SET lock_timeout = ''5s''', v_role);
        EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''5s''', v_role);
        EXECUTE format('ALTER ROLE %I SET client_connection_check_interval = ''1s''', v_role);
        EXECUTE format('ALTER ROLE %I SET tcp_keepalives_idle = 5', v_role);
        EXECUTE format('ALTER ROLE %I SET tcp_keepalives_interval = 2', v_role);
        EXECUTE format('ALTER ROLE %I SET tcp_keepalives_count = 3', v_role);
        EXECUTE format('ALTER ROLE %I SET tcp_user_timeout = ''10s''', v_role);
    END LOOP;
EXCEPTION
    WHEN insufficient_privilege OR undefined_object THEN
        RAISE NOTICE 'troupe: timeouts were not set on the roles (%)', SQLERRM;
END $$;
