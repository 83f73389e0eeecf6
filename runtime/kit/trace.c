/* The trace: noted while a world runs, written out when somebody reads it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/kit.h"

enum { LINES_MIN = 64 };

struct tr_trace_line *tr_trace_add(struct troupe_test *test, enum tr_trace_what what)
{
    struct tr_trace *trace = &test->trace;

    if (trace->total == trace->capacity && trace->capacity < trace->lines_max) {
        uint32_t capacity = trace->capacity == 0 ? LINES_MIN : trace->capacity * 2;

        capacity = capacity > trace->lines_max ? trace->lines_max : capacity;
        trace->lines = tr_kit_alloc(test, trace->lines, capacity * sizeof(*trace->lines));
        memset(trace->lines + trace->capacity, 0,
               (capacity - trace->capacity) * sizeof(*trace->lines));
        trace->capacity = capacity;
    }
    struct tr_trace_line *line = &trace->lines[trace->total++ % trace->capacity];

    free(line->text);
    *line = (struct tr_trace_line){.at_ms = test->now_ns / TR_NS_PER_MS, .what = (uint8_t)what};
    return line;
}

void tr_trace_text(struct troupe_test *test, const char *format, va_list arguments)
{
    char text[1024];
    const int size = vsnprintf(text, sizeof(text), format, arguments);
    char *copy = tr_kit_alloc(test, NULL, sizeof(text));

    if (size < 0) {
        text[0] = '\0';
    }
    memcpy(copy, text, strlen(text) + 1);
    tr_trace_add(test, TR_TRACE_TEXT)->text = copy;
}

void tr_trace_fini(struct tr_trace *trace)
{
    for (uint32_t i = 0; i < trace->capacity; i++) {
        free(trace->lines[i].text);
    }
    free(trace->lines);
    free(trace->text);
}

/* ---- writing out ---- */

static const char *seen_name(int32_t kind)
{
    switch ((troupe_seen_kind)kind) {
    case TROUPE_SEEN_MESSAGE:
        return "message";
    case TROUPE_SEEN_REQUEST:
        return "request";
    case TROUPE_SEEN_EXIT:
        return "exit";
    case TROUPE_SEEN_DOWN:
        return "down";
    case TROUPE_SEEN_RESULT:
        return "result";
    case TROUPE_SEEN_END:
        break;
    }
    return "end";
}

static void print_seen(FILE *out, const struct tr_trace_line *line)
{
    const troupe_seen *seen = line->seen;
    char pid[TROUPE_PID_TEXT_SIZE];
    char *json = NULL;

    (void)fputs(line->words, out);
    (void)fputs(" sees ", out);
    (void)fputs(seen_name(seen->kind), out);
    if (!troupe_pid_is_none(seen->from)) {
        (void)fputs(" from ", out);
        (void)fputs(troupe_pid_print(seen->from, pid), out);
    }
    if (seen->kind == TROUPE_SEEN_DOWN || seen->kind == TROUPE_SEEN_RESULT) {
        char ref[32];

        (void)snprintf(ref, sizeof(ref), " %" PRIu64, seen->ref);
        (void)fputs(ref, out);
    }
    if (seen->kind == TROUPE_SEEN_RESULT) {
        (void)fputs(": ", out);
        (void)fputs(troupe_status_text(seen->status), out);
    }
    if (seen->kind == TROUPE_SEEN_EXIT || seen->kind == TROUPE_SEEN_DOWN ||
        seen->kind == TROUPE_SEEN_END) {
        (void)fputs(": ", out);
        (void)fputs(troupe_reason_name(seen->reason.kind), out);
        (void)fputs(seen->reason.text[0] != '\0' ? " " : "", out);
        (void)fputs(seen->reason.text, out);
    } else if (seen->type != NULL) {
        (void)fputs(": ", out);
        (void)fputs(seen->type->name, out);
        if (seen->value != NULL && troupe_to_json(seen->type, seen->value, &json) == TROUPE_OK) {
            (void)fputs(" ", out);
            (void)fputs(json, out);
        }
        troupe_json_free(json);
    }
    (void)fputs("\n", out);
}

static void print_line(struct troupe_test *test, FILE *out, const struct tr_trace_line *line)
{
    char head[256];

    (void)snprintf(head, sizeof(head), "%10" PRId64 " ms  ", line->at_ms);
    (void)fputs(head, out);
    switch ((enum tr_trace_what)line->what) {
    case TR_TRACE_RUN:
        (void)snprintf(head, sizeof(head),
                       "worker %" PRIu32 " runs <%" PRIu64 ".%" PRIu64 "> %.127s, up to %" PRIu32
                       "\n",
                       line->worker, tr_sched_node_id(test->node->sched), line->actor_id,
                       line->words, line->batch);
        (void)fputs(head, out);
        break;
    case TR_TRACE_TIME:
        (void)fputs("is the time\n", out);
        break;
    case TR_TRACE_SEEN:
        print_seen(out, line);
        break;
    case TR_TRACE_END:
        (void)snprintf(head, sizeof(head), "<%" PRIu64 ".%" PRIu64 "> %.127s ends: %s\n",
                       tr_sched_node_id(test->node->sched), line->actor_id, line->words,
                       troupe_reason_name(line->reason_kind));
        (void)fputs(head, out);
        break;
    case TR_TRACE_TEXT:
        (void)fputs(line->text, out);
        (void)fputs("\n", out);
        break;
    }
}

const char *troupe_test_trace(troupe_test *test)
{
    struct tr_trace *trace = &test->trace;
    struct tr_memory_plan *plan = tr_kit_pause();
    size_t size = 0;

    free(trace->text);
    trace->text = NULL;
    FILE *out = open_memstream(&trace->text, &size);

    if (out != NULL) {
        const uint64_t first = trace->total > trace->capacity ? trace->total - trace->capacity : 0;

        for (uint64_t i = first; i < trace->total; i++) {
            print_line(test, out, &trace->lines[i % trace->capacity]);
        }
        (void)fclose(out);
    }
    tr_kit_resume(plan);
    return trace->text == NULL ? "(no memory for the trace)\n" : trace->text;
}

void troupe_test_note(troupe_test *test, const char *format, ...)
{
    struct tr_memory_plan *plan = tr_kit_pause();
    va_list arguments;

    va_start(arguments, format);
    tr_trace_text(test, format, arguments);
    va_end(arguments);
    tr_kit_resume(plan);
}
