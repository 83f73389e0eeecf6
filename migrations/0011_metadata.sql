-- 0011_metadata.sql - a member may change its metadata while it runs.
--
-- A change is an event under the next epoch, so every other member hears of it and nobody misses it; what the event tells
-- (events_since) is the metadata as it is now.

ALTER TABLE troupe.event DROP CONSTRAINT event_kind_check;
ALTER TABLE troupe.event ADD CONSTRAINT event_kind_check
    CHECK (kind IN ('node_up', 'node_draining', 'node_undrained', 'node_metadata', 'node_down', 'timeline', 'policy'));

-- Puts other metadata, an object of texts, in the place of what the node had. The epoch; NULL when nothing has changed, and
-- for a node that is down.
CREATE FUNCTION troupe.node_set_metadata(p_node_id bigint, p_boot uuid, p_metadata jsonb) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    IF jsonb_typeof(p_metadata) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'metadata is an object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM FROM troupe.cluster FOR UPDATE;
    UPDATE troupe.node n SET meta = n.meta || jsonb_build_object('metadata', p_metadata)
     WHERE n.node_id = p_node_id AND n.boot = p_boot AND n.state <> 'down'
       AND coalesce(n.meta -> 'metadata', '{}') IS DISTINCT FROM p_metadata;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN troupe._bump('node_metadata', p_node_id, p_node_id, NULL);
END $$;

REVOKE ALL ON FUNCTION troupe.node_set_metadata(bigint, uuid, jsonb) FROM PUBLIC;

-- The list of 0008, and the function above.
CREATE OR REPLACE FUNCTION troupe.grants_apply() RETURNS text[]
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_missing text[] := ARRAY(SELECT r FROM unnest(ARRAY['troupe_migrate', 'troupe_node', 'troupe_client', 'troupe_reader']) r
                               WHERE NOT EXISTS (SELECT FROM pg_roles p WHERE p.rolname = r));
    v_node    text[] := ARRAY['hello', 'name_ok', 'name_status', 'node_join', 'node_hold', 'node_renew', 'node_reinstate', 'node_drain',
        'node_leave', 'node_declare_gone', 'node_declare_lost', 'node_declare_expired', 'events_since', 'members', 'members_expired',
        'name_register', 'name_unregister', 'name_lookup', 'name_claim', 'name_load', 'name_started', 'name_unpark', 'orphans',
        'link_write', 'sample_write', 'unswept', 'sweep', 'prune', 'step', 'inbox_fetch', 'inbox_waiting_names', 'inbox_fail',
        'inbox_hint', 'send', 'dead_letter_retry', 'metadata_read', 'metadata_text',
        'node_set_metadata'];
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

DO $$
BEGIN
    PERFORM troupe.grants_apply();
END $$;
