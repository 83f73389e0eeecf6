#include "cli/look.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/print.h"
#include "cli/target.h"
#include "troupe/pid.h"

#define ROWS_MAX 10000u
#define ROWS_DEFAULT 1000u
#define INDENT_MAX 40 /* levels that are shown by blanks; deeper ones stand below each other */

static int memory_problem(struct cli *cli)
{
    return problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
}

static bool add_option(const struct cli *cli, cJSON *request, enum option_id id, const char *key)
{
    return !cli_has(cli, id) || cJSON_AddStringToObject(request, key, cli->options[id]) != NULL;
}

/* Asks the node of --node. */
static int ask(struct cli *cli, const char *op, uint32_t rows, cJSON **reply)
{
    cJSON *request = target_begin(cli, op);
    struct target *target = NULL;
    uint32_t limit = 0;
    int status = cli_count(cli, OPTION_LIMIT, ROWS_MAX, rows, &limit);

    if (status == 0 && (cJSON_AddNumberToObject(request, "limit", limit) == NULL ||
                        !add_option(cli, request, OPTION_SORT, "sort") ||
                        !add_option(cli, request, OPTION_BEHAVIOR, "behavior"))) {
        status = memory_problem(cli);
    }
    if (status == 0) {
        status = target_open_node(cli, cli->options[OPTION_NODE], 0, &target);
    }
    if (status == 0) {
        status = target_ask(cli, target, request, reply);
    }
    target_close(target);
    cJSON_Delete(request);
    return status;
}

static cJSON *list_of(const cJSON *reply, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(reply, key);
}

int look_actors(struct cli *cli)
{
    static const char *const columns[] = {
        "pid",          "name", "behavior", "mailbox_messages", "oldest_message_seconds", "handled",
        "memory_bytes", "busy", NULL};
    cJSON *reply = NULL;
    int status = ask(cli, "actors", ROWS_DEFAULT, &reply);

    if (status == 0) {
        status = print_items(cli, list_of(reply, "actors"), columns);
    }
    cJSON_Delete(reply);
    return status;
}

/* ---- the tree ---- */

struct branch {
    const cJSON *actor;
    const cJSON *child; /* what its supervisor says of it; NULL: none does */
    troupe_pid pid;
    troupe_pid parent;
    size_t first; /* index + 1 of its first child; 0: none */
    size_t last;
    size_t next; /* of the same parent */
};

struct tree {
    struct branch *branches; /* by pid */
    size_t count;
    const cJSON *children;
    uint64_t node_id; /* whose tree it is: other nodes are here for its children only */
    const char **cells;
    char **owned; /* the first cell of each line */
    size_t lines;
    size_t lines_max;
};

enum { TREE_COLUMNS = 7, TREE_NODES_MAX = 64 };

static const char *text_in(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    return text != NULL ? text : "";
}

