/* What is tested: wire/tls_name, wire/ca and wire/tls_context: names in certificates, what the
 * authority makes, and what is said of files that are wrong.
 * Method: texts and files that are wrong in one way each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "support/certificates.h"

enum { HOUR = 3600, DAY = 24 * HOUR };

static struct tr_ca *ca;

/* ---- names ---- */

static void names_are_read_as_they_are_written(void **state)
{
    static const struct tr_tls_name names[] = {{TR_TLS_NODE, "bank", "n1"},
                                               {TR_TLS_CLIENT, "b.a-n_k", "admin"},
                                               {TR_TLS_NODE, "node", "client"}};

    (void)state;
    for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
        char uri[TR_TLS_URI_SIZE];
        struct tr_tls_name read;

        tr_tls_name_print(&names[index], uri);
        assert_true(tr_tls_name_parse(uri, strlen(uri), &read));
        assert_int_equal(read.role, names[index].role);
        assert_string_equal(read.cluster, names[index].cluster);
        assert_string_equal(read.name, names[index].name);
    }
}

static void longest_names_fit(void **state)
{
    struct tr_tls_name name = {.role = TR_TLS_CLIENT};
    struct tr_tls_name read;
    char uri[TR_TLS_URI_SIZE];

    (void)state;
    memset(name.cluster, 'c', TR_NODE_NAME_SIZE_MAX);
    memset(name.name, 'n', TR_NODE_NAME_SIZE_MAX);
    tr_tls_name_print(&name, uri);
    assert_true(tr_tls_name_parse(uri, strlen(uri), &read));
    assert_memory_equal(&read, &name, sizeof(name));
}

static void other_texts_are_no_names(void **state)
{
    static const char *const texts[] = {
        "", "troupe:", "troupe://", "troupe://bank", "troupe://bank/node", "troupe://bank/node/",
        "troupe:///node/n1", "troupe://bank//n1", "troupe://bank/nodes/n1", "Troupe://bank/node/n1",
        "troupe://bank/node/n1/", "troupe://bank/node/n1/n2", "troupe://bank/node/n%31",
        "troupe://bank/node/n 1", "troupe://bank/node/n1\n", "http://bank/node/n1",
        " troupe://bank/node/n1", "troupe://bank:1/node/n1", "troupe://bank/node/\303\251",
        /* 64 letters */
        "troupe://bank/node/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct tr_tls_name name = {.name = "kept"};

    (void)state;
    for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
        if (tr_tls_name_parse(texts[index], strlen(texts[index]), &name)) {
            fail_msg("\"%s\" is taken for a name", texts[index]);
        }
    }
    assert_false(tr_tls_name_parse("troupe://bank/node/n1\0.evil", 27, &name));
    assert_string_equal(name.name, "kept");
    assert_false(tr_tls_name_is_valid(""));
    assert_false(tr_tls_name_is_valid("a/b"));
    assert_true(tr_tls_name_is_valid("A-z_0.9"));
}

/* ---- the authority ---- */

static void authority_is_read_as_it_is_written(void **state)
{
    struct tr_pem pem = {0};
    struct tr_pem one = {0};
    struct tr_pem two = {0};
    struct tr_ca *again = NULL;
    const int64_t now = (int64_t)time(NULL);

    (void)state;
    assert_int_equal(tr_ca_private(ca, &pem), TROUPE_OK);
    assert_int_equal(tr_ca_read((struct tr_slice){pem.bytes, pem.size}, &again), TROUPE_OK);
    assert_string_equal(tr_ca_cluster(again), "bank");
    assert_true(tr_ca_expires(again) > now + DAY - HOUR && tr_ca_expires(again) <= now + DAY);
    assert_int_equal(tr_ca_public(ca, &one), TROUPE_OK);
    assert_int_equal(tr_ca_public(again, &two), TROUPE_OK);
    assert_int_equal(one.size, two.size);
    assert_memory_equal(one.bytes, two.bytes, one.size);
    tr_ca_destroy(again);
    tr_pem_fini(&pem);
    tr_pem_fini(&one);
    tr_pem_fini(&two);
}

