/* What is tested: dist/peers whose connections are cut while eight threads send over them.
 * Method: two rig nodes over loopback, each with its loop on a thread. Faults that need no threads
 * are in test_peers_loss.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "support/peers_rig.h"

static struct rig_node one;
static struct rig_node two;

static void stop_pair(void)
{
    rig_stop(&one);
    rig_stop(&two);
}

static void assert_clean(struct rig_node *node, uint64_t other)
{
    assert_int_equal(rig_pair(node, other).errors, 0);
}

enum { LOAD_SENDERS = 4, CUTS = 300 };

struct load {
    struct rig_node *from;
    uint64_t to;
    uint64_t sent;
    uint32_t sender;
    bool failed;
    bool stop; /* under the lock of `from` */
};

static size_t load_size(uint64_t number)
{
    return number % 1000 == 999 ? 150000 : 16 + number % 300;
}

static bool load_is_over(struct load *load)
{
    bool stop = false;

    tr_mutex_lock(&load->from->lock);
    stop = load->stop;
    tr_mutex_unlock(&load->from->lock);
    return stop || load->failed;
}

static void run_load(void *context)
{
    struct load *load = context;

    while (!load_is_over(load)) {
        const troupe_status status =
            rig_send(load->from, load->to, load->sender, load->sent, load_size(load->sent), 0);

        load->sent += status == TROUPE_OK ? 1 : 0;
        load->failed = status != TROUPE_OK && status != TROUPE_E_BUSY;
        if (status == TROUPE_E_BUSY) {
            tr_thread_yield();
        }
    }
}

/* Stops the senders and answers how many messages each node has sent. */
static void loads_end(struct load *loads, struct tr_thread *threads, uint64_t sent[2])
{
    for (size_t index = 0; index < (size_t)2 * LOAD_SENDERS; index++) {
        tr_mutex_lock(&loads[index].from->lock);
        loads[index].stop = true;
        tr_mutex_unlock(&loads[index].from->lock);
        tr_thread_join(&threads[index]);
        assert_false(loads[index].failed);
        sent[index % 2] += loads[index].sent;
    }
}

static void cuts_under_load_lose_and_double_nothing(void **state)
{
    static struct load loads[2 * LOAD_SENDERS];
    struct tr_thread threads[2 * LOAD_SENDERS] = {0};
    struct tr_peers_counters counters;
    struct rig_options first = rig_defaults(1);
    struct rig_options second = rig_defaults(2);
    uint64_t sent[2] = {0};

    (void)state;
    first.send_queue_bytes_max = second.send_queue_bytes_max = 100000;
    rig_start_pair(&one, &first, &two, &second);
    for (uint32_t index = 0; index < 2 * LOAD_SENDERS; index++) {
        struct rig_node *from = index % 2 == 0 ? &one : &two;

        loads[index] = (struct load){.from = from, .to = index % 2 == 0 ? 2 : 1, .sender = index};
        assert_int_equal(tr_thread_start(&threads[index], "load", run_load, &loads[index]),
                         TROUPE_OK);
    }
    for (uint32_t cut = 0; cut < CUTS; cut++) {
        struct rig_node *here = cut % 2 == 0 ? &one : &two;
        const uint64_t there = cut % 2 == 0 ? 2 : 1;

        rig_cut(here, there);
        if (cut % 5 == 0) {
            rig_cut(here == &one ? &two : &one, here->options.node_id); /* then both dial */
        }
        /* The next cut comes once something got through again. */
        assert_true(rig_wait_messages(here, there, rig_pair(here, there).messages + 100));
    }
    loads_end(loads, threads, sent);
    assert_true(rig_wait_messages(&two, 1, sent[0]));
    assert_true(rig_wait_messages(&one, 2, sent[1]));
    rig_counters(&one, &counters);
    print_message("%u resumes, %u messages\n", (unsigned)counters.resumes,
                  (unsigned)(sent[0] + sent[1]));
    assert_true(counters.resumes >= CUTS / 2); /* the fault has bitten */
    assert_int_equal(counters.sessions, 1);
    assert_int_equal(rig_pair(&two, 1).messages, sent[0]);
    assert_int_equal(rig_pair(&one, 2).messages, sent[1]);
    assert_clean(&one, 2);
    assert_clean(&two, 1);
    stop_pair();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_under_load_lose_and_double_nothing),
    };

    return cmocka_run_group_tests_name("dist/peers under faults", tests, NULL, NULL);
}
