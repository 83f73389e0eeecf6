#include "support/members.h"

static int join(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    assert_int_equal(troupe_join(self, context), TROUPE_OK);
    return TROUPE_OK;
}

static int leave(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    assert_int_equal(troupe_leave(self, context), TROUPE_OK);
    return TROUPE_OK;
}

struct shout {
    const char *group;
    int64_t value;
    size_t count;
};

static int shout(troupe_self *self, struct probe *probe, void *context)
{
    struct shout *s = context;

    (void)probe;
    assert_int_equal(
        troupe_broadcast(self, s->group, &number_type, &(number){.value = s->value}, &s->count),
        TROUPE_OK);
    return TROUPE_OK;
}

size_t probe_broadcast(struct probe *probe, const char *group, int64_t value)
{
    struct shout s = {.group = group, .value = value};

    (void)probe_do(probe, shout, &s);
    return s.count;
}

void probe_join(struct probe *probe, const char *group)
{
    (void)probe_do(probe, join, (void *)(uintptr_t)group);
}

void probe_leave(struct probe *probe, const char *group)
{
    (void)probe_do(probe, leave, (void *)(uintptr_t)group);
}
