#include <string.h>

#include "base/decimal.h"
#include "troupe/pid.h"

_Static_assert(TROUPE_PID_TEXT_SIZE >= 2 * TR_DECIMAL_SIZE_MAX + 4, "<, ., > and NUL have to fit");

const char *troupe_pid_print(troupe_pid pid, char *text)
{
    char *at = text;

    *at++ = '<';
    at += tr_decimal_print(pid.node, at);
    *at++ = '.';
    at += tr_decimal_print(pid.id, at);
    *at++ = '>';
    *at = '\0';
    return text;
}

troupe_status troupe_pid_parse(const char *text, troupe_pid *pid)
{
    troupe_pid parsed = {0};
    size_t size = 0;
    size_t taken = 0;

    if (text == NULL || pid == NULL || text[0] != '<') {
        return TROUPE_E_INVALID;
    }
    size = strlen(text);
    text += 1;
    size -= 1;
    taken = tr_decimal_parse(text, size, &parsed.node);
    if (taken == 0 || text[taken] != '.') {
        return TROUPE_E_INVALID;
    }
    text += taken + 1;
    size -= taken + 1;
    taken = tr_decimal_parse(text, size, &parsed.id);
    if (taken == 0 || strcmp(text + taken, ">") != 0) {
        return TROUPE_E_INVALID;
    }
    *pid = parsed;
    return TROUPE_OK;
}
