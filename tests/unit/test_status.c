/* What is tested: troupe/status.h, the words and the name of each status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "troupe/status.h"

static const troupe_status all[] = {
#define STATUS_VALUE(name, value, text) name,
    TROUPE_STATUS_MAP(STATUS_VALUE)
#undef STATUS_VALUE
};

static void every_status_has_words_and_a_name_of_its_own(void **state)
{
    const size_t count = sizeof(all) / sizeof(all[0]);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_true(troupe_status_text(all[i])[0] != '\0');
        assert_memory_equal(troupe_status_name(all[i]), "TROUPE_", 7);
        for (size_t other = 0; other < i; other++) {
            assert_true(all[i] != all[other]);
            assert_string_not_equal(troupe_status_name(all[i]), troupe_status_name(all[other]));
        }
    }
    assert_string_equal(troupe_status_name(TROUPE_OK), "TROUPE_OK");
    assert_string_equal(troupe_status_name(TROUPE_E_TIMEOUT), "TROUPE_E_TIMEOUT");
}

static void a_number_of_another_version_is_no_crash(void **state)
{
    const int32_t later = -4711;
    troupe_status status = TROUPE_OK;

    (void)state;
    memcpy(&status, &later, sizeof(status));
    assert_string_equal(troupe_status_text(status), "unknown status");
    assert_string_equal(troupe_status_name(status), "TROUPE_E_?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_words_and_a_name_of_its_own),
        cmocka_unit_test(a_number_of_another_version_is_no_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
