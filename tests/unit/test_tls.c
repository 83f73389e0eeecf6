/* What is tested: wire/tls, both ends, by its contract alone.
 * Method: two ends whose bytes the test carries from one to the other, whole, byte by byte, cut,
 * changed, or of somebody who does not speak TLS at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/certificates.h"
#include "wire/tls.h"

enum { HOUR = 3600, WIRE_SIZE = 64 * 1024 };

static struct tr_ca *ca;

/* One end, and what it has read. */
struct end {
    struct tr_tls *tls;
    troupe_status shaken; /* the last answer of tr_tls_shake */
    troupe_status status; /* the last answer of tr_tls_read */
    size_t size;
    uint8_t bytes[WIRE_SIZE];
};

struct pair {
    struct end dialer;
    struct end listener;
};

static struct tr_tls *make(const struct tr_tls_context *context, bool dialer, const char *node)
{
    const struct tr_tls_options options = {.dialer = dialer, .node = node};
    struct tr_tls *tls = NULL;

    assert_int_equal(tr_tls_create(context, &options, &tls), TROUPE_OK);
    return tls;
}

/* Two ends of these contexts, which the call takes. The dialer expects `node`. */
static struct pair *pair_of(struct tr_tls_context *dialer, struct tr_tls_context *listener,
                            const char *node)
{
    struct pair *pair = calloc(1, sizeof(*pair));

    pair->dialer.tls = make(dialer, true, node);
    pair->listener.tls = make(listener, false, NULL);
    tr_tls_context_destroy(dialer);
    tr_tls_context_destroy(listener);
    pair->dialer.shaken = tr_tls_shake(pair->dialer.tls);
    pair->listener.shaken = TROUPE_E_AGAIN;
    assert_int_equal(pair->dialer.shaken, TROUPE_E_AGAIN);
    return pair;
}

static struct tr_tls_context *node(const char *name)
{
    return certificates_context(ca, TR_TLS_NODE, name);
}

static struct pair *good_pair(void)
{
    return pair_of(node("n1"), node("n2"), "n2");
}

static void end_pair(struct pair *pair)
{
    tr_tls_destroy(pair->dialer.tls);
    tr_tls_destroy(pair->listener.tls);
    free(pair);
}

/* Gives bytes in, and goes on as an owner does. */
static void give(struct end *end, const uint8_t *bytes, size_t size)
{
    size_t got = 0;

    tr_tls_input(end->tls, bytes, size);
    if (end->shaken == TROUPE_E_AGAIN) {
        end->shaken = tr_tls_shake(end->tls);
    }
    if (end->shaken != TROUPE_OK) {
        return;
    }
    do {
        end->status =
            tr_tls_read(end->tls, end->bytes + end->size, sizeof(end->bytes) - end->size, &got);
        end->size += end->status == TROUPE_OK ? got : 0;
    } while (end->status == TROUPE_OK && end->size < sizeof(end->bytes));
}

/* What one end has to say, into a buffer. */
static size_t take(struct end *end, uint8_t bytes[static WIRE_SIZE])
{
    const struct tr_slice output = tr_tls_output(end->tls);

    assert_true(output.size <= WIRE_SIZE);
    if (output.size > 0) {
        memcpy(bytes, output.bytes, output.size);
    }
    tr_tls_output_done(end->tls);
    return output.size;
}

/* Carries in pieces of `step` bytes; answers how many there were. */
static size_t carry(struct end *from, struct end *to, size_t step)
{
    uint8_t bytes[WIRE_SIZE];
    const size_t size = take(from, bytes);

    for (size_t at = 0; at < size; at += step) {
        give(to, bytes + at, size - at < step ? size - at : step);
    }
    return size;
}

static void shake(struct pair *pair, size_t step)
{
    size_t carried = 1;

    while (carried > 0) {
        carried = carry(&pair->dialer, &pair->listener, step);
        carried += carry(&pair->listener, &pair->dialer, step);
    }
}

static void assert_open(const struct pair *pair)
{
    assert_int_equal(pair->dialer.shaken, TROUPE_OK);
    assert_int_equal(pair->listener.shaken, TROUPE_OK);
    assert_int_equal(pair->dialer.status, TROUPE_E_AGAIN);
    assert_int_equal(pair->listener.status, TROUPE_E_AGAIN);
}

/* ---- the way it goes ---- */

