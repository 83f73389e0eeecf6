/* What is tested: that wire/tls, wire/tls_context and wire/ca say so when there is no memory.
 * Method: the n-th allocation fails, of ours and of OpenSSL's together, for every n from 0 until
 * nothing fails any more; each run ends well or with a clean error, and the next one is unharmed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/crypto.h>

#include "support/certificates.h"
#include "support/failing_alloc.h"
#include "wire/tls.h"

static struct tr_ca *ca;
static struct certificate own[2];

static void *crypto_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return malloc(size);
}

static void *crypto_realloc(void *block, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return realloc(block, size);
}

static void crypto_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    free(block);
}

/* Carries what one has to say to the other; false when either has failed. */
static bool carry(struct tr_tls *from, struct tr_tls *to, troupe_status *status)
{
    const struct tr_slice output = tr_tls_output(from);
    uint8_t bytes[4096];
    size_t size = 0;

    tr_tls_input(to, output.bytes, output.size);
    *status = tr_tls_shake(to);
    while (*status == TROUPE_OK) {
        *status = tr_tls_read(to, bytes, sizeof(bytes), &size);
    }
    tr_tls_output_done(from);
    return *status == TROUPE_E_AGAIN;
}

static troupe_status converse(struct tr_tls *dialer, struct tr_tls *listener)
{
    static const uint8_t hello[100] = "hello";
    const struct tr_slice slice = {hello, sizeof(hello)};
    uint8_t binding[TR_BINDING_SIZE];
    troupe_status status = tr_tls_shake(dialer);

    if (status != TROUPE_E_AGAIN || !carry(dialer, listener, &status) ||
        !carry(listener, dialer, &status) || !carry(dialer, listener, &status)) {
        return status;
    }
    status = tr_tls_binding(dialer, binding);
    if (status == TROUPE_OK) {
        status = tr_tls_write(dialer, &slice, 1);
    }
    if (status == TROUPE_OK && carry(dialer, listener, &status)) {
        status = TROUPE_OK;
    }
    return status;
}

/* A context, two ends, a handshake and a message. */
static troupe_status whole(void)
{
    struct tr_tls_context *contexts[2] = {NULL, NULL};
    struct tr_tls *ends[2] = {NULL, NULL};
    char error[200];
    troupe_status status = TROUPE_OK;

    for (size_t index = 0; status == TROUPE_OK && index < 2; index++) {
        const struct tr_tls_sources sources = certificate_sources(&own[index]);
        const struct tr_tls_options options = {.dialer = index == 0};

        status = tr_tls_context_create(&sources, &contexts[index], error, sizeof(error));
        if (status == TROUPE_OK) {
            status = tr_tls_create(contexts[index], &options, &ends[index]);
        }
    }
    if (status == TROUPE_OK) {
        status = converse(ends[0], ends[1]);
    }
    for (size_t index = 0; index < 2; index++) {
        tr_tls_destroy(ends[index]);
        tr_tls_context_destroy(contexts[index]);
    }
    return status;
}

static troupe_status issue(void)
{
    const struct tr_validity validity = {0, 1};
    const struct tr_tls_name name = {.role = TR_TLS_NODE, .name = "n1"};
    struct tr_pem certificate = {0};
    struct tr_pem key = {0};
    struct tr_ca *made = NULL;
    troupe_status status = tr_ca_create("bank", &validity, &made);

    if (status == TROUPE_OK) {
        status = tr_ca_issue(made, &name, &validity, &certificate, &key);
    }
    tr_pem_fini(&certificate);
    tr_pem_fini(&key);
    tr_ca_destroy(made);
    return status;
}

static void fails_cleanly(troupe_status (*scenario)(void), long step_divisor)
{
    bool failed = true;
    long failures = 0;

    for (long n = 0; failed; n += 1 + n / step_divisor) {
        troupe_status status = TROUPE_OK;

        fail_at(n);
        status = scenario();
        failed = was_failed();
        failures += status != TROUPE_OK ? 1 : 0;
        /* OpenSSL can do without some of it, and calls some of it an error of its own; nobody is
         * ever let in for it: the scenario is the good one. */
        assert_true(failed || status == TROUPE_OK);
    }
    assert_true(failures > 10);
    assert_int_equal(scenario(), TROUPE_OK);
}

static void connection_without_memory_ends_cleanly(void **state)
{
    (void)state;
    fails_cleanly(whole, 12);
}

static void authority_without_memory_makes_nothing(void **state)
{
    (void)state;
    fails_cleanly(issue, 40);
}

static int setup(void **state)
{
    (void)state;
    ca = certificates_ca("bank");
    own[0] = certificates_issue(ca, TR_TLS_NODE, "n1");
    own[1] = certificates_issue(ca, TR_TLS_NODE, "n2");
    assert_int_equal(whole(), TROUPE_OK); /* what OpenSSL makes once and keeps is there now */
    assert_int_equal(issue(), TROUPE_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    certificate_fini(&own[0]);
    certificate_fini(&own[1]);
    tr_ca_destroy(ca);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_without_memory_ends_cleanly),
        cmocka_unit_test(authority_without_memory_makes_nothing),
    };

    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1) {
        return 1;
    }
    return cmocka_run_group_tests_name("wire/tls without memory", tests, setup, teardown);
}
