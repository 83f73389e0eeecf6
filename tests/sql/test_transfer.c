/* What is tested: money moved between durable actors by steps and inbox rows is neither lost nor
 * doubled, whatever answers get lost, whatever is sent twice, and while nodes are declared dead and
 * go on all the same (migrations/0003_durable.sql). Method: nodes are played by this program. In
 * one snapshot, what the accounts hold and what is on its way add up to what there was at the
 * start; an observer checks it after every batch. The seed is printed. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sql/cluster.h"

enum {
    ACCOUNTS = 24,
    NODES = 3,
    BATCHES = 400,
    BATCH_STEPS = 8,
    TEXT_SIZE = 65536,
    START_CENTS = 1000
};

struct account {
    bool mine;
    int64_t epoch;
    int64_t seq;
    int64_t cents;
    int64_t sent;
    int64_t got;
};

struct player {
    int64_t id;
    char boot[37];
    struct reg_sync *sync;
    struct account accounts[ACCOUNTS];
};

/* One batch, as the values of a call of step(). */
struct batch {
    int steps[BATCH_STEPS]; /* the accounts */
    struct account after[BATCH_STEPS];
    int count;
    char texts[10][TEXT_SIZE]; /* arrays: names, epochs, seqs, states, versions, handled and sent */
    char node[24];
};

struct game {
    struct cluster *cluster;
    struct player players[NODES];
    struct reg_sync *observer;
    struct batch batch;
    struct tr_rng rng;
    int64_t refused;
    int64_t lost_answers;
    int64_t doubled;
    int64_t deaths;
    int64_t node_number;
};

static uint64_t pick(struct game *game, uint64_t bound)
{
    return tr_rng_below(&game->rng, bound);
}

static struct reg_sync *open_connection(struct game *game)
{
    struct reg_sync *sync = pg_connect(game->cluster->conninfo);

    pg_run(sync, "SET ROLE troupe_owner", PG_NONE);
    return sync;
}

/* ---- building a batch ---- */