static void both_learn_who_the_other_is(void **state)
{
    struct pair *pair = pair_of(certificates_context(ca, TR_TLS_CLIENT, "admin"), node("n2"), "n2");
    uint8_t one[TR_BINDING_SIZE];
    uint8_t two[TR_BINDING_SIZE];

    (void)state;
    shake(pair, WIRE_SIZE);
    assert_open(pair);
    assert_int_equal(tr_tls_peer(pair->listener.tls)->role, TR_TLS_CLIENT);
    assert_string_equal(tr_tls_peer(pair->listener.tls)->name, "admin");
    assert_int_equal(tr_tls_peer(pair->dialer.tls)->role, TR_TLS_NODE);
    assert_string_equal(tr_tls_peer(pair->dialer.tls)->name, "n2");
    assert_string_equal(tr_tls_peer(pair->dialer.tls)->cluster, "bank");
    assert_int_equal(tr_tls_binding(pair->dialer.tls, one), TROUPE_OK);
    assert_int_equal(tr_tls_binding(pair->listener.tls, two), TROUPE_OK);
    assert_memory_equal(one, two, sizeof(one));
    end_pair(pair);
    pair = good_pair();
    shake(pair, WIRE_SIZE);
    assert_int_equal(tr_tls_binding(pair->dialer.tls, two), TROUPE_OK);
    assert_memory_not_equal(one, two, sizeof(one)); /* each connection its own */
    end_pair(pair);
}

static void write_filled(struct end *from, size_t size, uint8_t filler)
{
    uint8_t *bytes = malloc(size + 1);
    const size_t half = size / 2;
    const struct tr_slice slices[] = {{bytes, half}, {bytes, 0}, {bytes + half, size - half}};

    memset(bytes, filler, size);
    assert_int_equal(tr_tls_write(from->tls, slices, 3), TROUPE_OK);
    free(bytes); /* it is lent for the call only */
}

static void assert_filled(struct end *end, size_t size, uint8_t filler)
{
    assert_int_equal(end->size, size);
    for (size_t index = 0; index < size; index++) {
        assert_int_equal(end->bytes[index], filler);
    }
    end->size = 0;
}

static void bytes_of_every_size_arrive_in_both_directions(void **state)
{
    static const size_t sizes[] = {1, 2, 100, 16383, 16384, 16385, 32768, 50000};
    struct pair *pair = good_pair();

    (void)state;
    shake(pair, WIRE_SIZE);
    for (size_t index = 0; index < sizeof(sizes) / sizeof(sizes[0]); index++) {
        write_filled(&pair->dialer, sizes[index], (uint8_t)index);
        (void)carry(&pair->dialer, &pair->listener, 1000);
        assert_filled(&pair->listener, sizes[index], (uint8_t)index);
        write_filled(&pair->listener, sizes[index], (uint8_t)(100 + index));
        (void)carry(&pair->listener, &pair->dialer, 70000);
        assert_filled(&pair->dialer, sizes[index], (uint8_t)(100 + index));
    }
    end_pair(pair);
}

static void byte_by_byte_is_as_good(void **state)
{
    struct pair *pair = good_pair();

    (void)state;
    shake(pair, 1);
    assert_open(pair);
    write_filled(&pair->dialer, 300, 'x');
    (void)carry(&pair->dialer, &pair->listener, 1);
    assert_filled(&pair->listener, 300, 'x');
    end_pair(pair);
}

static void small_slices_share_a_record(void **state)
{
    struct pair *pair = good_pair();
    uint8_t bytes[40] = {0};
    struct tr_slice slices[100];
    uint8_t wire[WIRE_SIZE];

    (void)state;
    shake(pair, WIRE_SIZE);
    for (size_t index = 0; index < 100; index++) {
        slices[index] = (struct tr_slice){bytes, sizeof(bytes)};
    }
    assert_int_equal(tr_tls_write(pair->dialer.tls, slices, 100), TROUPE_OK);
    assert_true(take(&pair->dialer, wire) < 100 * sizeof(bytes) + 64);
    end_pair(pair);
}

static void no_session_ticket_is_given(void **state)
{
    struct pair *pair = good_pair();
    uint8_t wire[WIRE_SIZE];

    (void)state;
    (void)carry(&pair->dialer, &pair->listener, WIRE_SIZE); /* hello */
    (void)carry(&pair->listener, &pair->dialer, WIRE_SIZE); /* hello, certificate */
    (void)carry(&pair->dialer, &pair->listener, WIRE_SIZE); /* certificate */
    assert_open(pair);
    assert_int_equal(take(&pair->listener, wire), 0);
    end_pair(pair);
}

