/* counter.c - one actor on a local node: it adds up what it is sent and answers the sum. */
#include <inttypes.h>
#include <stdio.h>
#include <troupe/troupe.h>

/* What the actor knows, what it is sent and what it answers: plain structs, described once. */
typedef struct counter {
    int64_t total;
} counter;
TROUPE_TYPE(counter, "example.counter", TROUPE_FIELD(counter, total, 1));

typedef struct add {
    int64_t by;
} add;
TROUPE_TYPE(add, "example.add", TROUPE_FIELD(add, by, 1));

static int on_add(troupe_self *self, void *state, const void *message)
{
    counter *c = state;
    const add *a = message;
    c->total += a->by;
    return troupe_reply(self, &counter_type, c);
}

static const troupe_handler counter_handlers[] = {{&add_type, on_add}, {0}};
static const troupe_behavior counter_behavior = {
    .name = "example.counter", .version = 1, .state = &counter_type, .handlers = counter_handlers};

/* Sends `by` to the actor and prints its answer. */
static troupe_status add_and_print(troupe_node *node, troupe_pid pid, int64_t by)
{
    troupe_result result = {0};
    troupe_status status = troupe_node_call(node, pid, &add_type, &(add){.by = by}, 1000, &result);
    const counter *sum = troupe_result_as(&result, &counter_type);
    if (sum != NULL) {
        printf("added %" PRId64 ", total %" PRId64 "\n", by, sum->total);
    }
    troupe_result_clear(&result);
    return status;
}

int main(void)
{
    troupe_config config;
    troupe_config_init(&config);
    troupe_node *node = NULL;
    troupe_pid pid;
    troupe_status status = troupe_node_start(&config, &node, NULL, 0);
    if (status == TROUPE_OK) {
        status = troupe_node_spawn(node, &counter_behavior, NULL, NULL, &pid);
        for (int64_t by = 1; by <= 3 && status == TROUPE_OK; by++) {
            status = add_and_print(node, pid, by);
        }
        troupe_node_stop(node, 5000);
    }
    printf("%s\n", troupe_status_text(status));
    return status == TROUPE_OK ? 0 : 1;
}
