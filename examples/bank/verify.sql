-- The proof: what PostgreSQL has, against what the teller was told in receipts. One row per claim: what is claimed,
-- what it has to be, what it is, and whether that is the same. Run by steps.sh with the teller's report as
-- :'json' and with the prefix of the accounts' names, which may be empty, as :'prefix'.
WITH report AS (
  SELECT :'json'::jsonb AS r
), told AS ( -- by account, what the acknowledgements make it
  SELECT a.*
    FROM report, jsonb_to_recordset(r -> 'accounts')
         AS a (name text, cents numeric, sent jsonb, received jsonb, refused_count numeric, told_cents numeric)
), have AS ( -- by account, the row
  SELECT name,
         status,
         (state ->> 'cents')::numeric AS cents,
         (state ->> 'opened_cents')::numeric AS opened_cents,
         (state ->> 'refused_count')::numeric AS refused_count,
         state -> 'sent' AS sent,
         state -> 'received' AS received
    FROM troupe.actors
   WHERE behavior = 'bank.account' AND starts_with(name, :'prefix')
), pair AS (
  SELECT t.name AS told_name, h.name AS have_name, t.cents AS told_cents, h.cents AS have_cents,
         t.told_cents AS said_cents, t.sent AS told_sent, h.sent AS have_sent,
         t.received AS told_received, h.received AS have_received,
         t.refused_count AS told_refused, h.refused_count AS have_refused, h.status,
         h.opened_cents + (h.received ->> 'cents')::numeric - (h.sent ->> 'cents')::numeric AS computed_cents
    FROM told t FULL JOIN have h ON h.name = t.name
), sums AS (
  SELECT count(*) AS accounts,
         count(*) FILTER (WHERE status = 'running') AS running,
         sum((told_sent ->> 'count')::numeric) AS told_sent,
         sum(told_refused) AS told_refused,
         sum(have_cents) AS cents,
         sum((have_sent ->> 'count')::numeric) AS sent,
         sum((have_received ->> 'count')::numeric) AS received,
         sum(have_refused) AS refused,
         count(*) FILTER (WHERE have_cents = computed_cents) AS consistent,
         count(*) FILTER (WHERE have_sent ->> 'count' = told_sent ->> 'count'
                            AND have_sent ->> 'cents' = told_sent ->> 'cents'
                            AND have_sent ->> 'fingerprint' = told_sent ->> 'fingerprint') AS same_sent,
         count(*) FILTER (WHERE have_received ->> 'count' = told_received ->> 'count'
                            AND have_received ->> 'cents' = told_received ->> 'cents'
                            AND have_received ->> 'fingerprint' = told_received ->> 'fingerprint') AS same_received,
         count(*) FILTER (WHERE have_refused = told_refused) AS same_refused,
         count(*) FILTER (WHERE have_cents = told_cents AND have_cents = said_cents) AS same_cents
    FROM pair
), progress AS (
  SELECT p.*, (r ->> 'total_cents')::numeric AS total_cents, (r ->> 'overdrafts')::numeric AS overdrafts
    FROM report, jsonb_to_record(r -> 'progress')
         AS p (accounts numeric, transfers numeric, acknowledged numeric, refused numeric, skipped numeric, abandoned numeric)
), once AS ( -- a teller that went on for another one counts only its own; the accounts' books have both
  SELECT CASE WHEN skipped = 0 THEN acknowledged ELSE (SELECT told_sent FROM sums) END AS acknowledged,
         CASE WHEN skipped = 0 THEN refused ELSE (SELECT told_refused FROM sums) END AS refused,
         overdrafts
    FROM progress
), claim (place, claim, wanted, found) AS (
  SELECT 1, 'every account of the ledger is there and runs', accounts, (SELECT running FROM sums) FROM progress
  UNION ALL
  SELECT 2, 'the sum of all money, in cents', total_cents, (SELECT cents FROM sums) FROM progress
  UNION ALL
  SELECT 3, 'every transfer of the ledger has an outcome', transfers, acknowledged + refused + skipped FROM progress
  UNION ALL
  SELECT 4, 'transfers without an outcome', 0, abandoned FROM progress
  UNION ALL
  SELECT 5, 'acknowledged transfers, in the books of the payers', acknowledged, (SELECT sent FROM sums) FROM once
  UNION ALL
  SELECT 6, 'acknowledged transfers, in the books of the payees', acknowledged, (SELECT received FROM sums) FROM once
  UNION ALL
  SELECT 7, 'accounts that paid exactly what was acknowledged, each transfer once', accounts, (SELECT same_sent FROM sums)
    FROM progress
  UNION ALL
  SELECT 8, 'accounts that were paid exactly what was acknowledged, each transfer once', accounts,
         (SELECT same_received FROM sums) FROM progress
  UNION ALL
  SELECT 9, 'accounts with opening + received - sent = balance', accounts, (SELECT consistent FROM sums) FROM progress
  UNION ALL
  SELECT 10, 'accounts whose actor, row and acknowledgements name the same balance', accounts,
         (SELECT same_cents FROM sums) FROM progress
  UNION ALL
  SELECT 11, 'overdrafts that were refused', overdrafts, refused FROM once
  UNION ALL
  SELECT 12, 'refusals, in the books of the payers', refused, (SELECT refused FROM sums) FROM once
  UNION ALL
  SELECT 13, 'stored messages that nobody has taken', 0, (SELECT count(*) FROM troupe.durable_messages WHERE starts_with(to_name, :'prefix'))
  UNION ALL
  SELECT 14, 'stored messages that nobody could take', 0, (SELECT count(*) FROM troupe.dead_letters WHERE starts_with(to_name, :'prefix'))
)
SELECT claim, wanted, coalesce(found, 0), CASE WHEN wanted = found THEN 'ok' ELSE 'NOT SO' END FROM claim ORDER BY place;
