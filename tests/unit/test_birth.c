/* What is tested: the options of a durable actor's spawn go into its row and come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "node/birth.h"
#include "troupe/mailbox.h"
#include "troupe/type.h"

static void what_is_printed_is_read_again(void **state)
{
    (void)state;
    for (uint32_t policy = 0; policy <= TROUPE_MAILBOX_DROP_NEW; policy++) {
        const struct tr_spawn_request request = {.flags = TROUPE_SPAWN_NOSUSPEND |
                                                          policy << TR_SPAWN_POLICY_SHIFT,
                                                 .checkpoint_ms = UINT32_MAX,
                                                 .mailbox_messages = TR_MAILBOX_MESSAGES_MAX,
                                                 .mailbox_bytes = UINT64_MAX};
        struct tr_spawn_request again = {.flags = TROUPE_SPAWN_STRICT};
        char error[256] = "";
        char *json = NULL;

        assert_int_equal(tr_birth_print(&request, &json), TROUPE_OK);
        assert_non_null(json);
        assert_int_equal(tr_birth_read(json, &again, error, sizeof(error)), TROUPE_OK);
        assert_int_equal(again.flags, request.flags | TROUPE_SPAWN_STRICT);
        assert_int_equal(again.checkpoint_ms, UINT32_MAX);
        assert_int_equal(again.mailbox_messages, TR_MAILBOX_MESSAGES_MAX);
        assert_true(again.mailbox_bytes == UINT64_MAX);
        troupe_json_free(json);
    }
}

static void a_plain_actor_has_none(void **state)
{
    const struct tr_spawn_request request = {.flags = TROUPE_SPAWN_DURABLE | TROUPE_SPAWN_LINK,
                                             .checkpoint = TROUPE_CHECKPOINT_EVERY};
    struct tr_spawn_request again = {0};
    char text[] = "not given";
    char *json = text;

    (void)state;
    assert_int_equal(tr_birth_print(&request, &json), TROUPE_OK);
    assert_null(json);
    assert_int_equal(tr_birth_read(NULL, &again, NULL, 0), TROUPE_OK);
    assert_int_equal(again.flags, 0);
}

static troupe_status read_text(const char *json, struct tr_spawn_request *request)
{
    char error[256] = "";
    const troupe_status status = tr_birth_read(json, request, error, sizeof(error));

    assert_int_equal(error[0] == '\0', status == TROUPE_OK);
    return status;
}

static void keys_may_be_missing_or_of_a_later_version(void **state)
{
    struct tr_spawn_request request = {0};

    (void)state;
    assert_int_equal(read_text("{}", &request), TROUPE_OK);
    assert_int_equal(request.flags, 0);
    assert_int_equal(read_text("{\"mailbox_bytes\": 5, \"later\": [1]}", &request), TROUPE_OK);
    assert_int_equal(request.mailbox_bytes, 5);
}

static void what_no_spawn_would_take_is_refused(void **state)
{
    struct tr_spawn_request request = {.mailbox_messages = 7};

    (void)state;
    assert_int_equal(read_text("{\"mailbox_policy\": \"some\"}", &request), TROUPE_E_INVALID);
    assert_int_equal(read_text("{\"mailbox_messages\": 1000001}", &request), TROUPE_E_INVALID);
    assert_int_not_equal(read_text("{\"nosuspend\": 3}", &request), TROUPE_OK);
    assert_int_not_equal(read_text("[]", &request), TROUPE_OK);
    assert_int_equal(request.mailbox_messages, 7);
    assert_int_equal(request.flags, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_read_again),
        cmocka_unit_test(a_plain_actor_has_none),
        cmocka_unit_test(keys_may_be_missing_or_of_a_later_version),
        cmocka_unit_test(what_no_spawn_would_take_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
