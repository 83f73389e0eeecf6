/* Roles and metadata: comma lists of a configuration, and asking for one of their entries. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "node/members.h"

bool tr_list_next(const char **rest, struct tr_list_entry *entry)
{
    const char *at = *rest;

    if (at == NULL || *at == '\0') {
        return false;
    }
    const char *comma = strchr(at, ',');
    const char *end = comma == NULL ? at + strlen(at) : comma;

    *rest = comma == NULL ? end : comma + 1;
    while (at < end && *at == ' ') {
        at++;
    }
    while (end > at && end[-1] == ' ') {
        end--;
    }
    *entry = (struct tr_list_entry){.text = at, .size = (size_t)(end - at)};
    return true;
}

static bool is_word(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (isalnum((unsigned char)text[i]) == 0 && strchr("_.-", text[i]) == NULL) {
            return false;
        }
    }
    return size >= 1 && size <= TR_NODE_NAME_SIZE_MAX;
}

/* Finds the entry whose first size bytes are text, and which ends there or goes on with after. */
static const char *find(const char *list, const char *text, size_t size, char after)
{
    const char *at = list;

    while (at != NULL && *at != '\0') {
        if (strncmp(at, text, size) == 0 &&
            (at[size] == after || (after == ',' && at[size] == '\0'))) {
            return at;
        }
        at = strchr(at, ',');
        at = at == NULL ? NULL : at + 1;
    }
    return NULL;
}

/* Appends to a comma list; false when it does not fit. */
static bool append(char *out, size_t size, const struct tr_list_entry *entry)
{
    const size_t used = strlen(out);

    if (used + entry->size + 2 > size) {
        return false;
    }
    (void)snprintf(out + used, size - used, "%s%.*s", used == 0 ? "" : ",", (int)entry->size,
                   entry->text);
    return true;
}

const char *tr_roles_read(const char *text, char *out, size_t size)
{
    struct tr_list_entry entry = {0};

    out[0] = '\0';
    while (tr_list_next(&text, &entry)) {
        if (entry.size == 0 || find(out, entry.text, entry.size, ',') != NULL) {
            continue;
        }
        if (!is_word(entry.text, entry.size)) {
            return "roles is a comma list, each of 1 to 63 of A-Z a-z 0-9 _ . -";
        }
        if (!append(out, size, &entry)) {
            return "the roles have more than 255 bytes";
        }
    }
    return NULL;
}

static bool is_value(const char *text, size_t size)
{
    return size <= TR_METADATA_VALUE_SIZE_MAX && tr_utf8_is_line(text, size);
}

const char *tr_metadata_read(const char *text, char *out, size_t size)
{
    struct tr_list_entry entry = {0};

    out[0] = '\0';
    while (tr_list_next(&text, &entry)) {
        const char *equals = entry.size == 0 ? NULL : memchr(entry.text, '=', entry.size);

        if (entry.size == 0) {
            continue;
        }
        const size_t key_size = equals == NULL ? 0 : (size_t)(equals - entry.text);

        if (equals == NULL || !is_word(entry.text, key_size) ||
            !is_value(equals + 1, entry.size - key_size - 1)) {
            return "metadata is a comma list of key=value, keys 1 to 63 of A-Z a-z 0-9 _ . -, "
                   "values up to 255 bytes of UTF-8";
        }
        if (find(out, entry.text, key_size, '=') != NULL) {
            return "the metadata has a key twice";
        }
        if (!append(out, size, &entry)) {
            return "the metadata has more than 2,047 bytes";
        }
    }
    return NULL;
}

const char *tr_metadata_change(const char *metadata, const char *put, const char *remove, char *out,
                               size_t size)
{
    char fresh[TR_METADATA_SIZE];
    char gone[TR_METADATA_SIZE];
    const char *added = fresh;
    struct tr_list_entry entry = {0};
    const char *wrong = tr_metadata_read(put, fresh, sizeof(fresh));

    if (wrong != NULL) {
        return wrong;
    }
    if (tr_roles_read(remove, gone, sizeof(gone)) != NULL) {
        return "keys are a comma list, each of 1 to 63 of A-Z a-z 0-9 _ . -";
    }
    out[0] = '\0';
    while (tr_list_next(&metadata, &entry)) {
        const char *equals = entry.size == 0 ? NULL : memchr(entry.text, '=', entry.size);
        const size_t key_size = equals == NULL ? 0 : (size_t)(equals - entry.text);

        if (key_size > 0 && find(fresh, entry.text, key_size, '=') == NULL &&
            find(gone, entry.text, key_size, ',') == NULL) {
            (void)append(out, size, &entry); /* It has fitted before. */
        }
    }
    while (tr_list_next(&added, &entry)) {
        if (entry.size > 0 && !append(out, size, &entry)) {
            return "the metadata has more than 2,047 bytes";
        }
    }
    return NULL;
}

bool troupe_member_has_role(const troupe_member *member, const char *role)
{
    return role != NULL && role[0] != '\0' && strchr(role, ',') == NULL &&
           find(member->roles, role, strlen(role), ',') != NULL;
}

bool troupe_member_get(const troupe_member *member, const char *key, char *value, size_t size)
{
    const bool sound = key != NULL && key[0] != '\0' && strpbrk(key, ",=") == NULL;
    const char *at = sound ? find(member->metadata, key, strlen(key), '=') : NULL;

    if (at == NULL || size == 0) {
        return false;
    }
    at += strlen(key) + 1;
    const char *end = strchr(at, ',');
    const size_t length = end == NULL ? strlen(at) : (size_t)(end - at);
    const size_t kept = tr_utf8_cut(at, length < size ? length : size - 1);

    memcpy(value, at, kept);
    value[kept] = '\0';
    return true;
}
