/* The arguments of an actor that is started by the name of its behavior, as bytes and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/spawn.h"
#include "type/value.h"

troupe_status tr_spawn_encode_args(struct tr_spawn_request *request, const troupe_type *type,
                                   const void *args)
{
    if (args == NULL || type == NULL) {
        return TROUPE_OK;
    }
    const size_t size_max = tr_value_encoded_size_max(type, args);
    uint8_t *bytes = malloc(size_max == 0 ? 1 : size_max);

    if (bytes == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    request->args_size = tr_value_encode(type, args, bytes, size_max);
    request->args = bytes;
    request->args_type = type->name;
    return TROUPE_OK;
}

troupe_status tr_spawn_decode_args(const troupe_behavior *behavior,
                                   const struct tr_spawn_request *request, void **args, char *error,
                                   size_t error_size)
{
    size_t size = 0;

    *args = NULL;
    if (request->args_type[0] == '\0' || behavior->args == NULL) {
        return TROUPE_OK;
    }
    if (strcmp(behavior->args->name, request->args_type) != 0) {
        (void)snprintf(error, error_size, "behavior \"%s\" takes \"%s\", not \"%s\"",
                       behavior->name, behavior->args->name, request->args_type);
        return TROUPE_E_TYPE;
    }
    const troupe_status status = tr_value_decoded_size(
        behavior->args, request->args, request->args_size, &size, error, error_size);

    if (status != TROUPE_OK) {
        return status;
    }
    *args = malloc(size == 0 ? 1 : size);
    if (*args == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    tr_value_decode_into(behavior->args, request->args, request->args_size, *args, size);
    return TROUPE_OK;
}
