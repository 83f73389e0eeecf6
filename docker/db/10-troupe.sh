#!/bin/sh
# docker/db/10-troupe.sh - the roles and rights of Troupe in PostgreSQL, with the passwords of /run/secrets/db.
#
# PostgreSQL's image runs it once, when it has made the database. It may be run again, to set new passwords:
#     docker compose exec db /docker-entrypoint-initdb.d/10-troupe.sh
# Everything here needs a superuser, and nothing here needs the schema, which the migration makes as troupe_migrate.
# The image may run this file or read it into its own shell, so it changes no setting of that shell.
(
  set -eu
  secrets=${TROUPE_SECRETS_DIR:-/run/secrets/db}
  for role in troupe_migrate troupe_node troupe_client; do
    if [ ! -s "$secrets/$role" ]; then
      echo "troupe: $secrets/$role cannot be read, or is empty" >&2
      exit 78
    fi
  done
  export secrets
  psql -X -q -v ON_ERROR_STOP=1 --no-password -U "${POSTGRES_USER:-postgres}" -d "${POSTGRES_DB:-troupe}" <<'SQL'
-- A statement with a password in it must not be logged, whatever the server logs otherwise, and not even when it fails.
SET log_statement = none;
SET log_min_duration_statement = -1;
SET log_min_error_statement = panic;
SET password_encryption = 'scram-sha-256';
SET client_min_messages = warning;

-- psql's shell reads the files: nothing of them is in an argument or in the environment.
\set migrate `cat "$secrets/troupe_migrate"`
\set node `cat "$secrets/troupe_node"`
\set client `cat "$secrets/troupe_client"`

SELECT format('CREATE ROLE %I', role)
  FROM unnest(ARRAY['troupe_owner', 'troupe_migrate', 'troupe_node', 'troupe_client', 'troupe_reader']) AS r (role)
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)
\gexec
ALTER ROLE troupe_owner NOLOGIN;
ALTER ROLE troupe_migrate LOGIN PASSWORD :'migrate';
-- Three connections for each of twenty nodes, and those of nodes that are just being replaced; the rest of
-- max_connections stays for people.
ALTER ROLE troupe_node LOGIN CONNECTION LIMIT 100 PASSWORD :'node';
ALTER ROLE troupe_client LOGIN PASSWORD :'client';
ALTER ROLE troupe_reader LOGIN;
-- The superuser has no password: it comes in through the socket in this container, and nowhere else. Who comes from
-- elsewhere to set up a server of their own keeps theirs.
SELECT format('ALTER ROLE %I PASSWORD NULL', current_user) WHERE inet_client_addr() IS NULL
\gexec

GRANT troupe_owner TO troupe_migrate;
GRANT pg_signal_backend TO troupe_owner; -- so that the sessions of a dead node are ended

-- PostgreSQL leaves these open to everybody.
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', datname) FROM pg_database
 WHERE datname = current_database() OR (datname IN ('postgres', 'template1') AND inet_client_addr() IS NULL)
\gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SELECT format('GRANT CONNECT ON DATABASE %I TO troupe_migrate, troupe_node, troupe_client, troupe_reader', current_database())
\gexec
SELECT format('GRANT CREATE ON DATABASE %I TO troupe_migrate WITH GRANT OPTION', current_database())
\gexec

-- A node that stops must not hold locks for long, and the server has to notice a dead one while it works for it.
SELECT format('ALTER ROLE %I SET %I = %L', role, setting, value)
  FROM unnest(ARRAY['troupe_node', 'troupe_client']) AS r (role),
       (VALUES ('statement_timeout', '10s'), ('lock_timeout', '5s'), ('idle_in_transaction_session_timeout', '5s'),
               ('client_connection_check_interval', '1s'), ('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '2'),
               ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '10s')) AS s (setting, value)
\gexec
SQL
  echo "troupe: the roles are there, with the passwords of $secrets"
)