static void array_add(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds an element to the text of an array; the format quotes what needs it. */
static void array_add(char *text, const char *format, ...)
{
    size_t used = strlen(text);
    va_list values;
    int size = 0;

    if (used == 0) {
        text[used++] = '{';
    } else {
        text[used - 1] = ','; /* in place of the brace */
    }
    va_start(values, format);
    size = vsnprintf(text + used, TEXT_SIZE - used, format, values);
    va_end(values);
    assert_true(size > 0 && used + (size_t)size + 2 < TEXT_SIZE);
    text[used + (size_t)size] = '}';
    text[used + (size_t)size + 1] = '\0';
}

static void take_deposits(struct game *game, const struct player *player, int number,
                          struct account *after)
{
    struct batch *batch = &game->batch;
    const struct reg_result *result = reg_sync_result(game->observer);

    pg_run(
        game->observer,
        "SELECT id, (payload ->> 'cents')::bigint FROM troupe.inbox_fetch($1, ARRAY['a' || $2], 5)",
        PG_VALUES(pg_text(player->id), pg_text(number)));
    for (int row = 0; row < reg_result_count(result); row++) {
        int64_t id = 0;
        int64_t cents = 0;

        assert_true(reg_result_i64(result, row, 0, &id));
        assert_true(reg_result_i64(result, row, 1, &cents));
        array_add(batch->texts[5], "%d", batch->count + 1);
        array_add(batch->texts[6], "%" PRId64, id);
        after->cents += cents;
        after->got++;
    }
}

static void add_step(struct game *game, const struct player *player, int number)
{
    struct batch *batch = &game->batch;
    struct account after = player->accounts[number];

    after.seq++;
    take_deposits(game, player, number, &after);
    if (after.cents > 0 && pick(game, 3) > 0) {
        const int64_t cents = 1 + (int64_t)pick(game, (uint64_t)after.cents);

        after.cents -= cents;
        after.sent++;
        array_add(batch->texts[7], "%d", batch->count + 1);
        array_add(batch->texts[8], "a%d", (int)pick(game, ACCOUNTS));
        array_add(batch->texts[9], "\"{\\\"cents\\\": %" PRId64 "}\"", cents);
    }
    array_add(batch->texts[0], "a%d", number);
    array_add(batch->texts[1], "%" PRId64, after.epoch);
    array_add(batch->texts[2], "%" PRId64, after.seq);
    array_add(batch->texts[3],
              "\"{\\\"cents\\\": %" PRId64 ", \\\"sent\\\": %" PRId64 ", \\\"got\\\": %" PRId64
              "}\"",
              after.cents, after.sent, after.got);
    array_add(batch->texts[4], "1");
    batch->steps[batch->count] = number;
    batch->after[batch->count++] = after;
}

static void build_batch(struct game *game, const struct player *player)
{
    struct batch *batch = &game->batch;
    const int first = (int)pick(game, ACCOUNTS);

    batch->count = 0;
    for (size_t index = 0; index < 10; index++) {
        batch->texts[index][0] = '\0';
    }
    (void)snprintf(batch->node, sizeof(batch->node), "%" PRId64, player->id);
    for (int offset = 0; offset < ACCOUNTS && batch->count < BATCH_STEPS; offset++) {
        const int number = (first + offset) % ACCOUNTS;

        if (player->accounts[number].mine) {
            add_step(game, player, number);
        }
    }
    for (size_t index = 0; index < 10; index++) {
        if (batch->texts[index][0] == '\0') {
            (void)snprintf(batch->texts[index], 3, "{}");
        }
    }
}

/* ---- sending it ---- */

#define STEP                                                                                       \
    "SELECT name, why FROM troupe.step($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "                  \
    "array_fill('m'::text, ARRAY[cardinality($9::int[])]), $11)"

static void send_batch(const struct batch *batch, struct reg_sync *sync)
{
    assert_int_equal(
        reg_sync_send(sync, STEP,
                      PG_VALUES(batch->node, batch->texts[0], batch->texts[1], batch->texts[2],
                                batch->texts[3], batch->texts[4], batch->texts[5], batch->texts[6],
                                batch->texts[7], batch->texts[8], batch->texts[9])),
        TROUPE_OK);
}

/* Reads the answer. Where two connections ran one batch at one time, one of them may be told to ask
 * again. */
static void receive_batch(const struct batch *batch, struct reg_sync *sync)
{
    troupe_status status = reg_sync_receive(sync, PG_TIMEOUT_MS);

    while (status == TROUPE_E_AGAIN) {
        send_batch(batch, sync);
        status = reg_sync_receive(sync, PG_TIMEOUT_MS);
    }
    if (status != TROUPE_OK) {
        fail_msg("%s", reg_sync_error(sync));
    }
}

/* Takes over what was saved. The only refusal of an honest node is that it was declared dead. */
static void take_answer(struct game *game, struct player *player)
{
    const struct batch *batch = &game->batch;
    const struct reg_result *result = reg_sync_result(player->sync);

    for (int index = 0; index < batch->count; index++) {
        player->accounts[batch->steps[index]] = batch->after[index];
    }
    for (int row = 0; row < reg_result_count(result); row++) {
        const char *name = reg_result_text(result, row, 0);

        assert_string_equal(reg_result_text(result, row, 1), "fenced");
        player->accounts[strtol(name + 1, NULL, 10)].mine = false;
        game->refused++;
    }
}

static void play_batch(struct game *game, struct player *player)
{
    const uint64_t fault = pick(game, 4);

    build_batch(game, player);
    if (game->batch.count == 0) {
        return;
    }
    if (fault < 2) {
        struct reg_sync *second = open_connection(game);

        send_batch(&game->batch, player->sync);
        send_batch(&game->batch, second);
        if (fault == 0) {
            /* The first connection breaks before its answer comes; the second one goes on. */
            reg_sync_close(player->sync);
            player->sync = second;
            game->lost_answers++;
        } else {
            receive_batch(&game->batch, second);
            reg_sync_close(second);
            game->doubled++;
        }
    } else {
        send_batch(&game->batch, player->sync);
    }
    receive_batch(&game->batch, player->sync);
    take_answer(game, player);
}

/* ---- nodes come and go ---- */

static void start_node(struct game *game, struct player *player)
{
    char name[24];
    struct member member;

    (void)snprintf(name, sizeof(name), "n%" PRId64, ++game->node_number);
    member = cluster_join_bare(game->cluster, name, "600000");
    *player = (struct player){.id = member.id, .sync = open_connection(game)};
}

static void claim(struct player *player, int64_t dead)
{
    const struct reg_result *result = reg_sync_result(player->sync);
    const char *id = pg_text(player->id);

    pg_run(player->sync, "SELECT * FROM troupe.name_claim($1, $2, '{test}', '', 4)",
           PG_VALUES(id, pg_text(dead)));
    pg_run(
        player->sync,
        "SELECT l.name, l.epoch, l.seq, l.state ->> 'cents', l.state ->> 'sent', l.state ->> "
        "'got' FROM troupe.name_load($1, ARRAY(SELECT n.name FROM troupe.names n WHERE n.node_id "
        "= $1 AND n.status = 'starting')) l",
        PG_VALUES(id));
    for (int row = 0; row < reg_result_count(result); row++) {
        struct account *account =
            &player->accounts[strtol(reg_result_text(result, row, 0) + 1, NULL, 10)];

        account->mine = true;
        assert_true(reg_result_i64(result, row, 1, &account->epoch));
        assert_true(reg_result_i64(result, row, 2, &account->seq));
        assert_true(reg_result_i64(result, row, 3, &account->cents));
        assert_true(reg_result_i64(result, row, 4, &account->sent));
        assert_true(reg_result_i64(result, row, 5, &account->got));
    }
    pg_run(
        player->sync,
        "SELECT troupe.name_started($1, array_agg(n.name), array_agg(n.epoch), "
        "array_agg(1::bigint)) FROM troupe.names n WHERE n.node_id = $1 AND n.status = 'starting' "
        "HAVING count(*) > 0",
        PG_VALUES(id));
    assert_int_equal(reg_result_count(result), 0);
}

static void claim_all(struct game *game, const struct player *except, int64_t dead)
{
    while (pg_number(game->observer, "SELECT count(*) FROM troupe.orphans(0)", PG_NONE) > 0) {
        for (size_t index = 0; index < NODES; index++) {
            if (&game->players[index] != except) {
                claim(&game->players[index], dead);
            }
        }
    }
}

/* A node is declared dead while a batch of it is on its way, and goes on as if nothing had happened
 * until it is told. */
static void kill_node(struct game *game, struct player *player)
{
    struct player *accuser = &game->players[player == game->players ? 1 : 0];

    build_batch(game, player);
    if (game->batch.count > 0) {
        send_batch(&game->batch, player->sync);
    }
    cluster_kill(game->cluster, accuser->id, player->id);
    claim_all(game, player, player->id);
    if (game->batch.count > 0) {
        const int64_t refused_before = game->refused;

        receive_batch(&game->batch, player->sync);
        take_answer(game, player);
        /* Whether that one came before the death or not: the next comes after it. */
        build_batch(game, player);
        if (game->batch.count > 0) {
            send_batch(&game->batch, player->sync);
            receive_batch(&game->batch, player->sync);
            assert_int_equal(reg_result_count(reg_sync_result(player->sync)), game->batch.count);
            game->refused += game->batch.count;
        } else {
            assert_true(game->refused > refused_before);
        }
    }
    reg_sync_close(player->sync);
    start_node(game, player);
    game->deaths++;
}

/* ---- what has to be true ---- */

static void assert_nothing_lost_or_doubled(struct game *game)
{
    pg_run(
        game->observer,
        "SELECT (SELECT sum((state ->> 'cents')::bigint) FROM troupe.name) + coalesce((SELECT "
        "sum((payload ->> 'cents')::bigint) FROM troupe.inbox), 0), (SELECT sum((state ->> "
        "'sent')::bigint) - sum((state ->> 'got')::bigint) FROM troupe.name) - (SELECT count(*) "
        "FROM "
        "troupe.inbox), (SELECT count(*) FROM troupe.name WHERE (state ->> 'cents')::bigint < 0)",
        PG_NONE);
    assert_string_equal(pg_column(game->observer, 0), pg_text((int64_t)ACCOUNTS * START_CENTS));
    assert_string_equal(pg_column(game->observer, 1), "0");
    assert_string_equal(pg_column(game->observer, 2), "0");
}

static void open_accounts(struct game *game)
{
    for (int number = 0; number < ACCOUNTS; number++) {
        struct player *player = &game->players[number % NODES];
        char name[16];

        (void)snprintf(name, sizeof(name), "a%d", number);
        player->accounts[number] = (struct account){
            .mine = true,
            .epoch = cluster_register(game->observer, player->id, name, 1,
                                      "{\"cents\": 1000, \"sent\": 0, \"got\": 0}"),
            .cents = START_CENTS,
        };
    }
}

static void money_is_neither_lost_nor_doubled_whatever_is_lost_repeated_or_killed(void **state)
{
    const char *given = getenv("SEED");
    const uint64_t seed = given == NULL ? 20250611u : strtoull(given, NULL, 10);
    struct game *game = calloc(1, sizeof(*game));

    assert_non_null(game);
    print_message("SEED=%" PRIu64 "\n", seed);
    game->rng.state = seed;
    game->cluster = *state;
    game->observer = open_connection(game);
    for (size_t index = 0; index < NODES; index++) {
        start_node(game, &game->players[index]);
    }
    /* Heirs are killed often here; that they are not parked for it is the test's wish. */
    pg_run(game->observer,
           "UPDATE troupe.setting SET value = 1000000 WHERE name = 'recoveries_max'", PG_NONE);
    open_accounts(game);
    for (int number = 0; number < BATCHES; number++) {
        play_batch(game, &game->players[pick(game, NODES)]);
        if (number % 20 == 19) {
            kill_node(game, &game->players[pick(game, NODES)]);
        }
        assert_nothing_lost_or_doubled(game);
    }
    print_message("%" PRId64 " answers lost, %" PRId64 " batches doubled, %" PRId64
                  " deaths, %" PRId64 " steps of the dead refused\n",
                  game->lost_answers, game->doubled, game->deaths, game->refused);
    /* A fault that never happened was not tested. */
    assert_true(game->lost_answers > 0 && game->doubled > 0 && game->deaths > 0 &&
                game->refused > 0);
    for (size_t index = 0; index < NODES; index++) {
        reg_sync_close(game->players[index].sync);
    }
    reg_sync_close(game->observer);
    free(game);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            money_is_neither_lost_nor_doubled_whatever_is_lost_repeated_or_killed, cluster_setup,
            cluster_teardown),
    };

    return cmocka_run_group_tests(tests, cluster_group_setup, cluster_group_teardown);
}
