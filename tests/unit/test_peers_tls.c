/* What is tested: dist/peers with TLS, against those who have no right to be here.
 * Method: two nodes with a session over TLS, on real sockets, and a third party that is wrong in
 * one way, once as the one that dials and once as the one that is dialled; each test ends by seeing
 * that the session is unharmed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "dist/client.h"
#include "support/certificates.h"
#include "support/peers_rig.h"
#include "support/raw_tls.h"
#include "wire/tls_context.h"

enum { HOUR = 3600, HANDSHAKE_MS = 2000, REFUSED_MS = 5000, LOAD_MS = 5000 };

static struct tr_ca *ca;
static struct tr_ca *other_ca; /* of a cluster of the same name */
static struct rig_node one;
static struct rig_node two;
static struct rig_node three;
static uint64_t number; /* of the next message from one to two */

static struct rig_options options_of(uint64_t node_id, struct tr_tls_context *tls)
{
    return (struct rig_options){
        .node_id = node_id, .tls = tls, .cluster = 1, .handshake_ms = HANDSHAKE_MS};
}

static struct tr_tls_context *node_context(const char *name)
{
    return certificates_context(ca, TR_TLS_NODE, name);
}

static int setup(void **state)
{
    struct rig_options first = options_of(1, node_context("n1"));
    struct rig_options second = options_of(2, node_context("n2"));

    (void)state;
    /* The two take their time on a machine that is busy; what is refused is refused at once. */
    first.handshake_ms = 0;
    second.handshake_ms = 0;
    number = 0;
    rig_start_pair(&one, &first, &two, &second);
    return 0;
}

static int setup_with_deadline(void **state)
{
    const struct rig_options first = options_of(1, node_context("n1"));
    const struct rig_options second = options_of(2, node_context("n2"));

    (void)state;
    number = 0;
    rig_start_pair(&one, &first, &two, &second);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_stop(&one);
    rig_stop(&two);
    return 0;
}

static void assert_session_unharmed(void)
{
    rig_assert_unharmed(&one, &two, &number);
}

/* ---- the way it goes ---- */

static void messages_of_every_size_pass_in_order(void **state)
{
    static const size_t sizes[] = {16, 100, 16384, 65536, 70000, 1048576, 8388608};
    uint64_t sent = 0;

    (void)state;
    for (size_t round = 0; round < 20; round++) {
        for (size_t index = 0; index < sizeof(sizes) / sizeof(sizes[0]); index++) {
            if (sizes[index] < 1048576 || round < 2) {
                assert_int_equal(rig_send(&one, 2, 1, sent, sizes[index], 0), TROUPE_OK);
                sent++;
            }
        }
    }
    assert_true(rig_wait_messages(&two, 1, sent));
    assert_int_equal(rig_pair(&two, 1).errors, 0);
    assert_int_equal(rig_pair(&one, 2).losts, 0);
}

static void session_is_resumed_with_a_handshake_of_its_own(void **state)
{
    struct tr_peers_counters counters;

    (void)state;
    for (size_t count = 0; count < 5; count++) {
        assert_int_equal(rig_send(&one, 2, 0, number++, 200000, 0), TROUPE_OK);
        rig_cut(count % 2 == 0 ? &one : &two, count % 2 == 0 ? 2 : 1);
        assert_int_equal(rig_send(&one, 2, 0, number++, 100, 0), TROUPE_OK);
        assert_true(rig_wait_messages(&two, 1, number));
    }
    assert_int_equal(rig_pair(&two, 1).errors, 0);
    assert_int_equal(rig_pair(&one, 2).losts, 0);
    rig_counters(&one, &counters);
    assert_true(counters.resumes >= 1);
}

static void certificate_is_replaced_without_a_lost_message(void **state)
{
    struct tr_tls_context *fresh = node_context("n1");

    (void)state;
    assert_session_unharmed();
    rig_set_tls(&one, fresh);
    assert_session_unharmed(); /* the old connection goes on */
    rig_cut(&one, 2);
    assert_int_equal(rig_send(&one, 2, 0, number++, 100, 0), TROUPE_OK);
    assert_true(rig_wait_messages(&two, 1, number));
    assert_int_equal(rig_pair(&one, 2).losts, 0);
}

