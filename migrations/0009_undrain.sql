-- 0009_undrain.sql - a node that drains may take names again.

ALTER TABLE troupe.event DROP CONSTRAINT event_kind_check;
ALTER TABLE troupe.event ADD CONSTRAINT event_kind_check
    CHECK (kind IN ('node_up', 'node_draining', 'node_undrained', 'node_down', 'timeline'));

-- From now on the node takes no new names, or takes them again. The epoch; NULL when nothing has changed.
DROP FUNCTION troupe.node_drain(bigint, uuid);
CREATE FUNCTION troupe.node_drain(p_node_id bigint, p_boot uuid, p_drain boolean DEFAULT true) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = troupe, pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
    PERFORM FROM troupe.cluster FOR UPDATE;
    UPDATE troupe.node n SET state = CASE WHEN p_drain THEN 'draining' ELSE 'up' END
     WHERE n.node_id = p_node_id AND n.boot = p_boot AND n.state = CASE WHEN p_drain THEN 'up' ELSE 'draining' END;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN troupe._bump(CASE WHEN p_drain THEN 'node_draining' ELSE 'node_undrained' END, p_node_id, p_node_id, NULL);
END $$;

REVOKE ALL ON FUNCTION troupe.node_drain(bigint, uuid, boolean) FROM PUBLIC;

DO $$
BEGIN
    PERFORM troupe.grants_apply();
END $$;
