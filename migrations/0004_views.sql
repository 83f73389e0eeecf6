-- 0004_views.sql - what people read. Names and order of these columns are the stable interface; more may be added at the end.
--
-- A view reads its tables with the rights of its owner, so a reader needs no rights on the tables.

CREATE VIEW troupe.nodes AS
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
       (SELECT b.name FROM troupe.node b WHERE b.node_id = n.down_by) AS declared_by
  FROM troupe.node n LEFT JOIN troupe.lease l USING (node_id);

CREATE VIEW troupe.names AS
SELECT n.name,
       d.name AS node,
       n.node_id,
       n.actor_id,
       n.epoch,
       n.durable,
       n.strict,
       n.behavior,
       troupe.name_status(n.durable, n.parked, n.actor_id, d.state) AS status,
       n.registered_at,
       n.checkpoint,
       n.recoveries
  FROM troupe.name n JOIN troupe.node d USING (node_id);

-- Named actors exactly; unnamed ones as far as their nodes have sampled them lately.
CREATE VIEW troupe.actors AS
SELECT n.name,
       d.name AS node,
       n.node_id,
       n.actor_id,
       n.behavior,
       troupe.name_status(n.durable, n.parked, n.actor_id, d.state) AS status,
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

-- Links and monitors whose both ends' nodes live: those of a dead node have fired.
CREATE VIEW troupe.links AS
SELECT l.kind,
       a.name AS node,
       l.a_node AS node_id,
       l.a_actor AS actor_id,
       b.name AS other_node,
       l.b_node AS other_node_id,
       l.b_actor AS other_actor_id,
       (SELECT n.name FROM troupe.name n WHERE n.node_id = l.a_node AND n.actor_id = l.a_actor ORDER BY n.name LIMIT 1) AS name,
       (SELECT n.name FROM troupe.name n WHERE n.node_id = l.b_node AND n.actor_id = l.b_actor ORDER BY n.name LIMIT 1) AS other_name
  FROM troupe.link l
  JOIN troupe.node a ON a.node_id = l.a_node AND a.state <> 'down'
  JOIN troupe.node b ON b.node_id = l.b_node AND b.state <> 'down';

CREATE VIEW troupe.events AS
SELECT e.epoch,
       e.at,
       e.kind,
       n.name AS node,
       e.node_id,
       b.name AS declared_by,
       e.detail
  FROM troupe.event e
  LEFT JOIN troupe.node n ON n.node_id = e.node_id
  LEFT JOIN troupe.node b ON b.node_id = e.by_id;

CREATE VIEW troupe.durable_messages AS
SELECT b.id,
       b.to_name,
       b.from_name,
       b.type,
       b.payload,
       b.attempts,
       b.error,
       b.at AS sent_at,
       round(extract(epoch FROM clock_timestamp() - b.at), 1) AS age_seconds,
       d.name AS node,
       n.node_id
  FROM troupe.inbox b
  LEFT JOIN troupe.name n ON n.name = b.to_name
  LEFT JOIN troupe.node d ON d.node_id = n.node_id;

CREATE VIEW troupe.dead_letters AS
SELECT x.id,
       x.to_name,
       x.from_name,
       x.type,
       x.payload,
       x.attempts,
       x.error,
       x.at AS sent_at,
       x.failed_at
  FROM troupe.dead_letter x;

CREATE VIEW troupe.cluster_status AS
SELECT c.epoch,
       c.cluster_id,
       c.timeline,
       c.sysid,
       (SELECT max(m.id) FROM troupe.migration m) AS schema_version,
       (SELECT count(*) FROM troupe.node n WHERE n.state <> 'down') AS nodes_up,
       current_setting('fsync')::boolean AND current_setting('full_page_writes')::boolean AS survives_power_cut
  FROM troupe.cluster c;

CREATE VIEW troupe.policies AS
SELECT p.role, p.may_spawn, p.may_exit, p.may_register FROM troupe.policy p;

CREATE VIEW troupe.settings AS
SELECT s.name, s.value, s.unit, s.reason FROM troupe.setting s;

CREATE VIEW troupe.migrations AS
SELECT m.id, m.name, m.sha256, m.applied_at, m.applied_by FROM troupe.migration m;

REVOKE ALL ON ALL TABLES IN SCHEMA troupe FROM PUBLIC;