static void what_is_no_authority_is_refused(void **state)
{
    struct certificate leaf = certificates_issue(ca, TR_TLS_NODE, "n1");
    struct tr_ca *other = certificates_ca("bank");
    struct tr_pem key = {0};
    struct tr_pem pem = {0};
    struct tr_ca *read = NULL;
    uint8_t *mixed = NULL;

    (void)state;
    assert_int_equal(tr_ca_read((struct tr_slice){(const uint8_t *)"", 0}, &read),
                     TROUPE_E_INVALID);
    assert_int_equal(tr_ca_public(ca, &pem), TROUPE_OK); /* without its key */
    assert_int_equal(tr_ca_read((struct tr_slice){pem.bytes, pem.size}, &read), TROUPE_E_INVALID);
    /* A certificate that is none of an authority, and a key that is another's. */
    mixed = malloc(leaf.key.size + leaf.certificate.size + pem.size);
    memcpy(mixed, leaf.key.bytes, leaf.key.size);
    memcpy(mixed + leaf.key.size, leaf.certificate.bytes, leaf.certificate.size);
    assert_int_equal(
        tr_ca_read((struct tr_slice){mixed, leaf.key.size + leaf.certificate.size}, &read),
        TROUPE_E_INVALID);
    memcpy(mixed + leaf.key.size, pem.bytes, pem.size);
    assert_int_equal(tr_ca_read((struct tr_slice){mixed, leaf.key.size + pem.size}, &read),
                     TROUPE_E_INVALID);
    assert_null(read);
    free(mixed);
    tr_pem_fini(&pem);
    tr_pem_fini(&key);
    tr_ca_destroy(other);
    certificate_fini(&leaf);
}

static void names_that_cannot_be_are_not_certified(void **state)
{
    const struct tr_validity validity = {0, 1};
    const struct tr_tls_name name = {.role = TR_TLS_NODE, .name = "a/b"};
    struct tr_pem certificate = {0};
    struct tr_pem key = {0};
    struct tr_ca *made = NULL;

    (void)state;
    assert_int_equal(tr_ca_create("a b", &validity, &made), TROUPE_E_INVALID);
    assert_int_equal(tr_ca_issue(ca, &name, &validity, &certificate, &key), TROUPE_E_INVALID);
    assert_null(made);
    assert_null(key.bytes);
}

/* ---- contexts ---- */

static void refused(const struct tr_tls_sources *sources, const char *words)
{
    struct tr_tls_context *context = NULL;
    char error[400] = "";

    assert_int_equal(tr_tls_context_create(sources, &context, error, sizeof(error)),
                     TROUPE_E_INVALID);
    assert_null(context);
    if (strstr(error, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error, words);
    }
}

static void certificate_knows_its_name_and_its_end(void **state)
{
    struct tr_tls_context *context = certificates_context(ca, TR_TLS_CLIENT, "admin");
    struct tr_tls_context *copy = NULL;
    const int64_t now = (int64_t)time(NULL);

    (void)state;
    assert_int_equal(tr_tls_context_copy(context, &copy), TROUPE_OK);
    tr_tls_context_destroy(context);
    assert_int_equal(tr_tls_context_name(copy)->role, TR_TLS_CLIENT);
    assert_string_equal(tr_tls_context_name(copy)->cluster, "bank");
    assert_string_equal(tr_tls_context_name(copy)->name, "admin");
    assert_true(tr_tls_context_expires(copy) > now && tr_tls_context_expires(copy) <= now + HOUR);
    tr_tls_context_destroy(copy);
    tr_tls_context_destroy(NULL);
}

static void what_does_not_fit_together_is_refused_by_name(void **state)
{
    struct certificate own = certificates_issue(ca, TR_TLS_NODE, "n1");
    struct certificate other = certificates_issue(ca, TR_TLS_NODE, "n2");
    const struct tr_tls_sources good = certificate_sources(&own);
    const struct tr_slice nothing = {(const uint8_t *)"nothing\n", 8};
    struct tr_tls_sources sources = good;

    (void)state;
    sources.certificate.pem = nothing;
    refused(&sources, "own.pem: there is no certificate in it");
    sources = good;
    sources.ca.pem = nothing;
    refused(&sources, "ca.pem: there is no certificate in it");
    sources = good;
    sources.ca.pem.size -= 60; /* cut off in the middle */
    refused(&sources, "ca.pem: certificate 1");
    sources = good;
    sources.key.pem = nothing;
    refused(&sources, "own.key: there is no private key in it");
    sources.key.pem = (struct tr_slice){other.key.bytes, other.key.size};
    refused(&sources, "own.key: it is not the key of the certificate in own.pem");
    sources = good;
    sources.certificate.pem = good.ca.pem;
    refused(&sources, "own.key: it is not the key");
    certificate_fini(&own);
    certificate_fini(&other);
}