static void keys_are_changed_under_way(void **state)
{
    struct tr_tls_context *one = node("n1");
    struct pair *pair = good_pair();
    const struct tr_tls_options options = {.dialer = true, .node = "n2", .rekey_records = 2};
    uint8_t wire[WIRE_SIZE];
    size_t longest = 0;

    (void)state;
    tr_tls_destroy(pair->dialer.tls);
    assert_int_equal(tr_tls_create(one, &options, &pair->dialer.tls), TROUPE_OK);
    tr_tls_context_destroy(one);
    pair->dialer.shaken = tr_tls_shake(pair->dialer.tls);
    shake(pair, WIRE_SIZE);
    assert_open(pair);
    for (size_t count = 0; count < 9; count++) {
        size_t size = 0;

        write_filled(&pair->dialer, 100, (uint8_t)count);
        size = take(&pair->dialer, wire);
        longest = size > longest ? size : longest;
        give(&pair->listener, wire, size);
        assert_filled(&pair->listener, 100, (uint8_t)count);
    }
    assert_true(longest > 100 + 22); /* a record of its own says so */
    write_filled(&pair->listener, 10, 'b');
    (void)carry(&pair->listener, &pair->dialer, WIRE_SIZE);
    assert_filled(&pair->dialer, 10, 'b');
    end_pair(pair);
}

/* ---- whom it refuses ---- */

/* The end that looks at the other's certificate refuses it, and the other hears of it. */
static void assert_refused(struct end *judge, struct end *judged, const char *why)
{
    assert_int_equal(judge->shaken, TROUPE_E_AUTH);
    if (strstr(tr_tls_why(judge->tls), why) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", tr_tls_why(judge->tls), why);
    }
    assert_int_equal(judged->shaken == TROUPE_OK ? judged->status : judged->shaken, TROUPE_E_AUTH);
    assert_non_null(strstr(tr_tls_why(judged->tls), "the other side ended it"));
    assert_int_equal(judge->size, 0);
}

static void authority_that_is_not_trusted_is_refused_by_both(void **state)
{
    struct tr_ca *other = certificates_ca("bank");
    struct pair *pair = pair_of(certificates_context(other, TR_TLS_NODE, "n1"), node("n2"), "n2");
    struct certificate mixed = certificates_issue_at(other, ca, TR_TLS_NODE, "n1", -HOUR, HOUR);
    const struct tr_tls_sources sources = certificate_sources(&mixed);
    struct tr_tls_context *context = NULL;
    char error[256];

    (void)state;
    shake(pair, WIRE_SIZE);
    assert_refused(&pair->dialer, &pair->listener, "certificate"); /* it sees the other's first */
    end_pair(pair);
    /* And nobody starts with a certificate that its own authorities would refuse. */
    assert_int_equal(tr_tls_context_create(&sources, &context, error, sizeof(error)),
                     TROUPE_E_INVALID);
    assert_non_null(strstr(error, "own.pem"));
    certificate_fini(&mixed);
    tr_ca_destroy(other);
}

static void other_cluster_of_the_same_authority_is_refused(void **state)
{
    struct tr_ca *other = certificates_ca("shop");
    struct tr_pem ours = {0};
    struct tr_pem theirs = {0};
    struct pair *pair = NULL;
    struct tr_tls_context *contexts[2] = {NULL, NULL};
    struct certificate own[2] = {certificates_issue(ca, TR_TLS_NODE, "n1"),
                                 certificates_issue(other, TR_TLS_NODE, "n2")};
    char error[256];

    (void)state;
    assert_int_equal(tr_ca_public(ca, &ours), TROUPE_OK);
    assert_int_equal(tr_ca_public(other, &theirs), TROUPE_OK);
    for (size_t index = 0; index < 2; index++) { /* both trust both, as while rotating */
        uint8_t *both = malloc(ours.size + theirs.size);
        struct tr_tls_sources sources = certificate_sources(&own[index]);

        memcpy(both, ours.bytes, ours.size);
        memcpy(both + ours.size, theirs.bytes, theirs.size);
        sources.ca.pem = (struct tr_slice){both, ours.size + theirs.size};
        assert_int_equal(tr_tls_context_create(&sources, &contexts[index], error, sizeof(error)),
                         TROUPE_OK);
        free(both);
        certificate_fini(&own[index]);
    }
    pair = pair_of(contexts[0], contexts[1], "n2");
    shake(pair, WIRE_SIZE);
    assert_refused(&pair->dialer, &pair->listener, "for cluster shop");
    end_pair(pair);
    tr_pem_fini(&ours);
    tr_pem_fini(&theirs);
    tr_ca_destroy(other);
}