static int compare_pids(troupe_pid a, troupe_pid b)
{
    if (a.node != b.node) {
        return a.node < b.node ? -1 : 1;
    }
    return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

static int by_pid(const void *a, const void *b)
{
    return compare_pids(((const struct branch *)a)->pid, ((const struct branch *)b)->pid);
}

static struct branch *find_branch(const struct tree *tree, troupe_pid pid)
{
    const struct branch key = {.pid = pid};

    return bsearch(&key, tree->branches, tree->count, sizeof(key), by_pid);
}

static troupe_pid pid_in(const cJSON *object, const char *key)
{
    troupe_pid pid = {0};

    if (troupe_pid_parse(text_in(object, key), &pid) != TROUPE_OK) {
        return (troupe_pid){0};
    }
    return pid;
}

/* Sorts the actors and hangs each below its parent; the others are roots. */
static void join_branches(struct tree *tree, const cJSON *actors)
{
    const cJSON *item = NULL;

    cJSON_ArrayForEach(item, actors)
    {
        tree->branches[tree->count++] = (struct branch){
            .actor = item, .pid = pid_in(item, "pid"), .parent = pid_in(item, "parent")};
    }
    qsort(tree->branches, tree->count, sizeof(*tree->branches), by_pid);
    for (size_t i = 0; i < tree->count; i++) {
        struct branch *parent = find_branch(tree, tree->branches[i].parent);

        if (parent == NULL || parent == &tree->branches[i]) {
            continue;
        }
        if (parent->first == 0) {
            parent->first = i + 1;
        } else {
            tree->branches[parent->last - 1].next = i + 1;
        }
        parent->last = i + 1;
    }
    cJSON_ArrayForEach(item, tree->children)
    {
        struct branch *branch = find_branch(tree, pid_in(item, "pid"));

        if (branch != NULL) {
            branch->child = item;
        }
    }
}

/* A line of the table: "  " for each level, then the pid. */
static bool add_line(struct tree *tree, int depth, const char *pid, const cJSON *actor,
                     const cJSON *child)
{
    const size_t blanks = (size_t)(depth < INDENT_MAX ? depth : INDENT_MAX) * 2;
    char *first = tree->lines < tree->lines_max ? malloc(blanks + strlen(pid) + 1) : NULL;
    const char **cells = tree->cells + ((tree->lines + 1) * TREE_COLUMNS);
    const cJSON *mailbox = cJSON_GetObjectItemCaseSensitive(actor, "mailbox_messages");
    const cJSON *restarts = cJSON_GetObjectItemCaseSensitive(child, "restarts");

    if (first == NULL) {
        return false;
    }
    memset(first, ' ', blanks);
    memcpy(first + blanks, pid, strlen(pid) + 1);
    tree->owned[tree->lines++] = first;
    cells[0] = first;
    cells[1] = text_in(actor, "name");
    cells[2] = actor != NULL                      ? text_in(actor, "behavior")
               : text_in(child, "pid")[0] != '\0' ? text_in(child, "behavior")
                                                  : "(not running)";
    cells[3] = text_in(child, "id");
    /* print_exact_numbers has made texts of the numbers. */
    cells[4] = cJSON_IsRaw(restarts) ? restarts->valuestring : "";
    cells[5] = cJSON_IsRaw(mailbox) ? mailbox->valuestring : "";
    cells[6] = text_in(actor != NULL ? actor : child, "node");
    return true;
}

/* Children of a supervisor that do not run, or whose node was not asked. */
static bool add_missing(struct tree *tree, int depth, const char *supervisor)
{
    const cJSON *item = NULL;

    cJSON_ArrayForEach(item, tree->children)
    {
        const char *pid = text_in(item, "pid");

        if (find_branch(tree, pid_in(item, "pid")) == NULL &&
            strcmp(text_in(item, "supervisor"), supervisor) == 0 &&
            !add_line(tree, depth, pid[0] != '\0' ? pid : "-", NULL, item)) {
            return false;
        }
    }
    return true;
}

/* Walks down from a root. Each branch has one parent, so none is met twice. */
static bool add_root(struct tree *tree, struct branch *root, struct branch **path)
{
    size_t depth = 0;
    struct branch *branch = root;

    while (branch != NULL) {
        const char *pid = text_in(branch->actor, "pid");

        if (!add_line(tree, (int)depth, pid, branch->actor, branch->child) ||
            (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(branch->actor, "supervisor")) &&
             !add_missing(tree, (int)depth + 1, pid))) {
            return false;
        }
        path[depth++] = branch;
        size_t next = branch->first;

        while (next == 0 && depth > 1) {
            next = path[--depth]->next;
        }
        branch = next == 0 ? NULL : &tree->branches[next - 1];
    }
    return true;
}

static int print_tree(struct cli *cli, const struct tree *tree)
{
    static const char *const titles[TREE_COLUMNS] = {
        "pid", "name", "behavior", "id", "restarts", "mailbox_messages", "node"};

    for (size_t i = 0; i < TREE_COLUMNS; i++) {
        tree->cells[i] = titles[i];
    }
    print_table(&(struct print_cells){
        .cells = tree->cells, .rows = tree->lines + 1, .columns = TREE_COLUMNS});
    (void)cli;
    return 0;
}

