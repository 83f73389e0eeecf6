/* fuzz_text - any text as a pid, a name, the name of a node, a time, an address. What is taken as a
 * pid prints as a text that gives the same pid. */
#include <string.h>

#include "daemon/units.h"
#include "fuzz/fuzz.h"
#include "sched/sched.h"
#include "troupe/pid.h"
#include "wire/hello.h"

static void check_pid(const char *text)
{
    char printed[TROUPE_PID_TEXT_SIZE];
    troupe_pid pid = {0};
    troupe_pid again = {0};

    if (troupe_pid_parse(text, &pid) == TROUPE_OK) {
        (void)troupe_pid_print(pid, printed);
        FUZZ_CHECK(troupe_pid_parse(printed, &again) == TROUPE_OK);
        FUZZ_CHECK(troupe_pid_equal(pid, again));
    }
}

static void check_names(const char *text)
{
    if (tr_name_is_valid(text)) {
        FUZZ_CHECK(strlen(text) >= 1 && strlen(text) <= 255 && strpbrk(text, "\n\r\t\x1b") == NULL);
    }
    if (tr_hello_name_is_valid(text)) {
        FUZZ_CHECK(strlen(text) >= 1 && strchr(text, ' ') == NULL && tr_name_is_valid(text));
    }
}

static void check_units(const char *text)
{
    char host[256];
    uint32_t number = 0;
    uint16_t port = 0;
    bool truth = false;

    if (unit_milliseconds(text, &number)) {
        FUZZ_CHECK(text[0] >= '0' && text[0] <= '9');
    }
    if (unit_count(text, 1000, &number)) {
        FUZZ_CHECK(number <= 1000);
    }
    if (unit_address(text, host, sizeof(host), &port)) {
        FUZZ_CHECK(strlen(host) < sizeof(host) && strlen(host) <= strlen(text));
    }
    (void)unit_bool(text, &truth);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = fuzz_text(bytes, size);

    check_pid(text);
    check_names(text);
    check_units(text);
    free(text);
    return 0;
}
