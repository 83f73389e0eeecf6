/* What is tested: what nodes and clients may do by troupe.policy: each is told why not, and what it
 * may goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/be.h"
#include "dist/client.h"
#include "dist/codec.h"
#include "support/deceived.h"
#include "support/fake_policy.h"

static uint16_t port_of_node(void)
{
    troupe_node_info info = {.struct_size = sizeof(info)};

    troupe_node_get_info(node, &info);
    return info.port;
}

/* Sets the policy and waits until the node has it, which comes by its loop as what follows does. */
static void allow(uint32_t nodes, uint32_t clients)
{
    fake_cluster_policy(cluster, &(struct tr_policy){.node = nodes, .client = clients});
    mark(spawn(NULL));
}

/* ---- nodes ---- */

static troupe_status ask_spawn(const char *name)
{
    static uint64_t ref = 100;
    struct tr_spawn_request request = {
        .caller = evil(), .ref = ++ref, .behavior = "test.victim", .name = name, .args_type = ""};
    uint8_t bytes[1024];
    struct rogue_packet packet;

    rogue_say(&rogue, node_id, bytes, tr_codec_encode_spawn(&request, bytes, sizeof(bytes)));
    rogue_hear(&rogue, node_id, TR_SIGNAL_RESULT, &packet);
    assert_true(tr_be64_get(packet.bytes + TR_CODEC_TO_AT + 8) == ref);
    /* After number and the empty type: a pid, and the status. */
    return (troupe_status)(int32_t)tr_be32_get(packet.bytes + TR_CODEC_TO_AT + 8 + 8 + 1 + 16);
}

static void nodes_spawn_and_register_as_the_policy_says(void **state)
{
    (void)state;
    assert_int_equal(ask_spawn(""), TROUPE_OK);
    allow(TR_MAY_ALL & ~(uint32_t)TR_MAY_SPAWN, TR_MAY_ALL);
    assert_int_equal(ask_spawn(""), TROUPE_E_DENIED);
    allow(TR_MAY_ALL & ~(uint32_t)TR_MAY_REGISTER, TR_MAY_ALL);
    assert_int_equal(ask_spawn("name"), TROUPE_E_DENIED);
    assert_int_equal(refused(), 2);
    assert_int_equal(ask_spawn(""), TROUPE_OK);
    allow(TR_MAY_ALL, TR_MAY_ALL);
    assert_int_equal(ask_spawn("name"), TROUPE_OK);
}

static void nodes_end_what_they_are_linked_to_or_what_the_policy_says(void **state)
{
    const troupe_pid pid = spawn(NULL);

    (void)state;
    allow(TR_MAY_ALL & ~(uint32_t)TR_MAY_EXIT, TR_MAY_ALL);
    say(reason_in(TR_SIGNAL_EXIT), evil(), pid, 0);
    mark(pid); /* it lives */
    assert_int_equal(refused(), 1);
    say(tr_message_create(&cache, TR_SIGNAL_MONITOR, 0), evil(), pid, 7);
    say(tr_message_create(&cache, TR_SIGNAL_LINK, 0), evil(), pid, 0);
    say(reason_in(TR_SIGNAL_EXIT), evil(), pid, 0);
    struct rogue_packet packet;

    rogue_hear(&rogue, node_id, TR_SIGNAL_DOWN, &packet);
    assert_int_equal(refused(), 1);
    const troupe_pid other = spawn(NULL);

    allow(TR_MAY_ALL, TR_MAY_ALL);
    say(tr_message_create(&cache, TR_SIGNAL_MONITOR, 0), evil(), other, 8);
    say(reason_in(TR_SIGNAL_EXIT), evil(), other, 0);
    rogue_hear(&rogue, node_id, TR_SIGNAL_DOWN, &packet);
}

/* A request to a supervisor, or to whoever: what it asks for is known before who gets it. */
static troupe_status ask_child(const troupe_type *type, const void *request)
{
    struct rogue_packet packet;

    say(value_in(TR_SIGNAL_CALL, type, request), evil(), spawn(NULL), 5);
    rogue_hear(&rogue, node_id, TR_SIGNAL_CALL_FAILED, &packet);
    return (troupe_status)(int16_t)tr_be16_get(packet.bytes + TR_CODEC_STATUS_AT);
}

