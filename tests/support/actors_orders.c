/* What tests have probes do: links, monitors, exits and messages. */
#include "support/actors.h"

static int do_link(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    return troupe_link(self, ((struct action *)context)->pid);
}

void probe_link(struct probe *probe, troupe_pid other)
{
    assert_int_equal(probe_do(probe, do_link, &(struct action){.pid = other}), TROUPE_OK);
}

static int do_unlink(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    return troupe_unlink(self, ((struct action *)context)->pid);
}

void probe_unlink(struct probe *probe, troupe_pid other)
{
    assert_int_equal(probe_do(probe, do_unlink, &(struct action){.pid = other}), TROUPE_OK);
}

static int do_monitor(troupe_self *self, struct probe *probe, void *context)
{
    struct action *action = context;

    (void)probe;
    return troupe_monitor(self, action->pid, &action->ref);
}

uint64_t probe_monitor(struct probe *probe, troupe_pid other)
{
    struct action action = {.pid = other};

    assert_int_equal(probe_do(probe, do_monitor, &action), TROUPE_OK);
    assert_int_not_equal(action.ref, 0);
    return action.ref;
}

static int do_demonitor(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    return troupe_demonitor(self, ((struct action *)context)->ref);
}

void probe_demonitor(struct probe *probe, uint64_t monitor)
{
    assert_int_equal(probe_do(probe, do_demonitor, &(struct action){.ref = monitor}), TROUPE_OK);
}

static int do_trap(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    troupe_trap_exit(self, ((struct action *)context)->flag);
    return TROUPE_OK;
}

void probe_trap(struct probe *probe, bool trap)
{
    assert_int_equal(probe_do(probe, do_trap, &(struct action){.flag = trap}), TROUPE_OK);
}

static int do_exit(troupe_self *self, struct probe *probe, void *context)
{
    const struct action *action = context;

    (void)probe;
    return troupe_exit(self, action->pid, action->kind, action->text);
}

void probe_exit(struct probe *probe, troupe_pid to, int32_t kind, const char *text)
{
    assert_int_equal(
        probe_do(probe, do_exit, &(struct action){.pid = to, .kind = kind, .text = text}),
        TROUPE_OK);
}

static int do_send(troupe_self *self, struct probe *probe, void *context)
{
    const struct action *action = context;

    (void)probe;
    return troupe_send(self, action->pid, &number_type, &(number){.value = action->ask.value});
}

void probe_send(struct probe *probe, troupe_pid to, int64_t value)
{
    assert_int_equal(probe_do(probe, do_send, &(struct action){.pid = to, .ask = {.value = value}}),
                     TROUPE_OK);
}