static void another_node_than_the_one_dialled_is_refused(void **state)
{
    struct pair *pair = pair_of(node("n1"), node("n3"), "n2");

    (void)state;
    shake(pair, WIRE_SIZE);
    assert_refused(&pair->dialer, &pair->listener, "that of node n3, not n2");
    end_pair(pair);
}

static void client_is_no_node_to_a_dialer(void **state)
{
    struct pair *pair = pair_of(node("n1"), certificates_context(ca, TR_TLS_CLIENT, "n2"), "n2");

    (void)state;
    shake(pair, WIRE_SIZE);
    assert_refused(&pair->dialer, &pair->listener, "purpose");
    end_pair(pair);
}

/* ---- what is not TLS ---- */

static void garbage_and_plaintext_are_refused(void **state)
{
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\0\0\0i\1\1\0\0TROUPE\r\n\0\1\0\1\1\0\0\0",
        "\377\377\377\377\377\377\377\377", "SSH-2.0-OpenSSH_9.2\r\n"};

    (void)state;
    for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
        struct pair *pair = good_pair();
        struct end *ends[] = {&pair->listener, &pair->dialer};
        const size_t size = index == 1 ? 24 : strlen(texts[index]);

        for (size_t end = 0; end < 2; end++) {
            give(ends[end], (const uint8_t *)texts[index], size);
            assert_int_equal(ends[end]->shaken, TROUPE_E_PROTOCOL);
            assert_string_not_equal(tr_tls_why(ends[end]->tls), "");
            give(ends[end], (const uint8_t *)texts[index], size); /* and nothing follows */
            assert_int_equal(tr_tls_shake(ends[end]->tls), TROUPE_E_CLOSED);
        }
        end_pair(pair);
    }
}

/* A conversation that is cut after any byte waits for more, and never opens too early. */
static void every_cut_waits_for_the_rest(void **state)
{
    struct pair *pair = good_pair();
    uint8_t hello[WIRE_SIZE];
    const size_t size = take(&pair->dialer, hello);

    (void)state;
    for (size_t cut = 0; cut < size; cut++) {
        struct end *listener = &pair->listener;

        give(listener, hello + cut, 1);
        assert_int_equal(listener->shaken, TROUPE_E_AGAIN);
    }
    assert_true(take(&pair->listener, hello) > 0);
    end_pair(pair);
}

/* One byte of the n-th flight is changed: one of the two refuses, and no byte gets through. */
static bool changed_byte_is_noticed(size_t at)
{
    struct pair *pair = good_pair();
    struct end *from = &pair->dialer;
    struct end *to = &pair->listener;
    uint8_t bytes[WIRE_SIZE];
    size_t before = 0;
    size_t size = take(from, bytes);
    bool changed = false;

    while (size > 0) {
        struct end *other = from;

        if (!changed && at < before + size) {
            /* The minor version of a record in the clear is to be ignored: RFC 8446 5.1. */
            at += at - before == 2 ? 1 : 0;
            bytes[at - before] ^= 0x20;
            changed = true;
        }
        before += size;
        give(to, bytes, size);
        from = to;
        to = other;
        size = take(from, bytes);
    }
    if (changed) {
        /* Open at both ends would mean that the change was not noticed. An alert may be what was
         * changed or what follows it; a dialer may be open when its certificate is refused. */
        assert_false(pair->dialer.shaken == TROUPE_OK && pair->listener.shaken == TROUPE_OK &&
                     pair->dialer.status == TROUPE_E_AGAIN &&
                     pair->listener.status == TROUPE_E_AGAIN);
        assert_int_equal(pair->dialer.size + pair->listener.size, 0);
    }
    end_pair(pair);
    return changed;
}

static void every_changed_byte_of_the_handshake_is_noticed(void **state)
{
    size_t at = 0;

    (void)state;
    while (changed_byte_is_noticed(at)) {
        at += 7;
    }
    assert_true(at > 1000); /* certificates have been among them */
}

