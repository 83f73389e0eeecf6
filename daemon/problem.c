#include "daemon/problem.h"

#include <stdarg.h>
#include <string.h>

#include "daemon/text.h"

int problem_set(struct problem *problem, enum problem_code code, const char *format, ...)
{
    va_list arguments;

    problem->code = code;
    problem->detail[0] = '\0';
    problem->hint[0] = '\0';
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof(problem->text), format, arguments);
    va_end(arguments);
    return problem_exit_status(code);
}

void problem_detail(struct problem *problem, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(problem->detail, sizeof(problem->detail), format, arguments);
    va_end(arguments);
}

void problem_hint(struct problem *problem, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(problem->hint, sizeof(problem->hint), format, arguments);
    va_end(arguments);
}

int problem_exit_status(enum problem_code code)
{
    switch (code) {
    case PROBLEM_NONE:
        return EX_OK;
#define PROBLEM_EXIT(name, number, exit_status, meaning)                                           \
    case name:                                                                                     \
        return exit_status;
        PROBLEM_MAP(PROBLEM_EXIT)
#undef PROBLEM_EXIT
    }
    return EX_SOFTWARE;
}

const char *problem_meaning(enum problem_code code)
{
    switch (code) {
    case PROBLEM_NONE:
        return "no problem";
#define PROBLEM_TEXT(name, number, exit_status, meaning)                                           \
    case name:                                                                                     \
        return meaning;
        PROBLEM_MAP(PROBLEM_TEXT)
#undef PROBLEM_TEXT
    }
    return "unknown problem";
}

/* Prints a text that may have several lines, each after the first under the first. */
static void print_part(FILE *out, const char *label, const char *text)
{
    const char *line = text;

    while (*line != '\0') {
        size_t size = 0;

        line += line != text ? strspn(line, " \t") : 0;
        size = strcspn(line, "\n");

        (void)fputs(line == text ? label : "          ", out);
        text_print(out, line, size);
        (void)fputc('\n', out);
        line += size + (line[size] == '\n' ? 1 : 0);
    }
}

void problem_print(FILE *out, const char *program, const struct problem *problem)
{
    (void)fprintf(out, "%s: error TRP-%04d: ", program, (int)problem->code);
    text_print(out, problem->text, strlen(problem->text));
    (void)fputc('\n', out);
    print_part(out, "  DETAIL: ", problem->detail);
    print_part(out, "  HINT:   ", problem->hint);
}