/* ---- strangers with certificates that ours would not load ---- */

struct wrong {
    const char *what;
    struct certificate own;
    bool has_none;
    bool tls12;
    const char *dials;   /* what our node says of it when it dials us */
    const char *serves;  /* when we dial it; NULL = the same */
    bool is_not_tls;     /* refused as garbage, not as untrusted */
    bool serves_not_tls; /* so only when it is dialled: without a certificate nobody serves */
};

static struct wrong wrong_of(size_t index)
{
    switch (index) {
    case 0:
        return (struct wrong){.what = "no certificate",
                              .has_none = true,
                              .dials = "peer did not return a certificate",
                              .serves = "the other side ended it",
                              .serves_not_tls = true};
    case 1:
        return (struct wrong){
            .what = "another authority",
            .own = certificates_issue(other_ca, TR_TLS_NODE, "n3"),
            .dials = "unable to get local issuer certificate",
        };
    case 2:
        return (struct wrong){
            .what = "expired",
            .own = certificates_issue_at(ca, ca, TR_TLS_NODE, "n3", -2 * HOUR, -HOUR),
            .dials = "certificate has expired",
        };
    case 3:
        return (struct wrong){
            .what = "not yet valid",
            .own = certificates_issue_at(ca, ca, TR_TLS_NODE, "n3", HOUR, 2 * HOUR),
            .dials = "certificate is not yet valid",
        };
    default:
        return (struct wrong){.what = "TLS 1.2",
                              .own = certificates_issue(ca, TR_TLS_NODE, "n3"),
                              .tls12 = true,
                              .dials = "it does not speak TLS 1.3",
                              .serves = "tlsv1 alert protocol version",
                              .is_not_tls = true};
    }
}

enum { WRONGS = 5 };

static void assert_turned_away(const struct wrong *wrong, const struct raw_outcome *outcome,
                               const char *words)
{
    struct tr_peers_counters counters;

    if (!outcome->reached || !outcome->closed || outcome->took_ms >= REFUSED_MS + LOAD_MS) {
        fail_msg("%s: reached %d, closed %d, %llu ms", wrong->what, outcome->reached,
                 outcome->closed, (unsigned long long)outcome->took_ms);
    }
    assert_int_equal(outcome->heard, 0); /* not even a hello */
    assert_true(rig_wait_refusals(&one, 1));
    rig_counters(&one, &counters);
    assert_true(counters.refused >= 1);
    assert_int_equal(counters.refused_auth > 0, !wrong->is_not_tls);
    assert_int_equal(counters.handshake_timeouts, 0);
    assert_true(rig_refusal_says(&one, words));
    assert_session_unharmed();
}

static void wrong_certificate_is_refused_when_it_dials(void **state)
{
    for (size_t index = 0; index < WRONGS; index++) {
        struct wrong wrong = wrong_of(index);
        const struct raw_options raw = {.own = wrong.has_none ? NULL : &wrong.own,
                                        .tls12 = wrong.tls12};
        struct raw_outcome outcome;

        (void)setup(state);
        outcome = raw_dial(one.port, &raw);
        assert_turned_away(&wrong, &outcome, wrong.dials);
        (void)teardown(state);
        certificate_fini(&wrong.own);
    }
}

static void wrong_certificate_is_refused_when_it_is_dialled(void **state)
{
    for (size_t index = 0; index < WRONGS; index++) {
        struct wrong wrong = wrong_of(index);
        const struct raw_options raw = {.own = wrong.has_none ? NULL : &wrong.own,
                                        .tls12 = wrong.tls12};
        struct rig_node stand_in = {.options.node_id = 3, .name = "n3"};
        struct raw_server server;
        struct raw_outcome outcome;

        wrong.is_not_tls = wrong.is_not_tls || wrong.serves_not_tls;
        (void)setup(state);
        raw_serve(&server, &raw);
        rig_want_at(&one, &stand_in, server.port);
        outcome = raw_served(&server);
        assert_turned_away(&wrong, &outcome, wrong.serves != NULL ? wrong.serves : wrong.dials);
        (void)teardown(state);
        certificate_fini(&wrong.own);
    }
}