static void changed_or_repeated_data_ends_it(void **state)
{
    (void)state;
    for (size_t at = 0; at < 100 + 22; at += 3) {
        struct pair *pair = good_pair();
        uint8_t wire[WIRE_SIZE] = {0};
        size_t size = 0;

        shake(pair, WIRE_SIZE);
        write_filled(&pair->dialer, 100, 'd');
        size = take(&pair->dialer, wire);
        if (at % 2 == 0) {
            give(&pair->listener, wire, size);
            pair->listener.size = 0; /* the second time is the wrong one */
        } else {
            wire[at] ^= 1;
        }
        give(&pair->listener, wire, size);
        /* A length that has grown waits for bytes that the next record does not have. */
        if (pair->listener.status == TROUPE_E_AGAIN) {
            write_filled(&pair->dialer, 1000, 'd');
            size = take(&pair->dialer, wire);
            give(&pair->listener, wire, size);
        }
        assert_true(pair->listener.status != TROUPE_OK && pair->listener.status != TROUPE_E_AGAIN);
        assert_int_equal(pair->listener.size, 0);
        end_pair(pair);
    }
}

/* ---- bounds ---- */

static void output_that_nobody_takes_is_bounded(void **state)
{
    struct pair *pair = good_pair();
    uint8_t *bytes = calloc(1, 1024 * 1024);
    const struct tr_slice slice = {bytes, 1024 * 1024};
    troupe_status status = TROUPE_OK;
    size_t count = 0;

    (void)state;
    shake(pair, WIRE_SIZE);
    while (status == TROUPE_OK && count < 10) {
        status = tr_tls_write(pair->dialer.tls, &slice, 1);
        count++;
    }
    assert_int_equal(status, TROUPE_E_LIMIT);
    assert_int_equal(count, 2);
    free(bytes);
    end_pair(pair);
}

static void chain_too_long_is_refused(void **state)
{
    struct certificate own = certificates_issue(ca, TR_TLS_NODE, "n1");
    struct tr_tls_sources sources = certificate_sources(&own);
    struct tr_tls_context *context = NULL;
    uint8_t *many = malloc(64 * 1024);
    size_t size = own.certificate.size;
    struct pair *pair = NULL;
    char error[256];

    (void)state;
    memcpy(many, own.certificate.bytes, size);
    while (size + own.ca.size < 60 * 1024) {
        memcpy(many + size, own.ca.bytes, own.ca.size);
        size += own.ca.size;
    }
    sources.certificate.pem = (struct tr_slice){many, size};
    assert_int_equal(tr_tls_context_create(&sources, &context, error, sizeof(error)), TROUPE_OK);
    pair = pair_of(context, node("n2"), "n2");
    shake(pair, WIRE_SIZE);
    assert_int_equal(pair->listener.shaken, TROUPE_E_PROTOCOL);
    assert_non_null(strstr(tr_tls_why(pair->listener.tls), "excessive"));
    end_pair(pair);
    free(many);
    certificate_fini(&own);
}

static int setup(void **state)
{
    (void)state;
    ca = certificates_ca("bank");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tr_ca_destroy(ca);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_learn_who_the_other_is),
        cmocka_unit_test(bytes_of_every_size_arrive_in_both_directions),
        cmocka_unit_test(byte_by_byte_is_as_good),
        cmocka_unit_test(small_slices_share_a_record),
        cmocka_unit_test(no_session_ticket_is_given),
        cmocka_unit_test(keys_are_changed_under_way),
        cmocka_unit_test(authority_that_is_not_trusted_is_refused_by_both),
        cmocka_unit_test(other_cluster_of_the_same_authority_is_refused),
        cmocka_unit_test(another_node_than_the_one_dialled_is_refused),
        cmocka_unit_test(client_is_no_node_to_a_dialer),
        cmocka_unit_test(garbage_and_plaintext_are_refused),
        cmocka_unit_test(every_cut_waits_for_the_rest),
        cmocka_unit_test(every_changed_byte_of_the_handshake_is_noticed),
        cmocka_unit_test(changed_or_repeated_data_ends_it),
        cmocka_unit_test(output_that_nobody_takes_is_bounded),
        cmocka_unit_test(chain_too_long_is_refused),
    };

    return cmocka_run_group_tests_name("wire/tls", tests, setup, teardown);
}
