#include "wire/tls_name.h"

#include <stdio.h>
#include <string.h>

static const char scheme[] = "troupe://";

static bool is_good(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '_' || letter == '.' || letter == '-';
}

/* Copies `size` bytes when they are a name. */
static bool take(const char *bytes, size_t size, char out[static TR_NODE_NAME_SIZE_MAX + 1])
{
    if (size == 0 || size > TR_NODE_NAME_SIZE_MAX) {
        return false;
    }
    for (size_t index = 0; index < size; index++) {
        if (!is_good(bytes[index])) {
            return false;
        }
    }
    memcpy(out, bytes, size);
    out[size] = '\0';
    return true;
}

bool tr_tls_name_is_valid(const char *text)
{
    char copy[TR_NODE_NAME_SIZE_MAX + 1];

    return take(text, strnlen(text, (size_t)TR_NODE_NAME_SIZE_MAX + 1), copy);
}

/* Takes what stands before the next slash off the front. */
static bool cut(const char **bytes, size_t *size, const char **part, size_t *part_size)
{
    const char *slash = memchr(*bytes, '/', *size);

    if (slash == NULL) {
        return false;
    }
    *part = *bytes;
    *part_size = (size_t)(slash - *bytes);
    *size -= *part_size + 1;
    *bytes = slash + 1;
    return true;
}

static bool is(const char *part, size_t size, const char *word)
{
    return size == strlen(word) && memcmp(part, word, size) == 0;
}

bool tr_tls_name_parse(const char *uri, size_t size, struct tr_tls_name *name)
{
    const size_t head = sizeof(scheme) - 1;
    struct tr_tls_name got = {.role = TR_TLS_NODE};
    const char *part = NULL;
    size_t part_size = 0;

    if (size < head || memcmp(uri, scheme, head) != 0) {
        return false;
    }
    uri += head;
    size -= head;
    if (!cut(&uri, &size, &part, &part_size) || !take(part, part_size, got.cluster) ||
        !cut(&uri, &size, &part, &part_size) || !take(uri, size, got.name)) {
        return false;
    }
    if (is(part, part_size, "client")) {
        got.role = TR_TLS_CLIENT;
    } else if (!is(part, part_size, "node")) {
        return false;
    }
    *name = got;
    return true;
}

void tr_tls_name_print(const struct tr_tls_name *name, char uri[static TR_TLS_URI_SIZE])
{
    (void)snprintf(uri, TR_TLS_URI_SIZE, "%s%s/%s/%s", scheme, name->cluster,
                   name->role == TR_TLS_CLIENT ? "client" : "node", name->name);
}