/* ---- nodes that are somebody else ---- */

static bool was_unreachable(const struct rig_pair *pair)
{
    return pair->unreachable > 0;
}

/* Node 3, made with these options, dials ours; then ours dials it. */
static void refused_node(const struct rig_options *dialler, const char *dials,
                         const struct rig_options *listener, const char *serves)
{
    struct tr_peers_counters counters;

    rig_start(&three, dialler);
    rig_want(&three, &one);
    assert_true(rig_wait_refusals(&one, 1));
    assert_true(rig_wait(&three, 1, was_unreachable));
    assert_true(rig_refusal_says(&one, dials));
    rig_counters(&one, &counters);
    assert_true(counters.refused >= 1);
    assert_int_equal(rig_pair(&one, 3).ups + rig_pair(&three, 1).ups, 0);
    assert_session_unharmed();
    rig_stop(&three);
    (void)teardown(NULL);
    (void)setup(NULL);
    rig_start(&three, listener);
    rig_want(&one, &three);
    assert_true(rig_wait_refusals(&one, 1));
    assert_true(rig_wait(&one, 3, was_unreachable));
    assert_true(rig_refusal_says(&one, serves));
    assert_int_equal(rig_pair(&one, 3).ups + rig_pair(&three, 1).ups, 0);
    assert_session_unharmed();
    rig_stop(&three);
}

static void node_under_the_name_of_another_is_refused(void **state)
{
    const struct rig_options dialler = options_of(3, node_context("n4"));
    const struct rig_options listener = options_of(3, node_context("n4"));

    (void)state;
    refused_node(&dialler, "its certificate is that of somebody else", &listener,
                 "its certificate is that of node n4, not n3");
}

static void client_certificate_makes_no_node(void **state)
{
    const struct rig_options dialler = options_of(3, certificates_context(ca, TR_TLS_CLIENT, "n3"));
    const struct rig_options listener =
        options_of(3, certificates_context(ca, TR_TLS_CLIENT, "n3"));

    (void)state;
    refused_node(&dialler, "its certificate is that of somebody else", &listener,
                 "certificate purpose");
}

static void node_without_tls_is_refused(void **state)
{
    struct rig_options its = options_of(3, NULL);

    (void)state;
    its.secret = rig_secret;
    refused_node(&its, "what it sent is not TLS", &its, "what it sent is not TLS");
}

static void node_that_does_not_know_the_secret_too_is_refused(void **state)
{
    struct rig_options dialler = options_of(3, node_context("n3"));
    struct rig_options listener = options_of(3, node_context("n3"));

    (void)state;
    dialler.secret = rig_secret; /* ours knows none: both have to say the same */
    listener.secret = rig_secret;
    refused_node(&dialler, "its cluster secret is not ours", &listener,
                 "its cluster secret is not ours");
}

/* The other way round: ours has a secret only. */
static void node_with_tls_is_refused_by_one_without(void **state)
{
    struct rig_options first = options_of(1, NULL);
    struct rig_options second = options_of(2, NULL);
    const struct rig_options its = options_of(3, node_context("n3"));
    const struct rig_options again = options_of(3, node_context("n3"));

    (void)state;
    (void)teardown(NULL);
    first.secret = rig_secret;
    second.secret = rig_secret;
    first.handshake_ms = 0;
    number = 0;
    rig_start_pair(&one, &first, &two, &second);
    rig_start(&three, &its);
    rig_want(&three, &one);
    assert_true(rig_wait_refusals(&one, 1));
    assert_true(rig_wait(&three, 1, was_unreachable));
    assert_true(rig_refusal_says(&one, "it speaks TLS, and this node does not"));
    assert_session_unharmed();
    rig_stop(&three);
    rig_start(&three, &again);
    rig_want(&one, &three);
    assert_true(rig_wait(&one, 3, was_unreachable));
    assert_true(rig_wait_refusals(&three, 1));
    assert_true(rig_refusal_says(&three, "what it sent is not TLS"));
    assert_session_unharmed();
    rig_stop(&three);
}

/* ---- strangers without manners ---- */

