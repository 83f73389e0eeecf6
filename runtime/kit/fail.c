#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/kit.h"

/* Ends the test. When nobody took the failure, the process ends: a test that has failed must not go
 * on as if it had not. */
static _Noreturn void report(struct troupe_test *test, const char *words)
{
    static const char format[] = "%s\nseed %llu, at %lld ms\n%s";

    test->broken |= test->inside;
    tr_memory_plan = NULL;
    const char *trace = troupe_test_trace(test);
    const size_t size = strlen(words) + strlen(trace) + 128;
    char *text = malloc(size);

    free(test->report);
    test->report = text;

    if (text != NULL) {
        (void)snprintf(text, size, format, words, (unsigned long long)test->seed,
                       (long long)troupe_test_now_ms(test), trace);
    }
    if (test->fail != NULL) {
        test->fail(test->fail_context, text != NULL ? text : words);
    }
    (void)fputs(text != NULL ? text : words, stderr);
    abort();
}

void tr_kit_fail(struct troupe_test *test, const char *format, ...)
{
    char words[1024];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    report(test, words);
}

void troupe_test_fail(troupe_test *test, const char *format, ...)
{
    char words[1024];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    report(test, words);
}

void *tr_kit_alloc(struct troupe_test *test, void *block, size_t size)
{
    void *larger = realloc(block, size);

    if (larger == NULL) {
        tr_kit_fail(test, "the test kit itself has no memory");
    }
    return larger;
}
