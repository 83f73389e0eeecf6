-- 0008_membership.sql - every member knows the roles and the metadata of the others, and since when they are there.
--
-- Metadata is a small object of texts. Between nodes and the database it is one text, "key=value,...", as people configure it.

-- The object that such a text says. A text that is not one is an error.
CREATE FUNCTION troupe.metadata_read(p_text text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_pair  text;
    v_equal int;
    v_all   jsonb := '{}';
BEGIN
    FOREACH v_pair IN ARRAY string_to_array(coalesce(p_text, ''), ',') LOOP
        v_equal := strpos(v_pair, '=');
        IF v_equal < 2 OR v_all ? left(v_pair, v_equal - 1) THEN
            RAISE EXCEPTION 'metadata is key=value,..., each key once' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        v_all := v_all || jsonb_build_object(left(v_pair, v_equal - 1), substr(v_pair, v_equal + 1));
    END LOOP;
    RETURN v_all;
END $$;

-- The text of an object, by key. What somebody has put there that such a text cannot say is left out.
CREATE FUNCTION troupe.metadata_text(p_metadata jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = troupe, pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT coalesce(string_agg(m.key || '=' || m.value, ',' ORDER BY m.key COLLATE "C"), '')
              FROM jsonb_each_text(CASE jsonb_typeof(p_metadata) WHEN 'object' THEN p_metadata ELSE '{}' END) m
             WHERE m.key ~ '^[A-Za-z0-9_.-]{1,63}$' AND octet_length(m.value) <= 255 AND m.value !~ '[,[:cntrl:]]');
END $$;

-- With what the other members want to know of a node, for node_up and all other events.
DROP FUNCTION troupe.events_since(bigint, int);
CREATE FUNCTION troupe.events_since(p_epoch bigint, p_max int)
RETURNS TABLE (epoch bigint, kind text, node_id bigint, name text, host text, port int, down_reason text, by bigint,
               roles text[], metadata jsonb, started_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT e.epoch, e.kind, e.node_id, n.name, n.host, n.port, CASE e.kind WHEN 'node_down' THEN e.detail END, e.by_id,
           n.roles, n.meta -> 'metadata', n.started_at
      FROM troupe.event e LEFT JOIN troupe.node n USING (node_id)
     WHERE e.epoch > p_epoch ORDER BY e.epoch LIMIT p_max;
END $$;

DROP FUNCTION troupe.members();
CREATE FUNCTION troupe.members()
RETURNS TABLE (node_id bigint, name text, host text, port int, state text, roles text[], epoch bigint,
               metadata jsonb, started_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT n.node_id, n.name, n.host, n.port, n.state, n.roles, c.epoch, n.meta -> 'metadata', n.started_at
      FROM troupe.node n, troupe.cluster c WHERE n.state <> 'down' ORDER BY n.node_id;
END $$;

CREATE OR REPLACE VIEW troupe.nodes AS
SELECT n.node_id,
       n.name,
       CASE WHEN position(':' IN n.host) > 0 THEN '[' || n.host || ']' ELSE n.host END || ':' || n.port AS address,
       CASE WHEN n.down_kind = 'left' THEN 'left' ELSE n.state END AS state,
       round(extract(epoch FROM l.until - clock_timestamp()), 1) AS lease_left_seconds,
       n.roles,
       n.version,
       n.started_at,
       n.ended_at,
       n.down_kind AS down_reason,
       (SELECT b.name FROM troupe.node b WHERE b.node_id = n.down_by) AS declared_by,
       coalesce(n.meta -> 'metadata', '{}') AS metadata
  FROM troupe.node n LEFT JOIN troupe.lease l USING (node_id);

-- The list of 0005, and the two functions above.
CREATE OR REPLACE FUNCTION troupe.grants_apply() RETURNS text[]
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
DECLARE
    v_missing text[] := ARRAY(SELECT r FROM unnest(ARRAY['troupe_migrate', 'troupe_node', 'troupe_client', 'troupe_reader']) r
                               WHERE NOT EXISTS (SELECT FROM pg_roles p WHERE p.rolname = r));
    v_node    text[] := ARRAY['hello', 'name_ok', 'name_status', 'node_join', 'node_hold', 'node_renew', 'node_reinstate', 'node_drain',
        'node_leave', 'node_declare_gone', 'node_declare_lost', 'node_declare_expired', 'events_since', 'members', 'members_expired',
        'name_register', 'name_unregister', 'name_lookup', 'name_claim', 'name_load', 'name_started', 'name_unpark', 'orphans',
        'link_write', 'sample_write', 'unswept', 'sweep', 'prune', 'step', 'inbox_fetch', 'inbox_waiting_names', 'inbox_fail',
        'inbox_hint', 'send', 'dead_letter_retry', 'metadata_read', 'metadata_text'];
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

REVOKE ALL ON ALL TABLES IN SCHEMA troupe FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA troupe FROM PUBLIC;

DO $$
BEGIN
    PERFORM troupe.grants_apply();
END $$;
