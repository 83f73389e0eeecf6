/* What is tested: what a durable actor says is held until its step is decided, also when it is told
 * to end meanwhile; on a node whose registry is the one in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/fake_registry.h"
#include "sync/thread.h"
#include "troupe/troupe.h"

enum { DEADLINE_MS = 20000, ROUNDS = 10 };

static struct fake_cluster *cluster;
static troupe_node *node;

static struct {
    struct tr_mutex mutex;
    struct tr_cond changed;
    int handled;
    int answered;
} seen;

static void count(int *number)
{
    tr_mutex_lock(&seen.mutex);
    (*number)++;
    tr_cond_broadcast(&seen.changed);
    tr_mutex_unlock(&seen.mutex);
}

static int number_of(const int *number)
{
    tr_mutex_lock(&seen.mutex);
    const int value = *number;

    tr_mutex_unlock(&seen.mutex);
    return value;
}

static void wait_for(const int *number, int least)
{
    bool waits = true;

    tr_mutex_lock(&seen.mutex);
    while (waits && *number < least) {
        waits = tr_cond_wait_for(&seen.changed, &seen.mutex, DEADLINE_MS * INT64_C(1000000));
    }
    const int value = *number;

    tr_mutex_unlock(&seen.mutex);
    assert_true(value >= least);
}

typedef struct account {
    int64_t cents;
} account;
TROUPE_TYPE(account, "test.account", TROUPE_FIELD(account, cents, 1));
TROUPE_TYPE_EMPTY(deposit, "test.deposit");

static int on_deposit(troupe_self *self, void *state, const void *message)
{
    account *own = state;

    (void)message;
    own->cents++;
    const int status = troupe_reply(self, &account_type, own);

    count(&seen.handled);
    return status;
}

static const troupe_handler handlers[] = {{&deposit_type, on_deposit}, {0}};
static const troupe_behavior account_behavior = {
    .name = "test.account", .state = &account_type, .handlers = handlers};

/* What a call by the name answers, and the balance in its reply. */
static troupe_status deposit(const char *name, int64_t *cents)
{
    troupe_result result = {0};
    const troupe_status status =
        troupe_node_call_name(node, name, &deposit_type, NULL, DEADLINE_MS, &result);

    if (status == TROUPE_OK) {
        *cents = ((const account *)result.value)->cents;
    }
    troupe_result_clear(&result);
    return status;
}

static void deposit_in_a_thread(void *context)
{
    (void)deposit("held", context);
    count(&seen.answered);
}

/* Signals for an actor, and time that passes: it is watched for a millisecond again and again. */
static void stays_a_while(troupe_pid pid)
{
    int32_t kind = 0;

    for (int round = 0; round < ROUNDS; round++) {
        assert_int_equal(troupe_node_join(node, pid, 1, &kind), TROUPE_E_TIMEOUT);
    }
}

static void no_reply_leaves_before_its_step_is_decided_though_the_actor_ends(void **state)
{
    const troupe_spawn_options durable = {.name = "held", .flags = TROUPE_SPAWN_DURABLE};
    troupe_pid pid = {0};
    struct tr_thread caller;
    int64_t cents = 0;
    int64_t late = 0;
    int32_t kind = 0;

    (void)state;
    assert_int_equal(troupe_node_spawn(node, &account_behavior, NULL, &durable, &pid), TROUPE_OK);
    assert_int_equal(deposit("held", &cents), TROUPE_OK);
    assert_int_equal(cents, 1);
    fake_cluster_set_away(cluster, true);
    assert_int_equal(tr_thread_start(&caller, "caller", deposit_in_a_thread, &late), TROUPE_OK);
    wait_for(&seen.handled, 2);
    stays_a_while(pid); /* The step is under way when the end is asked for. */
    assert_int_equal(troupe_node_exit(node, pid, TROUPE_REASON_SHUTDOWN, "told to"), TROUPE_OK);
    stays_a_while(pid);
    assert_int_equal(number_of(&seen.answered), 0);
    fake_cluster_set_away(cluster, false);
    wait_for(&seen.answered, 1);
    tr_thread_join(&caller);
    assert_int_equal(late, 2);
    assert_int_equal(troupe_node_join(node, pid, DEADLINE_MS, &kind), TROUPE_OK);
}

static int begin(void **state)
{
    troupe_config config;

    (void)state;
    tr_mutex_init(&seen.mutex);
    tr_cond_init(&seen.changed);
    cluster = fake_cluster_create();
    troupe_config_init(&config);
    config.workers = 2;
    config.registry = fake_registry_create(cluster);
    assert_int_equal(troupe_node_start(&config, &node, NULL, 0), TROUPE_OK);
    assert_int_equal(troupe_node_add_behavior(node, &account_behavior, NULL, 0), TROUPE_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    troupe_node_stop(node, 5000);
    fake_cluster_destroy(cluster);
    tr_cond_fini(&seen.changed);
    tr_mutex_fini(&seen.mutex);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            no_reply_leaves_before_its_step_is_decided_though_the_actor_ends, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
