-- 0012_unix.sql - a node may be reached by a unix socket, for others on its host.
--
-- Such a node's host is 'unix:/the/path' and its port 0: both columns stay what they were for everybody who dials, and no host of
-- the network has a colon and a slash. Nodes of before this migration cannot read such a row, and say so; all others go on.

ALTER TABLE troupe.node DROP CONSTRAINT node_port_check;
ALTER TABLE troupe.node ADD CONSTRAINT node_address_check
    CHECK (CASE WHEN host LIKE 'unix:%' THEN port = 0 AND host LIKE 'unix:/_%' AND octet_length(host) <= 112 AND host !~ '[[:cntrl:]]'
                ELSE port BETWEEN 1 AND 65535 END);

-- As before, but for the address in the refusal.
CREATE OR REPLACE FUNCTION troupe.node_join(p_name text, p_host text, p_port int, p_boot uuid, p_ttl_ms int,
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
        refused := format('name is held by node %s at %s%s', h.node_id,
                          CASE WHEN h.host LIKE 'unix:%' THEN h.host ELSE h.host || ':' || h.port END,
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

CREATE OR REPLACE VIEW troupe.nodes AS
SELECT n.node_id,
       n.name,
       CASE WHEN n.host LIKE 'unix:%' THEN n.host
            WHEN position(':' IN n.host) > 0 THEN '[' || n.host || ']:' || n.port
            ELSE n.host || ':' || n.port END AS address,
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
