#include "dist/placement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "troupe/placement.h"

/* ---- reading ---- */

/* A rule while it is read. */
struct reading {
    const char *text;
    struct tr_placement *rule;
    char chosen[TR_NODE_NAME_SIZE_MAX + 8]; /* the word that says how; "": none yet */
    char *error;
    size_t error_size;
};

struct word {
    const char *at;
    size_t size;
};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static troupe_status wrong(const struct reading *reading, const char *at, const char *what)
{
    if (reading->error != NULL) {
        (void)snprintf(reading->error, reading->error_size, "placement \"%.80s\", column %zu: %s",
                       reading->text, (size_t)(at - reading->text) + 1, what);
    }
    return TROUPE_E_INVALID;
}

/* Copies a name out of a word. what: "node" or "role". */
static troupe_status read_name(const struct reading *reading, struct word word, const char *what,
                               char name[TR_NODE_NAME_SIZE_MAX + 1])
{
    char why[160];

    if (word.size == 0 || word.size > TR_NODE_NAME_SIZE_MAX) {
        (void)snprintf(why, sizeof(why), "the name of a %s has 1 to %u characters", what,
                       TR_NODE_NAME_SIZE_MAX);
        return wrong(reading, word.at, why);
    }
    for (size_t i = 0; i < word.size; i++) {
        if (!is_name_char(word.at[i])) {
            (void)snprintf(why, sizeof(why),
                           "'%c' cannot be in the name of a %s, which is made of [A-Za-z0-9_.-]",
                           word.at[i] >= ' ' && word.at[i] <= '~' ? word.at[i] : '?', what);
            return wrong(reading, &word.at[i], why);
        }
    }
    memcpy(name, word.at, word.size);
    name[word.size] = '\0';
    return TROUPE_OK;
}

static bool is_word(struct word word, const char *text)
{
    return word.size == strlen(text) && memcmp(word.at, text, word.size) == 0;
}

static bool begins(struct word word, const char *text)
{
    return word.size >= strlen(text) && memcmp(word.at, text, strlen(text)) == 0;
}

static struct word behind(struct word word, size_t size)
{
    return (struct word){.at = word.at + size, .size = word.size - size};
}

static troupe_status read_role(const struct reading *reading, struct word word)
{
    if (reading->rule->role[0] != '\0') {
        return wrong(reading, word.at, "there is a role already");
    }
    return read_name(reading, behind(word, strlen("role:")), "role", reading->rule->role);
}

/* Says how to choose: a strategy, or a node. */
static troupe_status read_choice(struct reading *reading, struct word word)
{
    static const struct {
        const char *word;
        enum tr_placement_kind kind;
    } strategies[] = {{"local", TR_PLACE_LOCAL},
                      {"round_robin", TR_PLACE_ROUND_ROBIN},
                      {"least_loaded", TR_PLACE_LEAST_LOADED},
                      {"hash", TR_PLACE_HASH}};
    char why[160];

    if (reading->chosen[0] != '\0') {
        (void)snprintf(why, sizeof(why), "\"%.*s\" comes after \"%s\": only one of them can be",
                       word.size > 70 ? 70 : (int)word.size, word.at, reading->chosen);
        return wrong(reading, word.at, why);
    }
    (void)snprintf(reading->chosen, sizeof(reading->chosen), "%.*s",
                   word.size > 70 ? 70 : (int)word.size, word.at);
    for (size_t i = 0; i < sizeof(strategies) / sizeof(strategies[0]); i++) {
        if (is_word(word, strategies[i].word)) {
            reading->rule->kind = (uint8_t)strategies[i].kind;
            return TROUPE_OK;
        }
    }
    reading->rule->kind = TR_PLACE_NODE;
    return read_name(reading, begins(word, "node:") ? behind(word, strlen("node:")) : word, "node",
                     reading->rule->node);
}

troupe_status tr_placement_read(const char *text, struct tr_placement *out, char *error,
                                size_t error_size)
{
    struct tr_placement rule = {.kind = TR_PLACE_LOCAL};
    struct reading reading = {
        .text = text, .rule = &rule, .error = error, .error_size = error_size};
    const char *at = text == NULL ? "" : text;
    troupe_status status = TROUPE_OK;

    while (status == TROUPE_OK) {
        at += strspn(at, " ");
        const struct word word = {.at = at, .size = strcspn(at, " ")};

        if (word.size == 0) {
            break;
        }
        status = begins(word, "role:") ? read_role(&reading, word) : read_choice(&reading, word);
        at += word.size;
    }
    if (status == TROUPE_OK) {
        if (reading.chosen[0] == '\0' && rule.role[0] != '\0') {
            rule.kind = TR_PLACE_LEAST_LOADED;
        }
        *out = rule;
    }
    return status;
}

troupe_status troupe_placement_check(const char *placement, char *error, size_t error_size)
{
    struct tr_placement rule;

    return tr_placement_read(placement, &rule, error, error_size);
}

bool tr_placement_has_role(const char *roles, const char *role)
{
    const size_t size = strlen(role);

    while (*roles != '\0') {
        roles += strspn(roles, ", ");
        const size_t word = strcspn(roles, ", ");

        if (word == size && word > 0 && memcmp(roles, role, size) == 0) {
            return true;
        }
        roles += word;
    }
    return false;
}

/* ---- choosing ---- */

static int by_id(const void *a, const void *b)
{
    const struct tr_candidate *x = a;
    const struct tr_candidate *y = b;

    return (x->node_id > y->node_id) - (x->node_id < y->node_id);
}

/* What a node and a name have to do with each other. By the node's name, not its id: a node that is
 * started again gets its names back. */
static uint64_t score(const char *node, const char *key)
{
    return tr_hash_u64(tr_hash_u64(tr_hash_text(node)) ^ tr_hash_u64(tr_hash_text(key) + 1));
}

static size_t highest_score(const struct tr_candidate *candidates, size_t count, const char *key)
{
    size_t best = 0;

    for (size_t i = 1; i < count; i++) {
        if (score(candidates[i].name, key) > score(candidates[best].name, key)) {
            best = i;
        }
    }
    return best;
}

static size_t lowest_load(const struct tr_candidate *candidates, size_t count)
{
    size_t best = 0;

    for (size_t i = 1; i < count; i++) {
        if (candidates[i].load < candidates[best].load) {
            best = i;
        }
    }
    return best;
}

size_t tr_placement_choose(enum tr_placement_kind kind, struct tr_candidate *candidates,
                           size_t count, uint64_t turn, const char *key)
{
    qsort(candidates, count, sizeof(*candidates), by_id);
    switch (kind) {
    case TR_PLACE_ROUND_ROBIN:
        return (size_t)(turn % count);
    case TR_PLACE_HASH:
        return highest_score(candidates, count, key);
    case TR_PLACE_LEAST_LOADED:
    case TR_PLACE_LOCAL:
    case TR_PLACE_NODE:
        break;
    }
    return lowest_load(candidates, count);
}
