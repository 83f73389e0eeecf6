#include "daemon/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/host.h"

/* Reads the digits at the front; *rest is what follows them. */
static bool read_digits(const char *text, uint64_t *number, const char **rest)
{
    char *end = NULL;

    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    errno = 0;
    *number = strtoull(text, &end, 10);
    *rest = end;
    return errno == 0;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* Reads a number and one of the units, the last of which has no name; false above max. */
static bool read_with_unit(const char *text, const struct unit *units, uint64_t max,
                           uint64_t *result)
{
    uint64_t number = 0;
    const char *name = NULL;

    if (!read_digits(text, &number, &name)) {
        return false;
    }
    name += *name == ' ' ? 1 : 0;
    while (units->name[0] != '\0' && strcmp(name, units->name) != 0) {
        units++;
    }
    if (strcmp(name, units->name) != 0 || number > max / units->factor) {
        return false;
    }
    *result = number * units->factor;
    return true;
}

bool unit_bytes(const char *text, uint64_t *bytes)
{
    static const struct unit units[] = {
        {"B", 1},         {"kB", 1000},       {"KiB", 1024},       {"MB", 1000000},
        {"MiB", 1048576}, {"GB", 1000000000}, {"GiB", 1073741824}, {"", 1}};

    return read_with_unit(text, units, UINT64_MAX, bytes);
}

bool unit_milliseconds(const char *text, uint32_t *milliseconds)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"", 1}};
    uint64_t result = 0;

    if (!read_with_unit(text, units, UINT32_MAX, &result)) {
        return false;
    }
    *milliseconds = (uint32_t)result;
    return true;
}

bool unit_count(const char *text, uint32_t max, uint32_t *count)
{
    uint64_t number = 0;
    const char *rest = NULL;

    if (!read_digits(text, &number, &rest) || *rest != '\0' || number > max) {
        return false;
    }
    *count = (uint32_t)number;
    return true;
}

bool unit_bool(const char *text, bool *value)
{
    static const char *const words[][2] = {
        {"off", "on"}, {"false", "true"}, {"no", "yes"}, {"0", "1"}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i][0]) == 0 || strcasecmp(text, words[i][1]) == 0) {
            *value = strcasecmp(text, words[i][1]) == 0;
            return true;
        }
    }
    return false;
}

bool unit_address(const char *text, char *host, size_t host_size, uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    const char *begin = text;
    const char *end = colon;
    const char *path = tr_host_unix_path(text);
    uint32_t number = 0;

    if (path != NULL) {
        *port = 0;
        return tr_unix_path_fault(path) == NULL &&
               (size_t)snprintf(host, host_size, "%s", text) < host_size;
    }
    if (colon == NULL || !unit_count(colon + 1, UINT16_MAX, &number)) {
        return false;
    }
    if (text[0] == '[') {
        if (end == text || end[-1] != ']' || tr_host_unix_path(text + 1) != NULL) {
            return false;
        }
        begin++;
        end--;
    } else if (memchr(text, ':', (size_t)(colon - text)) != NULL) {
        return false;
    }
    if (end <= begin || (size_t)(end - begin) >= host_size) {
        return false;
    }
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    *port = (uint16_t)number;
    return true;
}
