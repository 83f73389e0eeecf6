/* fuzz_text - any text as a pid, a name, the name of a node or in a certificate, a rule of
 * placement, roles and metadata of a node, a time, an address. What is taken and can be printed
 * gives the same when it is read again. */
#include <string.h>

#include "base/host.h"
#include "daemon/units.h"
#include "dist/placement.h"
#include "fuzz/fuzz.h"
#include "node/members.h"
#include "sched/sched.h"
#include "troupe/pid.h"
#include "wire/hello.h"
#include "wire/tls_name.h"

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
        FUZZ_CHECK(tr_host_unix_path(host) == NULL || tr_address_is_good(host, port));
    }
    (void)unit_bool(text, &truth);
}

static void check_certificate(const char *text, size_t size)
{
    struct tr_tls_name name;
    struct tr_tls_name again;
    char uri[TR_TLS_URI_SIZE];

    memset(&name, 0, sizeof(name));
    memset(&again, 0, sizeof(again));
    if (tr_tls_name_parse(text, size, &name)) {
        tr_tls_name_print(&name, uri);
        FUZZ_CHECK(strlen(uri) == size && memcmp(uri, text, size) == 0);
        FUZZ_CHECK(tr_tls_name_parse(uri, size, &again) &&
                   memcmp(&name, &again, sizeof(name)) == 0);
    }
}

static void check_placement(const char *text)
{
    struct tr_placement placement = {0};
    char error[256] = "";

    if (tr_placement_read(text, &placement, error, sizeof(error)) == TROUPE_OK) {
        FUZZ_CHECK(placement.kind <= TR_PLACE_HASH);
        FUZZ_CHECK((placement.kind == TR_PLACE_NODE) == (placement.node[0] != '\0'));
    } else {
        FUZZ_CHECK(error[0] != '\0');
    }
}

static void check_list(const char *(*read)(const char *text, char *out, size_t size),
                       const char *text)
{
    char first[256] = "";
    char second[256] = "";

    if (read(text, first, sizeof(first)) == NULL) {
        FUZZ_CHECK(strlen(first) <= strlen(text));
        FUZZ_CHECK(read(first, second, sizeof(second)) == NULL && strcmp(first, second) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = fuzz_text(bytes, size);

    check_pid(text);
    check_names(text);
    check_units(text);
    check_certificate(text, size);
    check_placement(text);
    check_list(tr_roles_read, text);
    check_list(tr_metadata_read, text);
    free(text);
    return 0;
}