static void what_others_would_refuse_is_refused_here(void **state)
{
    struct tr_ca *other = certificates_ca("bank");
    struct certificate certificates[] = {
        certificates_issue_at(ca, ca, TR_TLS_NODE, "n1", -2 * HOUR, -HOUR),
        certificates_issue_at(ca, ca, TR_TLS_NODE, "n1", HOUR, 2 * HOUR),
        certificates_issue_at(ca, other, TR_TLS_NODE, "n1", -HOUR, HOUR)};
    static const char *const words[] = {"certificate has expired", "certificate is not yet valid",
                                        "unable to get local issuer certificate"};
    const struct tr_validity validity = {(int64_t)time(NULL) - HOUR, (int64_t)time(NULL) + HOUR};
    struct tr_ca *nobody = NULL;

    (void)state;
    for (size_t index = 0; index < 3; index++) {
        const struct tr_tls_sources sources = certificate_sources(&certificates[index]);

        refused(&sources, words[index]);
        certificate_fini(&certificates[index]);
    }
    /* An authority's own certificate names nobody. */
    assert_int_equal(tr_ca_create("shop", &validity, &nobody), TROUPE_OK);
    {
        struct tr_pem both = {0};
        struct tr_tls_sources sources;

        assert_int_equal(tr_ca_private(nobody, &both), TROUPE_OK);
        sources = (struct tr_tls_sources){{"own.pem", {both.bytes, both.size}},
                                          {"own.key", {both.bytes, both.size}},
                                          {"ca.pem", {both.bytes, both.size}}};
        refused(&sources, "no subject alternative name");
        tr_pem_fini(&both);
    }
    tr_ca_destroy(nobody);
    tr_ca_destroy(other);
}

/* ---- files ---- */

static char folder[] = "/tmp/troupe-tls-test.XXXXXX";
static char paths[3][64];

static void put(size_t index, const void *bytes, size_t size, mode_t mode)
{
    FILE *file = NULL;

    (void)unlink(paths[index]);
    file = fopen(paths[index], "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(paths[index], mode), 0);
}

static troupe_status load(char *error, size_t error_size)
{
    const struct tr_tls_files files = {paths[0], paths[1], paths[2]};
    struct tr_tls_context *context = NULL;
    const troupe_status status = tr_tls_context_load(&files, &context, error, error_size);

    tr_tls_context_destroy(context);
    return status;
}

static void files_are_looked_at_before_they_are_trusted(void **state)
{
    struct certificate own = certificates_issue(ca, TR_TLS_NODE, "n1");
    uint8_t *large = calloc(1, TR_TLS_FILE_SIZE_MAX + 1);
    static const mode_t open_to_others[] = {0604, 0602, 0620, 0666};
    char error[200];

    (void)state;
    put(0, own.certificate.bytes, own.certificate.size, 0644);
    put(1, own.key.bytes, own.key.size, 0600);
    put(2, own.ca.bytes, own.ca.size, 0644);
    assert_int_equal(load(error, sizeof(error)), TROUPE_OK);
    for (size_t index = 0; index < sizeof(open_to_others) / sizeof(open_to_others[0]); index++) {
        assert_int_equal(chmod(paths[1], open_to_others[index]), 0);
        assert_int_equal(load(error, sizeof(error)), TROUPE_E_INVALID);
        assert_non_null(strstr(error, "own.key: other users"));
    }
    assert_int_equal(chmod(paths[1], 0440), 0); /* as a volume of secrets has it */
    assert_int_equal(load(error, sizeof(error)), TROUPE_OK);
    put(2, large, TR_TLS_FILE_SIZE_MAX + 1, 0644);
    assert_int_equal(load(error, sizeof(error)), TROUPE_E_INVALID);
    assert_non_null(strstr(error, "ca.pem: it has more than 64 KiB"));
    (void)unlink(paths[2]);
    assert_int_equal(load(error, sizeof(error)), TROUPE_E_INVALID);
    assert_non_null(strstr(error, "ca.pem: No such file"));
    assert_int_equal(mkdir(paths[2], 0700), 0);
    assert_int_equal(load(error, sizeof(error)), TROUPE_E_INVALID);
    assert_non_null(strstr(error, "ca.pem: it is not a regular file"));
    (void)rmdir(paths[2]);
    free(large);
    certificate_fini(&own);
}

static int setup(void **state)
{
    static const char *const names[] = {"own.pem", "own.key", "ca.pem"};

    (void)state;
    ca = certificates_ca("bank");
    assert_non_null(mkdtemp(folder));
    for (size_t index = 0; index < 3; index++) {
        (void)snprintf(paths[index], sizeof(paths[index]), "%.40s/%.16s", folder, names[index]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t index = 0; index < 3; index++) {
        (void)unlink(paths[index]);
    }
    (void)rmdir(folder);
    tr_ca_destroy(ca);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_as_they_are_written),
        cmocka_unit_test(longest_names_fit),
        cmocka_unit_test(other_texts_are_no_names),
        cmocka_unit_test(authority_is_read_as_it_is_written),
        cmocka_unit_test(what_is_no_authority_is_refused),
        cmocka_unit_test(names_that_cannot_be_are_not_certified),
        cmocka_unit_test(certificate_knows_its_name_and_its_end),
        cmocka_unit_test(what_does_not_fit_together_is_refused_by_name),
        cmocka_unit_test(what_others_would_refuse_is_refused_here),
        cmocka_unit_test(files_are_looked_at_before_they_are_trusted),
    };

    return cmocka_run_group_tests_name("wire/tls_context", tests, setup, teardown);
}