static void bytes_before_the_hello_are_refused(void **state)
{
    struct certificate own = certificates_issue(ca, TR_TLS_NODE, "n3");
    const struct raw_options raw = {.own = &own, .first = "HELO troupe\r\n"};
    const struct wrong wrong = {.what = "bytes before", .is_not_tls = true};
    const struct raw_outcome outcome = raw_dial(one.port, &raw);

    (void)state;
    assert_turned_away(&wrong, &outcome, "not TLS");
    certificate_fini(&own);
}

/* Sends a byte a time and waits for the end; answers the milliseconds it took. */
static uint64_t drip(const char *bytes, size_t size, int pause_ms)
{
    const int fd = raw_connect(one.port);
    const uint64_t begun = rig_now_ms();
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char heard[64];
    size_t at = 0;

    while (rig_now_ms() - begun < RIG_WAIT_MS) {
        if (at < size) {
            (void)send(fd, bytes + at++, 1, MSG_NOSIGNAL);
        }
        if (poll(&wait, 1, pause_ms) == 1 && recv(fd, heard, sizeof(heard), 0) <= 0) {
            break;
        }
    }
    (void)close(fd);
    return rig_now_ms() - begun;
}

static void slow_hello_meets_the_deadline(void **state)
{
    /* The head of a hello, and as much of it as fits into the time. */
    static const char hello[64] = "\x16\x03\x01\x00\xf0\x01\x00\x00\xec\x03\x03";
    struct tr_peers_counters counters;
    uint64_t took = 0;

    (void)state;
    took = drip(hello, sizeof(hello), HANDSHAKE_MS / 5);
    assert_true(took >= HANDSHAKE_MS - 50 && took < HANDSHAKE_MS + LOAD_MS);
    rig_counters(&one, &counters);
    assert_true(counters.handshake_timeouts >= 1);
    assert_true(rig_wait_refusals(&one, 1));
    assert_session_unharmed();
}

static void flood_of_hellos_is_bounded(void **state)
{
    static const char hello[200] = "\x16\x03\x01\x00\xf0\x01\x00\x00\xec\x03\x03";
    enum { MANY = 400 };
    int fds[MANY];
    char heard[64];
    struct tr_peers_counters counters;

    (void)state;
    for (size_t index = 0; index < MANY; index++) {
        fds[index] = raw_connect(one.port);
        (void)send(fds[index], hello, sizeof(hello), MSG_NOSIGNAL);
    }
    assert_session_unharmed();
    for (size_t index = 0; index < MANY; index++) {
        struct pollfd wait = {.fd = fds[index], .events = POLLIN};

        assert_int_equal(poll(&wait, 1, RIG_WAIT_MS), 1);
        assert_true(recv(fds[index], heard, sizeof(heard), 0) <= 0);
        (void)close(fds[index]);
    }
    rig_counters(&one, &counters);
    assert_true(counters.turned_away >= 1);
    assert_true(counters.turned_away + counters.handshake_timeouts >= MANY);
    assert_session_unharmed();
}

/* A record of TLS holds 16 KiB and no more; what announces more is refused at its head, and a hello
 * of many records ends at the bound. */
static void endless_hello_is_refused(void **state)
{
    static char record[16384 + 5] = "\x16\x03\x01\x40\x00\x01\xff\xff\xff";
    const uint64_t begun = rig_now_ms();
    const int fd = raw_connect(one.port);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char heard[64];

    (void)state;
    for (size_t count = 0; count < 8; count++) {
        (void)send(fd, record, sizeof(record), MSG_NOSIGNAL);
    }
    assert_int_equal(poll(&wait, 1, RIG_WAIT_MS), 1);
    assert_true(rig_now_ms() - begun < REFUSED_MS + LOAD_MS);
    while (recv(fd, heard, sizeof(heard), 0) > 0) {
    }
    (void)close(fd);
    assert_true(rig_wait_refusals(&one, 1));
    assert_int_equal(rig_refusal(&one), TROUPE_E_PROTOCOL);
    assert_session_unharmed();
}

/* ---- clients ---- */

