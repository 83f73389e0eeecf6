# examples/bank/steps.sh - what the demos of the bank have in common: words, waiting, asking, the teller, the proof.
#
# Read by demo.sh, which brings a cluster of its own, and by cluster_demo.sh, which plays on one that runs. The one that
# reads it defines the function `troupe`, which runs the command against the cluster, and sets
#   here      this folder, for verify.sql
#   dir       a folder for JSON that is kept for a moment
#   conninfo  how psql reaches the database
#   teller    the teller's name
#   prefix    what stands before the names of the accounts; may be empty
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # set and used by who reads this
export LC_ALL=C
start_us=${EPOCHREALTIME/./}
field='' progress='' transfers=0 acknowledged=0 total_cents=0

# ---- words ----

bold='' red='' green='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'; fi

say() { # STEP TEXT
  local ms=$(((${EPOCHREALTIME/./} - start_us) / 1000))
  printf '[%3d.%ds] %s%-10s%s %s\n' $((ms / 1000)) $((ms % 1000 / 100)) "$bold" "$1" "$plain" "$2"
}

# Rows or logs that belong to the step before.
show() { sed 's/^/           /'; }

fail() {
  printf '%sdemo: %s%s\n' "$red" "$1" "$plain" >&2
  exit "${2:-1}"
}

# 123456789 becomes 1,234,567.89.
money() {
  local cents=$1 sign='' whole
  if [ "$cents" -lt 0 ]; then sign=- cents=$((-cents)); fi
  whole=$((cents / 100))
  while [[ $whole =~ ^([0-9]+)([0-9]{3})(,.*)?$ ]]; do whole=${BASH_REMATCH[1]},${BASH_REMATCH[2]}${BASH_REMATCH[3]:-}; done
  printf '%s%s.%02d' "$sign" "$whole" $((cents % 100))
}

# Waits until the command succeeds; gives up after so many seconds. Every wait of the demos is this one.
await() { # SECONDS COMMAND...
  local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
  shift
  until "$@"; do
    if [ "${EPOCHREALTIME/./}" -gt "$deadline" ]; then return 1; fi
    sleep 0.02
  done
}

# ---- asking ----

sql() { psql -X -q -v ON_ERROR_STOP=1 -d "$conninfo" "$@" 9>&-; }

value_of() { sql -At -c "$1"; }

# Runs the SQL of its input, which sees the JSON of a file as :'json'.
json_sql() { # FILE OPTION...
  local file=$1
  shift
  # shellcheck disable=SC2016 # psql's shell expands it
  { echo '\set json `cat "$DEMO_JSON"`' && cat; } | DEMO_JSON=$file sql "$@"
}

# Shows a statement and what it answers.
show_sql() {
  show <<<"${bold}$1${plain}"
  sql -P footer=off -c "$1" | show
}

# Asks an actor; prints the reply, which the command writes as TYPE JSON, as JSON.
ask() { # NAME TYPE
  local reply
  reply=$(troupe call "$1" "$2" '{}') && printf '%s\n' "${reply#* }"
}

# Sets `field` to a number or a plain string of a JSON text.
field_of() { # JSON KEY
  field=
  if [[ $1 =~ \"$2\":[[:space:]]*\"?([^\",\}]*) ]]; then field=${BASH_REMATCH[1]}; fi
}

# ---- the teller ----

# Asks the teller how far it is, into `progress`.
look() {
  progress=$(ask "$teller" bank.get_progress) || fail "the teller does not answer"
  field_of "$progress" phase
  if [ "$field" = failed ]; then
    field_of "$progress" error
    fail "the teller has given up: $field"
  fi
}

teller_is() { # PHASE
  look
  [ "$field" = "$1" ]
}

teller_acknowledged() { # AT LEAST
  look
  field_of "$progress" acknowledged
  acknowledged=$field
  [ "$acknowledged" -ge "$1" ]
}

# Starts the teller on a node; answers when all accounts are open.
start_teller_on() { # NODE LEDGER NODES_AS_JSON PER_SECOND
  troupe spawn bank.teller --name "$teller" --node "$1" \
    "{\"ledger\": \"$2\", \"nodes\": $3, \"per_second\": $4, \"prefix\": \"$prefix\"}" >/dev/null ||
    fail "the teller does not start"
  await 60 teller_is ready || fail "the accounts are not open after 60 s"
}

# Says what the teller has read and opened.
show_accounts() { # LEDGER
  local spread
  field_of "$progress" transfers
  transfers=$field
  field_of "$progress" accounts
  if [ "$transfers" -eq 0 ] || [ "$field" -eq 0 ]; then fail "$1 opens no accounts, or has no transfers between them"; fi
  field_of "$progress" malformed
  say ledger "$(basename "$1"): $transfers transfers; malformed lines that are skipped: $field"
  ask "$teller" bank.get_report >"$dir/report.json"
  json_sql "$dir/report.json" -At <<'SQL' | show
SELECT 'line ' || line || ': ' || reason
  FROM jsonb_to_recordset(:'json'::jsonb -> 'problems') AS p (line int, reason text);
SQL
  spread=$(value_of "SELECT string_agg(n || ' on ' || node, ', ' ORDER BY node) FROM (
    SELECT node, count(*) AS n FROM troupe.actors
     WHERE behavior = 'bank.account' AND starts_with(name, '$prefix') GROUP BY node) AS x")
  field_of "$(<"$dir/report.json")" total_cents
  total_cents=$field
  say accounts "durable, opened with $(money "$total_cents") in all: $spread"
}

# Fetches the teller's report, when it has an outcome for every transfer.
show_finished() {
  local refused retries
  ask "$teller" bank.get_report >"$dir/report.json"
  field_of "$progress" acknowledged
  acknowledged=$field
  field_of "$progress" refused
  refused=$field
  field_of "$progress" retries
  retries=$field
  say finished "$acknowledged transfers acknowledged, $refused overdrafts refused; asked again $retries times:"
  json_sql "$dir/report.json" -At <<'SQL' | show
SELECT count || ' times: ' || why
  FROM jsonb_to_recordset(:'json'::jsonb -> 'retry_reasons') AS p (why text, count int) ORDER BY count DESC;
SQL
}

# ---- the proof ----

prove() {
  local claim wanted found verdict wrong=0 claims=0
  while IFS='|' read -r claim wanted found verdict; do
    if [ "$verdict" = ok ]; then
      say proof "${green}ok${plain}      $claim: $found"
    else
      say proof "${red}NOT SO${plain}  $claim: $found, not $wanted"
      wrong=$((wrong + 1))
    fi
    claims=$((claims + 1))
  done < <(json_sql "$dir/report.json" -At -F '|' -v prefix="$prefix" <"$here/verify.sql")
  if [ "$claims" -ne 14 ]; then fail "not proven: the proof itself could not be read"; fi
  if [ "$wrong" -ne 0 ]; then fail "not proven: $wrong of $claims claims are not so"; fi
}
