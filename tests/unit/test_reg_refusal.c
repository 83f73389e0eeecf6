/* What is tested: why a server refused a connection, read from libpq's words in any language. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pg/refusal.h"

static const struct {
    const char *words;
    const char *sqlstate;
    const char *text;
} cases[] = {
    {"connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01: password "
     "authentication failed for user \"u\"\nLOCATION:  auth_failed, auth.c:339\n",
     "28P01",
     "connection to server at \"127.0.0.1\", port 5432 failed: FATAL: password authentication "
     "failed for user \"u\""},
    {"connection to server on socket \"/s\" failed: FATAL:  3D000: Datenbank \xc2\xbbx\xc2\xab "
     "existiert nicht\nLOCATION:  InitPostgres, postinit.c:935\n",
     "3D000",
     "connection to server on socket \"/s\" failed: FATAL: Datenbank \xc2\xbbx\xc2\xab existiert "
     "nicht"},
    /* Of several servers the last one that answered counts. */
    {"connection to server at \"a\" failed: FATAL:  57P03: the database system is starting up\n"
     "LOCATION:  x, y.c:1\nconnection to server at \"b\" failed: FATAL:  28000: no entry\n",
     "28000",
     "connection to server at \"a\" failed: FATAL: 57P03: the database system is starting up "
     "LOCATION: x, y.c:1 connection to server at \"b\" failed: FATAL: no entry"},
    {"connection to server at \"h\" failed: Connection refused\n\tIs the server running?\n", "",
     "connection to server at \"h\" failed: Connection refused Is the server running?"},
    {"FATAL:  bad: words", "", "FATAL: bad: words"},
    {"FATAL:  28P0", "", "FATAL: 28P0"},
    {"", "", ""},
};

static void the_code_is_found_in_the_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reg_refusal refusal;

        reg_refusal_parse(cases[i].words, &refusal);
        assert_string_equal(refusal.sqlstate, cases[i].sqlstate);
        assert_string_equal(refusal.text, cases[i].text);
    }
}

static void words_of_any_length_are_cut(void **state)
{
    char words[5000] = "FATAL:  28P01: ";
    struct reg_refusal refusal;
    const size_t size = strlen(words);

    (void)state;
    memset(words + size, 'x', sizeof(words) - size - 1);
    words[sizeof(words) - 1] = '\0';
    reg_refusal_parse(words, &refusal);
    assert_string_equal(refusal.sqlstate, "28P01");
    assert_true(strlen(refusal.text) < sizeof(refusal.text));
}

static void only_what_stays_wrong_is_for_good(void **state)
{
    (void)state;
    assert_int_equal(reg_refusal_status("28P01"), TROUPE_E_AUTH);
    assert_int_equal(reg_refusal_status("28000"), TROUPE_E_AUTH);
    assert_int_equal(reg_refusal_status("42501"), TROUPE_E_AUTH);
    assert_int_equal(reg_refusal_status("3D000"), TROUPE_E_NOT_FOUND);
    assert_int_equal(reg_refusal_status("57P03"), TROUPE_E_REGISTRY);
    assert_int_equal(reg_refusal_status("53300"), TROUPE_E_REGISTRY);
    assert_int_equal(reg_refusal_status(""), TROUPE_E_REGISTRY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_code_is_found_in_the_words),
        cmocka_unit_test(words_of_any_length_are_cut),
        cmocka_unit_test(only_what_stays_wrong_is_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