static troupe_status ask(const struct tr_tls_context *tls, const char *node, size_t size, char *why,
                         size_t why_size)
{
    const struct tr_client_config config = {.host = "127.0.0.1",
                                            .port = one.port,
                                            .tls = tls,
                                            .node_name = node,
                                            .timeout_ms = RIG_WAIT_MS,
                                            .why = why,
                                            .why_size = why_size};
    uint8_t *request = malloc(size + 1);
    uint8_t *response = NULL;
    size_t response_size = 0;
    troupe_status status = TROUPE_OK;

    memset(request, 'q', size);
    status = tr_client_call(&config, request, size, &response, &response_size);
    if (status == TROUPE_OK) {
        assert_int_equal(response_size, 2 * size);
        assert_memory_equal(response, request, size);
    }
    free(request);
    free(response);
    return status;
}

static void client_gets_its_answer_whatever_its_size(void **state)
{
    static const size_t sizes[] = {0, 1, 65536, 65537, 1024 * 1024};
    struct tr_tls_context *tls = certificates_context(ca, TR_TLS_CLIENT, "admin");

    (void)state;
    for (size_t index = 0; index < sizeof(sizes) / sizeof(sizes[0]); index++) {
        assert_int_equal(ask(tls, "n1", sizes[index], NULL, 0), TROUPE_OK);
    }
    assert_int_equal(ask(tls, NULL, 10, NULL, 0), TROUPE_OK);
    tr_tls_context_destroy(tls);
    assert_session_unharmed();
}

static void client_is_told_what_is_wrong(void **state)
{
    struct tr_tls_context *good = certificates_context(ca, TR_TLS_CLIENT, "admin");
    struct tr_tls_context *stranger = certificates_context(other_ca, TR_TLS_CLIENT, "admin");
    struct tr_tls_context *node = node_context("n3");
    char why[200];

    (void)state;
    assert_int_equal(ask(good, "n9", 10, why, sizeof(why)), TROUPE_E_AUTH);
    assert_string_equal(why, "its certificate is that of node n1, not n9");
    assert_int_equal(ask(stranger, "n1", 10, why, sizeof(why)), TROUPE_E_AUTH);

    assert_non_null(strstr(why, "unable to get local issuer certificate"));
    assert_int_equal(ask(node, "n1", 10, why, sizeof(why)), TROUPE_E_DENIED); /* it is no client */
    assert_int_not_equal(ask(NULL, "n1", 10, why, sizeof(why)), TROUPE_OK);
    assert_int_equal(rig_requests(&one), 0);
    tr_tls_context_destroy(good);
    tr_tls_context_destroy(stranger);
    tr_tls_context_destroy(node);
    assert_session_unharmed();
}

static int group_setup(void **state)
{
    (void)state;
    ca = certificates_ca("bank");
    other_ca = certificates_ca("bank");
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    tr_ca_destroy(ca);
    tr_ca_destroy(other_ca);
    return 0;
}

#define PAIR_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
#define DEADLINE_TEST(function)                                                                    \
    cmocka_unit_test_setup_teardown(function, setup_with_deadline, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(messages_of_every_size_pass_in_order),
        PAIR_TEST(session_is_resumed_with_a_handshake_of_its_own),
        PAIR_TEST(certificate_is_replaced_without_a_lost_message),
        cmocka_unit_test(wrong_certificate_is_refused_when_it_dials),
        cmocka_unit_test(wrong_certificate_is_refused_when_it_is_dialled),
        PAIR_TEST(node_under_the_name_of_another_is_refused),
        PAIR_TEST(client_certificate_makes_no_node),
        PAIR_TEST(node_without_tls_is_refused),
        PAIR_TEST(node_that_does_not_know_the_secret_too_is_refused),
        PAIR_TEST(node_with_tls_is_refused_by_one_without),
        PAIR_TEST(bytes_before_the_hello_are_refused),
        DEADLINE_TEST(slow_hello_meets_the_deadline),
        DEADLINE_TEST(flood_of_hellos_is_bounded),
        PAIR_TEST(endless_hello_is_refused),
        PAIR_TEST(client_gets_its_answer_whatever_its_size),
        PAIR_TEST(client_is_told_what_is_wrong),
    };

    return cmocka_run_group_tests_name("dist/peers with TLS", tests, group_setup, group_teardown);
}
