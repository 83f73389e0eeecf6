/* pg/params.h - the parameters of one statement, and arrays among them.
 *
 *     reg_params_init(&params);
 *     reg_params_u64(&params, node_id);
 *     reg_params_text(&params, name);
 *     reg_array_init(&array, REG_OID_TEXT); reg_array_text(&array, "a"); ...
 *     reg_params_array(&params, &array);
 *     [send]   reg_params_fini(&params);
 *
 * Running out of memory is remembered, so that a statement is built without a check per line; who
 * sends it asks once with reg_params_ok. Arrays go in PostgreSQL's binary form: nothing to quote,
 * and a NUL-terminated text is copied once.
 *
 * Threads: the owner's. Memory: freed by fini.
 */
#ifndef REG_PG_PARAMS_H
#define REG_PG_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REG_PARAMS_MAX = 16 };

/* Object ids of built-in types; they never change. */
enum reg_oid { REG_OID_BOOL = 16, REG_OID_INT8 = 20, REG_OID_INT4 = 23, REG_OID_TEXT = 25 };

struct reg_array {
    enum reg_oid oid;
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    int32_t count;
    bool failed;
    bool has_null;
};

struct reg_params {
    int count;
    bool failed;
    char *values[REG_PARAMS_MAX];
    int lengths[REG_PARAMS_MAX];
    int formats[REG_PARAMS_MAX];
};

void reg_params_init(struct reg_params *params);
void reg_params_fini(struct reg_params *params);

/* False when something ran out of memory or was too large. */
bool reg_params_ok(const struct reg_params *params);

void reg_params_text(struct reg_params *params, const char *text); /* NULL is SQL's NULL */
void reg_params_u64(struct reg_params *params, uint64_t value);
void reg_params_i64(struct reg_params *params, int64_t value);
void reg_params_bool(struct reg_params *params, bool value);
void reg_params_uuid(struct reg_params *params, const uint8_t uuid[16]);

/* Takes what the array holds and leaves it empty. */
void reg_params_array(struct reg_params *params, struct reg_array *array);

void reg_array_init(struct reg_array *array, enum reg_oid oid);
void reg_array_fini(struct reg_array *array);
void reg_array_text(struct reg_array *array, const char *text); /* NULL is SQL's NULL */
void reg_array_u64(struct reg_array *array, uint64_t value);
void reg_array_i32(struct reg_array *array, int32_t value);
void reg_array_bool(struct reg_array *array, bool value);

#endif
