#include "daemon/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "daemon/text.h"
#include "daemon/write_all.h"
#include "troupe/actor.h"

#define FIELD_SIZE_MAX 1024u
/* Four fields, each byte of which may need six; what does not fit is cut. */
#define LINE_SIZE_MAX (4u * 6u * FIELD_SIZE_MAX)

struct log_field {
    const char *key;
    const char *value; /* NULL: the field is left out */
    bool bare;         /* a number or literal of ours: never quoted */
};

static const char *level_name(int32_t level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};

    return level >= 0 && level < (int32_t)(sizeof(names) / sizeof(names[0])) ? names[level]
                                                                             : "error";
}

void log_init(struct log *log, int file, enum log_format format, const char *node, int32_t level)
{
    log->file = file;
    log->format = format;
    (void)snprintf(log->node, sizeof(log->node), "%s", node);
    tr_store32_relaxed(&log->level, (uint32_t)level);
}

void log_set_level(struct log *log, int32_t level)
{
    tr_store32_relaxed(&log->level, (uint32_t)level);
}

static void now_print(char *text, size_t size)
{
    struct timespec now;
    struct tm parts;
    char seconds[32];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    (void)strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text, size, "%s.%03ldZ", seconds, now.tv_nsec / 1000000);
}

static void add_field(struct text_line *line, enum log_format format, const struct log_field *field)
{
    if (field->value == NULL) {
        return;
    }
    if (format == LOG_FORMAT_JSON) {
        text_line_add(line, line->size > 1 ? "," : "");
        text_line_add_json(line, field->key, FIELD_SIZE_MAX);
        text_line_add(line, ":");
    } else {
        text_line_add(line, line->size > 0 ? " " : "");
        text_line_add(line, field->key);
        text_line_add(line, "=");
    }
    if (field->bare) {
        text_line_add(line, field->value);
    } else if (format == LOG_FORMAT_JSON) {
        text_line_add_json(line, field->value, FIELD_SIZE_MAX);
    } else {
        text_line_add_logfmt(line, field->value, FIELD_SIZE_MAX);
    }
}

/* One write per line: lines of several threads and processes on one pipe do not mix. */
static void write_line(int file, const char *bytes, size_t size)
{
    (void)write_all(file, bytes, size); /* a log that cannot be written has nobody to be told */
}

static void write_fields(const struct log *log, const struct log_field *fields, size_t count)
{
    char bytes[LINE_SIZE_MAX + 256];
    struct text_line line;

    /* Two bytes stay free for what ends the line. */
    text_line_init(&line, bytes, sizeof(bytes) - 2);
    if (log->format == LOG_FORMAT_JSON) {
        text_line_add(&line, "{");
    }
    for (size_t i = 0; i < count; i++) {
        add_field(&line, log->format, &fields[i]);
    }
    line.capacity = sizeof(bytes);
    text_line_add(&line, log->format == LOG_FORMAT_JSON ? "}\n" : "\n");
    write_line(log->file, line.bytes, line.size);
}

static bool is_off(struct log *log, int32_t level)
{
    return level < (int32_t)tr_load32_relaxed(&log->level);
}

void log_write(void *context, int32_t level, const char *node, const char *text)
{
    struct log *log = context;
    char now[48];
    char pid[24];

    if (is_off(log, level)) {
        return;
    }
    now_print(now, sizeof(now));
    (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    write_fields(log,
                 (const struct log_field[]){{"ts", now, log->format == LOG_FORMAT_LOGFMT},
                                            {"level", level_name(level), false},
                                            {"node", node, false},
                                            {"pid", pid, true},
                                            {"msg", text, false}},
                 5);
}

void log_printf(struct log *log, int32_t level, const char *format, ...)
{
    char text[FIELD_SIZE_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_write(log, level, log->node, text);
}

void log_problem(struct log *log, const struct problem *problem)
{
    char now[48];
    char pid[24];
    char code[16];

    now_print(now, sizeof(now));
    (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    (void)snprintf(code, sizeof(code), "TRP-%04d", (int)problem->code);
    write_fields(log,
                 (const struct log_field[]){
                     {"ts", now, log->format == LOG_FORMAT_LOGFMT},
                     {"level", "error", false},
                     {"node", log->node, false},
                     {"pid", pid, true},
                     {"code", code, false},
                     {"msg", problem->text, false},
                     {"detail", problem->detail[0] != '\0' ? problem->detail : NULL, false},
                     {"hint", problem->hint[0] != '\0' ? problem->hint : NULL, false}},
                 8);
}
