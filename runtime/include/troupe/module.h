/* troupe/module.h - a shared object full of types and behaviors, which a node loads.
 *
 *     TROUPE_API const troupe_module troupe_module_entry = {
 *         .abi = TROUPE_MODULE_ABI, .name = "bank", .types = types, .behaviors = behaviors};
 *
 * It exports one symbol, TROUPE_MODULE_SYMBOL. A module is never unloaded while its node runs.
 */
#ifndef TROUPE_MODULE_H
#define TROUPE_MODULE_H

#include "troupe/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TROUPE_MODULE_ABI 1
#define TROUPE_MODULE_SYMBOL "troupe_module_entry"

struct troupe_node;

typedef struct troupe_module {
    uint32_t abi; /* TROUPE_MODULE_ABI of the headers it was built with */
    const char *name;
    const troupe_type *const *types; /* ends with NULL; may be NULL. Types of handlers, states and
                                        args are added by themselves */
    const troupe_behavior *const *behaviors;          /* ends with NULL */
    troupe_status (*start)(struct troupe_node *node); /* after all is added; may be NULL */
    void (*stop)(struct troupe_node *node);           /* before the node stops; may be NULL */
} troupe_module;

#ifdef __cplusplus
}
#endif

#endif
