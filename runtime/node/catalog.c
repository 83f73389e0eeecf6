/* Types and behaviors that a node knows by name, and the modules they come from. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/loop.h"
#include "node/alive.h"
#include "node/node.h"
#include "node/places.h"
#include "node/rpc.h"
#include "troupe/group.h"
#include "troupe/rpc.h"

troupe_status tr_catalog_init(struct troupe_node *node)
{
    static const troupe_type *const builtin[] = {
        &troupe_exit_type,           &troupe_down_type,
        &troupe_node_type,           &troupe_timeout_type,
        &troupe_list_children_type,  &troupe_children_type,
        &troupe_count_children_type, &troupe_children_count_type,
        &troupe_start_child_type,    &troupe_terminate_child_type,
        &troupe_restart_child_type,  &troupe_delete_child_type,
        &troupe_child_state_type,    &troupe_group_type,
        &troupe_alive_type,          &troupe_ask_type,
        &troupe_answer_type};
    const troupe_status status = tr_types_create(&tr_state_allocator, &node->types);

    if (status != TROUPE_OK) {
        return status;
    }
    for (size_t i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++) {
        const troupe_status added = tr_types_add(node->types, builtin[i], NULL, 0);

        if (added != TROUPE_OK) {
            return added;
        }
    }
    return TROUPE_OK;
}

void tr_catalog_fini(struct troupe_node *node)
{
    for (size_t i = 0; i < node->modules_count; i++) {
        if (node->modules[i] != NULL) {
            (void)dlclose(node->modules[i]);
        }
    }
    free(node->modules);
    free((void *)node->module_entries);
    free((void *)node->behaviors);
    tr_types_destroy(node->types);
}

const troupe_behavior *tr_catalog_behavior(struct troupe_node *node, const char *name)
{
    const troupe_behavior *found = NULL;

    tr_mutex_lock(&node->catalog_mutex);
    for (size_t i = 0; i < node->behaviors_count && found == NULL; i++) {
        if (strcmp(node->behaviors[i]->name, name) == 0) {
            found = node->behaviors[i];
        }
    }
    tr_mutex_unlock(&node->catalog_mutex);
    return found;
}

const troupe_type *tr_catalog_type(struct troupe_node *node, const char *name, size_t size)
{
    tr_mutex_lock(&node->catalog_mutex);
    const troupe_type *type = tr_types_find(node->types, name, size);

    tr_mutex_unlock(&node->catalog_mutex);
    return type;
}

/* Under the catalog's lock. */
static troupe_status add_type(struct troupe_node *node, const troupe_type *type, char *error,
                              size_t error_size)
{
    if (tr_types_find(node->types, type->name == NULL ? "" : type->name,
                      type->name == NULL ? 0 : strlen(type->name)) == type) {
        return TROUPE_OK;
    }
    if (tr_type_is_reserved(type)) {
        (void)snprintf(error, error_size,
                       "type \"%.100s\": names that begin with \"troupe.\" are the library's",
                       type->name);
        return TROUPE_E_INVALID;
    }
    return tr_types_add(node->types, type, error, error_size);
}

troupe_status troupe_node_add_type(troupe_node *node, const troupe_type *type, char *error,
                                   size_t error_size)
{
    tr_mutex_lock(&node->catalog_mutex);
    const troupe_status status = add_type(node, type, error, error_size);

    tr_mutex_unlock(&node->catalog_mutex);
    return status;
}

/* The types that a behavior names: of its handlers, state and arguments. Under the lock. */
static troupe_status add_types_of(struct troupe_node *node, const troupe_behavior *behavior,
                                  char *error, size_t error_size)
{
    troupe_status status = TROUPE_OK;

    for (const troupe_handler *each = behavior->handlers;
         each != NULL && each->type != NULL && status == TROUPE_OK; each++) {
        status = add_type(node, each->type, error, error_size);
    }
    if (status == TROUPE_OK && behavior->state != NULL) {
        status = add_type(node, behavior->state, error, error_size);
    }
    if (status == TROUPE_OK && behavior->args != NULL) {
        status = add_type(node, behavior->args, error, error_size);
    }
    return status;
}