static void requests_to_supervisors_are_spawns_and_exits(void **state)
{
    const troupe_start_child_request start = {.id = "a", .behavior = "test.victim"};
    const troupe_start_child_request named = {.id = "a", .behavior = "test.victim", .name = "n"};
    const troupe_child_request child = {.id = "a"};

    (void)state;
    allow(0, TR_MAY_ALL);
    assert_int_equal(ask_child(&troupe_start_child_type, &start), TROUPE_E_DENIED);
    assert_int_equal(ask_child(&troupe_restart_child_type, &child), TROUPE_E_DENIED);
    assert_int_equal(ask_child(&troupe_terminate_child_type, &child), TROUPE_E_DENIED);
    assert_int_equal(ask_child(&troupe_delete_child_type, &child), TROUPE_E_DENIED);
    allow(TR_MAY_SPAWN, TR_MAY_ALL);
    assert_int_equal(ask_child(&troupe_start_child_type, &named), TROUPE_E_DENIED);
    /* Let in: the actor is no supervisor, and says nothing of that kind. */
    assert_int_not_equal(ask_child(&troupe_start_child_type, &start), TROUPE_E_DENIED);
    assert_int_not_equal(ask_child(&troupe_restart_child_type, &child), TROUPE_E_DENIED);
    assert_int_equal(ask_child(&troupe_terminate_child_type, &child), TROUPE_E_DENIED);
}

/* ---- clients ---- */

static void client(const char *request, const char *answer)
{
    const struct tr_client_config config = {
        .host = "127.0.0.1", .port = port_of_node(), .timeout_ms = DEADLINE_MS};
    uint8_t *response = NULL;
    size_t size = 0;

    assert_int_equal(
        tr_client_call(&config, (const uint8_t *)request, strlen(request), &response, &size),
        TROUPE_OK);
    if (strstr((const char *)response, answer) == NULL) {
        fail_msg("%s\n%s", request, (const char *)response);
    }
    free(response);
}

static void clients_act_as_the_policy_says_and_their_host_is_free(void **state)
{
    static const char start[] = "{\"op\":\"spawn\",\"behavior\":\"test.victim\"}";
    static const char named[] = "{\"op\":\"spawn\",\"behavior\":\"test.victim\",\"name\":\"n\"}";
    static const char end[] = "{\"op\":\"exit\",\"to\":\"<1.1>\",\"reason\":\"kill\"}";
    char *reply = NULL;

    (void)state;
    allow(TR_MAY_ALL, 0);
    client(start, "troupe.policy lets no client start actors");
    client(named, "TROUPE_E_DENIED");
    client(end, "troupe.policy lets no client end actors");
    client("{\"op\":\"send\",\"to\":\"<1.1>\",\"type\":\"troupe.terminate_child\",\"message\":{}}",
           "TROUPE_E_DENIED");
    client("{\"op\":\"ping\"}", "\"ok\":true");
    /* The operator's own socket is not the network. */
    assert_int_equal(troupe_node_admin(node, start, DEADLINE_MS, &reply), TROUPE_OK);
    assert_non_null(strstr(reply, "\"ok\":true"));
    troupe_json_free(reply);
    allow(0, TR_MAY_SPAWN);
    client(start, "\"ok\":true");
    client(named, "troupe.policy lets no client register names");
    allow(0, TR_MAY_ALL);
    client(named, "\"ok\":true");
    client(end, "TROUPE_E_NOPROC"); /* let in: there is no such actor */
}

int main(void)
{
#define POLICY_TEST(name) cmocka_unit_test_setup_teardown(name, deceived_begin, deceived_end)
    const struct CMUnitTest tests[] = {
        POLICY_TEST(nodes_spawn_and_register_as_the_policy_says),
        POLICY_TEST(nodes_end_what_they_are_linked_to_or_what_the_policy_says),
        POLICY_TEST(requests_to_supervisors_are_spawns_and_exits),
        POLICY_TEST(clients_act_as_the_policy_says_and_their_host_is_free),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
