-- 0010_policy.sql - nodes hear of a change of troupe.policy, and clients may register.
--
-- A change is an event under the next epoch, as all that every node has to know: nobody misses it, whatever becomes of the
-- notification. Nodes read the table when they join and at each such event.

ALTER TABLE troupe.event DROP CONSTRAINT event_kind_check;
ALTER TABLE troupe.event ADD CONSTRAINT event_kind_check
    CHECK (kind IN ('node_up', 'node_draining', 'node_undrained', 'node_down', 'timeline', 'policy'));

CREATE FUNCTION troupe._policy_changed() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = troupe, pg_catalog, pg_temp AS $$
BEGIN
    PERFORM troupe._bump('policy', NULL, NULL, NULL);
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION troupe._policy_changed() FROM PUBLIC;

-- Until now nobody looked at this table, and the command line starts durable actors, which have names, over TCP.
UPDATE troupe.policy SET may_register = true WHERE role = 'client';

CREATE TRIGGER policy_changed AFTER INSERT OR UPDATE OR DELETE ON troupe.policy
    FOR EACH STATEMENT EXECUTE FUNCTION troupe._policy_changed();