static troupe_status add_behavior(struct troupe_node *node, const troupe_behavior *behavior,
                                  char *error, size_t error_size)
{
    const troupe_behavior **grown = NULL;

    if (behavior->name == NULL || behavior->name[0] == '\0' || strlen(behavior->name) > 127) {
        (void)snprintf(error, error_size, "a behavior's name has 1 to 127 bytes");
        return TROUPE_E_INVALID;
    }
    for (size_t i = 0; i < node->behaviors_count; i++) {
        if (node->behaviors[i] == behavior) {
            return TROUPE_OK;
        }
        if (strcmp(node->behaviors[i]->name, behavior->name) == 0) {
            (void)snprintf(error, error_size, "there is another behavior \"%s\"", behavior->name);
            return TROUPE_E_EXISTS;
        }
    }
    const troupe_status status = add_types_of(node, behavior, error, error_size);

    if (status != TROUPE_OK) {
        return status;
    }
    grown = realloc((void *)node->behaviors, (node->behaviors_count + 1) * sizeof(*grown));
    if (grown == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    grown[node->behaviors_count++] = behavior;
    node->behaviors = grown;
    return TROUPE_OK;
}

/* Tells the registry, on its thread, which behaviors can be recovered here. */
static void publish_behaviors(void *context)
{
    struct troupe_node *node = context;
    const char **names = NULL;
    size_t count = 0;

    tr_mutex_lock(&node->catalog_mutex);
    names = calloc(node->behaviors_count + 1, sizeof(*names));
    for (size_t i = 0; names != NULL && i < node->behaviors_count; i++) {
        if (node->behaviors[i]->state != NULL) {
            names[count++] = node->behaviors[i]->name;
        }
    }
    tr_mutex_unlock(&node->catalog_mutex);
    if (names != NULL && !node->leaving) {
        node->registry->port.set_behaviors(node->registry->port.context, names, count);
    }
    free((void *)names);
}

void tr_catalog_publish(struct troupe_node *node)
{
    if (node->loop != NULL && tr_loop_post(node->loop, publish_behaviors, node) != TROUPE_OK) {
        tr_node_log(node, TROUPE_LOG_ERROR, "cannot tell the registry of new behaviors");
    }
    tr_places_tell(node, true);
}

troupe_status tr_catalog_add(struct troupe_node *node, const troupe_behavior *const *behaviors,
                             char *error, size_t error_size)
{
    troupe_status status = TROUPE_OK;

    tr_mutex_lock(&node->catalog_mutex);
    for (size_t i = 0; behaviors != NULL && behaviors[i] != NULL && status == TROUPE_OK; i++) {
        status = add_behavior(node, behaviors[i], error, error_size);
    }
    tr_mutex_unlock(&node->catalog_mutex);
    return status;
}

troupe_status troupe_node_add_behavior(troupe_node *node, const troupe_behavior *behavior,
                                       char *error, size_t error_size)
{
    const troupe_behavior *const behaviors[] = {behavior, NULL};
    const troupe_status status = tr_catalog_add(node, behaviors, error, error_size);

    if (status == TROUPE_OK) {
        tr_catalog_publish(node);
    }
    return status;
}

static troupe_status remember_module(struct troupe_node *node, const troupe_module *module,
                                     void *handle)
{
    const size_t count = node->modules_count + 1;
    void **handles = realloc(node->modules, count * sizeof(*handles));

    if (handles == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    node->modules = handles;
    const troupe_module **entries = realloc((void *)node->module_entries, count * sizeof(*entries));

    if (entries == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    node->module_entries = entries;
    handles[count - 1] = handle;
    entries[count - 1] = module;
    node->modules_count = count;
    return TROUPE_OK;
}

static troupe_status add_module(struct troupe_node *node, const troupe_module *module, void *handle,
                                char *error, size_t error_size)
{
    troupe_status status = TROUPE_OK;

    if (module->abi != TROUPE_MODULE_ABI) {
        (void)snprintf(error, error_size, "module \"%s\" was built for ABI %u, this is %u",
                       module->name == NULL ? "?" : module->name, (unsigned)module->abi,
                       (unsigned)TROUPE_MODULE_ABI);
        return TROUPE_E_MODULE;
    }
    tr_mutex_lock(&node->catalog_mutex);
    for (size_t i = 0; module->types != NULL && module->types[i] != NULL && status == TROUPE_OK;
         i++) {
        status = add_type(node, module->types[i], error, error_size);
    }
    for (size_t i = 0;
         module->behaviors != NULL && module->behaviors[i] != NULL && status == TROUPE_OK; i++) {
        status = add_behavior(node, module->behaviors[i], error, error_size);
    }
    if (status == TROUPE_OK) {
        status = remember_module(node, module, handle);
    }
    tr_mutex_unlock(&node->catalog_mutex);
    return status;
}

troupe_status troupe_node_add_module(troupe_node *node, const troupe_module *module, char *error,
                                     size_t error_size)
{
    troupe_status status = add_module(node, module, NULL, error, error_size);

    if (status == TROUPE_OK && module->start != NULL) {
        status = module->start(node);
    }
    if (status == TROUPE_OK) {
        tr_catalog_publish(node);
    }
    return status;
}

troupe_status troupe_node_load_module(troupe_node *node, const char *path, char *error,
                                      size_t error_size)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *why = handle == NULL ? dlerror() : NULL;

    if (handle == NULL) {
        (void)snprintf(error, error_size, "%s", why == NULL ? path : why);
        return TROUPE_E_MODULE;
    }
    const troupe_module *module = dlsym(handle, TROUPE_MODULE_SYMBOL);

    if (module == NULL) {
        (void)snprintf(error, error_size, "%s: has no symbol %s", path, TROUPE_MODULE_SYMBOL);
        (void)dlclose(handle);
        return TROUPE_E_MODULE;
    }
    troupe_status status = add_module(node, module, handle, error, error_size);

    if (status == TROUPE_OK && module->start != NULL) {
        status = module->start(node);
        if (status != TROUPE_OK) {
            (void)snprintf(error, error_size, "%s: its start function answered: %s", path,
                           troupe_status_text(status));
        }
    }
    if (status == TROUPE_OK) {
        tr_catalog_publish(node);
    }
    return status;
}

void tr_catalog_behavior_name(struct troupe_node *node, uint64_t address, char *name, size_t size)
{
    name[0] = '\0';
    tr_mutex_lock(&node->catalog_mutex);
    for (size_t i = 0; i < node->behaviors_count; i++) {
        if ((uint64_t)(uintptr_t)node->behaviors[i] == address) {
            (void)snprintf(name, size, "%s", node->behaviors[i]->name);
        }
    }
    tr_mutex_unlock(&node->catalog_mutex);
}