static int draw(struct cli *cli, cJSON *reply, uint64_t node_id)
{
    const cJSON *actors = list_of(reply, "actors");
    struct tree tree = {.children = list_of(reply, "children"), .node_id = node_id};
    const size_t count = (size_t)cJSON_GetArraySize(actors);
    struct branch **path = (struct branch **)calloc(count + 1, sizeof(*path));
    bool whole = true;
    int status = 0;

    print_exact_numbers(reply);
    tree.lines_max = count + (size_t)cJSON_GetArraySize(tree.children);
    tree.branches = calloc(count + 1, sizeof(*tree.branches));
    tree.cells = (const char **)calloc((tree.lines_max + 1) * TREE_COLUMNS, sizeof(*tree.cells));
    tree.owned = (char **)calloc(tree.lines_max + 1, sizeof(*tree.owned));
    if (path == NULL || tree.branches == NULL || tree.cells == NULL || tree.owned == NULL) {
        status = memory_problem(cli);
    } else {
        join_branches(&tree, actors);
        for (size_t i = 0; i < tree.count && whole; i++) {
            struct branch *branch = &tree.branches[i];

            if (branch->pid.node == node_id && find_branch(&tree, branch->parent) == NULL) {
                whole = add_root(&tree, branch, path);
            }
        }
        status = whole ? print_tree(cli, &tree) : memory_problem(cli);
    }
    for (size_t i = 0; i < tree.lines; i++) {
        free(tree.owned[i]);
    }
    free((void *)tree.owned);
    free((void *)tree.cells);
    free(tree.branches);
    free((void *)path);
    return status;
}

/* Says of each actor of a reply on which node it is. */
static bool note_node(const cJSON *reply)
{
    cJSON *item = NULL;

    cJSON_ArrayForEach(item, list_of(reply, "actors"))
    {
        if (cJSON_AddStringToObject(item, "node", text_in(reply, "node")) == NULL) {
            return false;
        }
    }
    return true;
}

static void move_items(cJSON *from, cJSON *to)
{
    cJSON *item = NULL;

    while ((item = cJSON_DetachItemFromArray(from, 0)) != NULL) {
        (void)cJSON_AddItemToArray(to, item);
    }
}

/* Adds the tree of another node; one that does not answer is left out, its children are told of by
 * their supervisor. */
static int add_tree_of(struct cli *cli, const char *name, cJSON *reply)
{
    cJSON *request = target_begin(cli, "tree");
    cJSON *more = NULL;
    struct target *target = NULL;
    int status = 0;

    if (request == NULL || cJSON_AddNumberToObject(request, "limit", ROWS_MAX) == NULL) {
        status = memory_problem(cli);
    } else if (target_open_node(cli, name, 0, &target) == 0 &&
               target_ask(cli, target, request, &more) == 0) {
        status = note_node(more) ? 0 : memory_problem(cli);
        move_items(list_of(more, "actors"), list_of(reply, "actors"));
        move_items(list_of(more, "children"), list_of(reply, "children"));
    }
    target_close(target);
    cJSON_Delete(more);
    cJSON_Delete(request);
    return status;
}

/* The first node that has children of these supervisors and was not asked. */
static const char *unasked(const cJSON *reply, char asked[][64], size_t count)
{
    const cJSON *item = NULL;

    cJSON_ArrayForEach(item, list_of(reply, "children"))
    {
        const char *name = text_in(item, "node");
        size_t i = 0;

        while (i < count && strcmp(asked[i], name) != 0) {
            i++;
        }
        if (i == count && name[0] != '\0' && strlen(name) < sizeof(asked[0])) {
            return name;
        }
    }
    return NULL;
}

/* Follows children to other nodes, unless one node alone was to be asked (--admin). */
static int follow(struct cli *cli, cJSON *reply)
{
    char asked[TREE_NODES_MAX][64];
    size_t count = 0;
    int status = note_node(reply) ? 0 : memory_problem(cli);

    (void)snprintf(asked[count++], sizeof(asked[0]), "%s", text_in(reply, "node"));
    while (status == 0 && !cli_has(cli, OPTION_ADMIN) && count < TREE_NODES_MAX) {
        const char *name = unasked(reply, asked, count);

        if (name == NULL) {
            break;
        }
        (void)snprintf(asked[count], sizeof(asked[0]), "%s", name);
        status = add_tree_of(cli, asked[count++], reply);
    }
    return status;
}

int command_tree(struct cli *cli)
{
    cJSON *reply = NULL;
    int status = ask(cli, "tree", ROWS_MAX, &reply);

    if (status == 0 && cli->format == CLI_JSON) {
        cJSON_DeleteItemFromObjectCaseSensitive(reply, "ok");
        print_exact_numbers(reply);
        status = print_json(cli, reply);
    } else if (status == 0) {
        const uint64_t node_id =
            pid_in(cJSON_GetArrayItem(list_of(reply, "actors"), 0), "pid").node;

        status = follow(cli, reply);
        status = status == 0 ? draw(cli, reply, node_id) : status;
    }
    cJSON_Delete(reply);
    return status;
}
