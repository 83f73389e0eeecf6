#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "row_node.h"

struct reg_sync *admin;

troupe_node *row_node_start(const char *name, const troupe_behavior *const *behaviors, size_t count)
{
    troupe_config config;
    troupe_node *node = NULL;
    char error[256] = "";

    troupe_config_init(&config);
    config.name = name;
    config.workers = 1;
    config.allow_unsafe_fsync = true;
    assert_int_equal(troupe_registry_postgres(pg_server_conninfo(server), &config.registry, error,
                                              sizeof(error)),
                     TROUPE_OK);
    if (troupe_node_start(&config, &node, error, sizeof(error)) != TROUPE_OK) {
        fail_msg("%s", error);
    }
    for (size_t index = 0; index < count; index++) {
        assert_int_equal(troupe_node_add_behavior(node, behaviors[index], NULL, 0), TROUPE_OK);
    }
    return node;
}

troupe_node *row_node_begin(const troupe_behavior *const *behaviors, size_t count)
{
    assert_int_equal(start_server(NULL), 0);
    admin = connect_as_admin();
    return row_node_start("n1", behaviors, count);
}

void row_node_end(troupe_node *node)
{
    if (node != NULL) {
        troupe_node_stop(node, 5000);
    }
    reg_sync_close(admin);
    assert_int_equal(stop_server(NULL), 0);
}
