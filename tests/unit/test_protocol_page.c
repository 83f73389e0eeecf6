/* What is tested: docs/protocol.md says of the states of handshakes and sessions what the code
 * does. Method: every move of the two tables is looked up as a line of the page, and the lines are
 * counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/handshake_state.h"
#include "wire/session_state.h"

static char *read_document(void)
{
    FILE *file = fopen(TROUPE_SOURCE_DIR "/docs/protocol.md", "r");
    char *text = calloc(1, 100000);
    size_t size = 0;

    assert_non_null(file);
    size = fread(text, 1, 99999, file);
    assert_true(size > 0 && size < 99999);
    (void)fclose(file);
    return text;
}

/* One line of a table: "| up | break | broken |". */
static void assert_documented(const char *document, const char *from, const char *event,
                              const char *to)
{
    char line[100];

    (void)snprintf(line, sizeof(line), "| %s | %s | %s |", from, event, to);
    if (strstr(document, line) == NULL) {
        fail_msg("docs/protocol.md lacks: %s", line);
    }
}

static size_t count_of(const char *document, const char *title)
{
    const char *at = strstr(document, title);
    const char *stop = NULL;
    size_t count = 0;

    assert_non_null(at);
    stop = strstr(at + 1, "\n## ");
    for (at = strstr(at, "\n| "); at != NULL && (stop == NULL || at < stop);
         at = strstr(at + 1, "\n| ")) {
        count++;
    }
    return count - 1; /* the head of the table */
}

static void tables_of_the_document_are_those_of_the_code(void **state)
{
    char *document = read_document();
    size_t handshake_moves = 0;
    size_t session_moves = 0;

    (void)state;
    for (int from = 0; from < (int)TR_HANDSHAKE_STATE_COUNT; from++) {
        for (int event = 0; event < (int)TR_HANDSHAKE_EVENT_COUNT; event++) {
            const int to =
                tr_handshake_target((enum tr_handshake_state)from, (enum tr_handshake_event)event);

            if (to >= 0) {
                assert_documented(document, tr_handshake_state_text((enum tr_handshake_state)from),
                                  tr_handshake_event_text((enum tr_handshake_event)event),
                                  tr_handshake_state_text((enum tr_handshake_state)to));
                handshake_moves++;
            }
        }
    }
    for (int from = 0; from < (int)TR_SESSION_STATE_COUNT; from++) {
        for (int event = 0; event < (int)TR_SESSION_EVENT_COUNT; event++) {
            const int to =
                tr_session_target((enum tr_session_state)from, (enum tr_session_event)event);

            if (to >= 0) {
                assert_documented(document, tr_session_state_text((enum tr_session_state)from),
                                  tr_session_event_text((enum tr_session_event)event),
                                  tr_session_state_text((enum tr_session_state)to));
                session_moves++;
            }
        }
    }
    assert_int_equal(count_of(document, "## Handshake states"), handshake_moves);
    assert_int_equal(count_of(document, "## Session states"), session_moves);
    free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_of_the_document_are_those_of_the_code),
    };

    return cmocka_run_group_tests_name("wire/protocol_page", tests, NULL, NULL);
}
