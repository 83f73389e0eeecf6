/* Expectations, in virtual time. */
#include <inttypes.h>
#include <stdio.h>

#include "kit/kit.h"

/* Plays until the probe has seen something that no expectation has looked at, and lends it; NULL
 * when nothing came in time. */
static const troupe_seen *await(struct troupe_probe *probe, int64_t until_ns)
{
    while (probe->looked == probe->count) {
        if (!tr_kit_go_on(probe->test, until_ns)) {
            return NULL;
        }
    }
    return probe->seen[probe->looked];
}

static int64_t deadline(const struct troupe_probe *probe, uint64_t within_ms)
{
    return probe->test->now_ns + (int64_t)within_ms * TR_NS_PER_MS;
}

/* Lends the next thing and steps over it; without one the test fails. */
static const troupe_seen *next(struct troupe_probe *probe, uint64_t within_ms, const char *what)
{
    const troupe_seen *seen = await(probe, deadline(probe, within_ms));

    if (seen == NULL) {
        tr_kit_fail(probe->test, "%s expects %s, and nothing comes within %" PRIu64 " ms",
                    probe->name, what, within_ms);
    }
    probe->looked++;
    return seen;
}

static _Noreturn void fail_other(struct troupe_probe *probe, const char *what)
{
    tr_kit_fail(probe->test, "%s expects %s, and sees something else (number %zu)", probe->name,
                what, probe->looked - 1);
}

const troupe_seen *troupe_expect(troupe_probe *probe, const troupe_type *type, uint64_t within_ms)
{
    char what[192];

    (void)snprintf(what, sizeof(what), "a value of type \"%s\"", type->name);
    const troupe_seen *seen = next(probe, within_ms, what);

    if (seen->type == NULL || !troupe_type_is(seen->type, type)) {
        fail_other(probe, what);
    }
    return seen;
}

const troupe_seen *troupe_expect_where(troupe_probe *probe,
                                       bool (*accepts)(const troupe_seen *seen, void *context),
                                       void *context, uint64_t within_ms, const char *what)
{
    const int64_t until_ns = deadline(probe, within_ms);

    for (;;) {
        const troupe_seen *seen = await(probe, until_ns);

        if (seen == NULL) {
            tr_kit_fail(probe->test, "%s expects %s, and it does not come within %" PRIu64 " ms",
                        probe->name, what, within_ms);
        }
        probe->looked++;
        if (accepts(seen, context)) {
            return seen;
        }
    }
}

const troupe_seen *troupe_expect_exit(troupe_probe *probe, troupe_pid from, int32_t kind,
                                      uint64_t within_ms)
{
    char pid[TROUPE_PID_TEXT_SIZE];
    char what[192];

    (void)snprintf(what, sizeof(what), "the exit of %s: %s", troupe_pid_print(from, pid),
                   troupe_reason_name(kind));
    const troupe_seen *seen = next(probe, within_ms, what);

    if (seen->kind != TROUPE_SEEN_EXIT || !troupe_pid_equal(seen->from, from) ||
        seen->reason.kind != kind) {
        fail_other(probe, what);
    }
    return seen;
}

const troupe_seen *troupe_expect_down(troupe_probe *probe, uint64_t monitor, int32_t kind,
                                      uint64_t within_ms)
{
    char what[192];

    (void)snprintf(what, sizeof(what), "the DOWN of monitor %" PRIu64 ": %s", monitor,
                   troupe_reason_name(kind));
    const troupe_seen *seen = next(probe, within_ms, what);

    if (seen->kind != TROUPE_SEEN_DOWN || seen->ref != monitor || seen->reason.kind != kind) {
        fail_other(probe, what);
    }
    return seen;
}

const troupe_seen *troupe_expect_result(troupe_probe *probe, uint64_t tag, troupe_status status,
                                        uint64_t within_ms)
{
    char what[192];

    (void)snprintf(what, sizeof(what), "the result of call %" PRIu64 ": %s", tag,
                   troupe_status_text(status));
    const troupe_seen *seen = next(probe, within_ms, what);

    if (seen->kind != TROUPE_SEEN_RESULT || seen->ref != tag || seen->status != status) {
        fail_other(probe, what);
    }
    return seen;
}

const troupe_seen *troupe_expect_end(troupe_probe *probe, int32_t kind, uint64_t within_ms)
{
    char what[192];

    (void)snprintf(what, sizeof(what), "its own end: %s", troupe_reason_name(kind));
    const troupe_seen *seen = next(probe, within_ms, what);

    if (seen->kind != TROUPE_SEEN_END || seen->reason.kind != kind) {
        fail_other(probe, what);
    }
    return seen;
}

void troupe_expect_nothing(troupe_probe *probe)
{
    tr_probe_mark(probe);
    if (probe->looked < probe->marker) {
        probe->looked++;
        fail_other(probe, "nothing");
    }
}

void troupe_expect_none_where(troupe_probe *probe,
                              bool (*accepts)(const troupe_seen *seen, void *context),
                              void *context, const char *what)
{
    tr_probe_mark(probe);
    while (probe->looked < probe->marker) {
        if (accepts(probe->seen[probe->looked++], context)) {
            tr_kit_fail(probe->test, "%s expects no %s, and sees it (number %zu)", probe->name,
                        what, probe->looked - 1);
        }
    }
}

void troupe_expect_exited(troupe_test *test, troupe_pid pid, int32_t kind, uint64_t within_ms)
{
    const int64_t until_ns = test->now_ns + (int64_t)within_ms * TR_NS_PER_MS;
    char text[TROUPE_PID_TEXT_SIZE];
    int32_t got = 0;

    while (!tr_kit_ended(test, pid.id, &got)) {
        if (!tr_kit_go_on(test, until_ns)) {
            tr_kit_fail(test, "%s is expected to exit, and lives after %" PRIu64 " ms",
                        troupe_pid_print(pid, text), within_ms);
        }
    }
    if (got != kind) {
        tr_kit_fail(test, "%s is expected to exit %s, and exits %s", troupe_pid_print(pid, text),
                    troupe_reason_name(kind), troupe_reason_name(got));
    }
}
