/* What is tested: that a whole local node answers clearly and leaks nothing when there is no
 * memory: each allocation of a scenario fails once, from the start of the node to its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/failing_alloc.h"
#include "troupe/troupe.h"

typedef struct word {
    const char *text;
} word;
TROUPE_TYPE(word, "test.word", TROUPE_FIELD(word, text, 1));

static int on_word(troupe_self *self, void *state, const void *message)
{
    const int status =
        troupe_set_string(self, &((word *)state)->text, ((const word *)message)->text);

    return status != TROUPE_OK ? status : troupe_reply(self, &word_type, state);
}

static const troupe_handler handlers[] = {{&word_type, on_word}, {0}};
static const troupe_behavior behavior = {
    .name = "test.parrot", .state = &word_type, .args = &word_type, .handlers = handlers};

/* Starts children in its init: all of them or none. */
static int nest_init(troupe_self *self, void *state, const void *args)
{
    const troupe_child children[] = {
        {.id = "a", .behavior = &behavior, .args = &(word){.text = "a"}, .name = "a"},
        {.id = "b", .behavior = &behavior},
    };
    const troupe_supervisor tree = {.children = children, .children_count = 2};
    troupe_pid pid = {0};

    (void)state;
    (void)args;
    return troupe_spawn_supervisor(self, &tree, NULL, &pid);
}

static const troupe_behavior nest_behavior = {.name = "test.nest", .init = nest_init};

static bool is_expected(troupe_status status)
{
    return status == TROUPE_OK || status == TROUPE_E_NO_MEMORY || status == TROUPE_E_LIMIT ||
           status == TROUPE_E_TIMEOUT || status == TROUPE_E_NOPROC || status == TROUPE_E_EXITED ||
           status == TROUPE_E_NO_REPLY || status == TROUPE_E_NOT_FOUND || status == TROUPE_E_CLOSED;
}

static void live(troupe_node *node)
{
    const troupe_spawn_options options = {.name = "polly"};
    troupe_result result = {0};
    troupe_pid polly = {0};
    troupe_pid nest = {0};
    char *reply = NULL;
    int32_t kind = 0;

    assert_true(is_expected(troupe_node_add_behavior(node, &behavior, NULL, 0)));
    if (troupe_node_spawn(node, &behavior, NULL, &options, &polly) == TROUPE_OK) {
        assert_true(is_expected(
            troupe_node_call_name(node, "polly", &word_type, &(word){.text = "hi"}, 20, &result)));
        troupe_result_clear(&result);
        assert_true(is_expected(troupe_node_whereis(node, "polly", 20, &polly)));
    }
    if (troupe_node_spawn(node, &nest_behavior, NULL, NULL, &nest) == TROUPE_OK) {
        assert_true(is_expected(troupe_node_send(node, polly, &word_type, &(word){.text = "x"})));
        assert_true(is_expected(troupe_node_exit(node, nest, TROUPE_REASON_SHUTDOWN, NULL)));
        assert_true(is_expected(troupe_node_join(node, nest, 20, &kind)));
    }
    if (troupe_node_admin(node, "{\"op\":\"actors\",\"timeout_ms\":20}", 20, &reply) == TROUPE_OK) {
        troupe_json_free(reply);
    }
}

static bool play(long n)
{
    troupe_config config;
    troupe_node *node = NULL;

    troupe_config_init(&config);
    config.workers = 2;
    config.call_timeout_ms = 20;
    fail_at(n);
    const troupe_status status = troupe_node_start(&config, &node, NULL, 0);

    assert_true(is_expected(status));
    if (status == TROUPE_OK) {
        live(node);
        troupe_node_stop(node, 50);
    }
    return was_failed();
}

static void a_node_lives_without_memory(void **state)
{
    long n = 0;

    (void)state;
    while (play(n)) {
        n++;
    }
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_node_lives_without_memory)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
