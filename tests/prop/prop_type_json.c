/* What is tested: JSON of described types, with random descriptions and random values from one
 * seed, which is printed; `prop_type_json SEED` runs it again. cJSON reads what we write, and what
 * the scan accepts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "support/random_value.h"
#include "type/heap.h"
#include "type/json.h"
#include "type/json_scan.h"
#include "type/limits.h"

enum { ROUNDS = 1000 };

static uint64_t seed;

static void json_gives_back_what_was_written(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        char error[300] = "";
        char *json = NULL;
        char *again = NULL;
        void *value = NULL;

        random_pair_init(&pair, seed, round, true);
        assert_int_equal(troupe_to_json(pair.type, pair.value, &json), TROUPE_OK);
        if (troupe_from_json(pair.type, json, &value, error, sizeof(error)) != TROUPE_OK) {
            fail_msg("%s: %s", error, json);
        }
        assert_true(values_are_equal(pair.type, value, pair.value));
        assert_int_equal(troupe_to_json(pair.type, value, &again), TROUPE_OK);
        assert_string_equal(again, json);
        troupe_json_free(again);
        troupe_json_free(json);
        troupe_value_free(value);
        random_pair_fini(&pair);
    }
}

static void assert_struct_read(const troupe_type *type, const uint8_t *value, const cJSON *item);

static void assert_integer_read(const troupe_field *field, const uint8_t *at, const cJSON *item)
{
    int64_t wide = 0;
    int32_t narrow = 0;
    uint64_t positive = 0;
    char text[32];

    if (field->kind == TROUPE_KIND_INT32 || field->kind == TROUPE_KIND_UINT32) {
        memcpy(&narrow, at, sizeof(narrow));
        assert_true(cJSON_IsNumber(item));
        assert_true(item->valuedouble ==
                    (field->kind == TROUPE_KIND_INT32 ? (double)narrow : (double)(uint32_t)narrow));
        return;
    }
    memcpy(&wide, at, sizeof(wide));
    memcpy(&positive, at, sizeof(positive));
    if (field->kind == TROUPE_KIND_INT64) {
        (void)snprintf(text, sizeof(text), "%lld", (long long)wide);
        positive = wide < 0 ? UINT64_C(0) - positive : positive;
    } else {
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)positive);
    }
    if (positive >= UINT64_C(1) << 53) {
        assert_true(cJSON_IsString(item));
        assert_string_equal(item->valuestring, text);
    } else {
        assert_true(cJSON_IsNumber(item));
        assert_true(item->valuedouble == strtod(text, NULL));
    }
}

static void assert_element_read(const troupe_field *field, const uint8_t *at, const cJSON *item)
{
    const char *string = NULL;
    double real = 0;
    troupe_pid pid;
    char text[TROUPE_PID_TEXT_SIZE];

    assert_non_null(item);
    switch ((troupe_kind)field->kind) {
    case TROUPE_KIND_NONE:
        fail();
        break;
    case TROUPE_KIND_BOOL:
        assert_int_equal(cJSON_IsTrue(item), *at != 0);
        assert_true(cJSON_IsBool(item));
        break;
    case TROUPE_KIND_INT32:
    case TROUPE_KIND_INT64:
    case TROUPE_KIND_UINT32:
    case TROUPE_KIND_UINT64:
        assert_integer_read(field, at, item);
        break;
    case TROUPE_KIND_DOUBLE:
        memcpy(&real, at, sizeof(real));
        assert_true(cJSON_IsNumber(item) ? item->valuedouble == real
                                         : strtod(item->valuestring, NULL) == real);
        break;
    case TROUPE_KIND_STRING:
        memcpy(&string, at, sizeof(string));
        if (string == NULL) {
            assert_true(cJSON_IsNull(item));
        } else {
            assert_string_equal(item->valuestring, string);
        }
        break;
    case TROUPE_KIND_BYTES:
        assert_true(cJSON_IsString(item)); /* what it says is for the unit test of base64 */
        break;
    case TROUPE_KIND_PID:
        memcpy(&pid, at, sizeof(pid));
        assert_string_equal(item->valuestring, troupe_pid_print(pid, text));
        break;
    case TROUPE_KIND_STRUCT:
        assert_struct_read(field->type, at, item);
        break;
    }
}

static void assert_struct_read(const troupe_type *type, const uint8_t *value, const cJSON *item)
{
    const cJSON *pair = item->child;

    assert_true(cJSON_IsObject(item));
    for (size_t index = 0; index < type->field_count; index++, pair = pair->next) {
        const troupe_field *field = &type->fields[index];
        const uint8_t *elements = NULL;
        size_t count = 0;

        assert_non_null(pair);
        assert_string_equal(pair->string, field->name); /* all of them, in this order */
        if (!field->array) {
            assert_element_read(field, value + field->offset, pair);
            continue;
        }
        memcpy(&elements, value + field->offset, sizeof(elements));
        memcpy(&count, value + field->count_offset, sizeof(count));
        assert_int_equal(cJSON_GetArraySize(pair), count);
        for (size_t element = 0; element < count; element++) {
            assert_element_read(field, elements + element * field->size,
                                cJSON_GetArrayItem(pair, (int)element));
        }
    }
    assert_null(pair);
}

static void cjson_reads_what_we_write(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        char *json = NULL;
        cJSON *item = NULL;

        random_pair_init(&pair, seed, round, true);
        assert_int_equal(troupe_to_json(pair.type, pair.value, &json), TROUPE_OK);
        item = cJSON_Parse(json);
        assert_non_null(item);
        assert_struct_read(pair.type, pair.value, item);
        cJSON_Delete(item);
        troupe_json_free(json);
        random_pair_fini(&pair);
    }
}

/* Puts space wherever JSON allows it, as jsonb and people do. cJSON's own printer rounds doubles,
 * so it cannot help. */
static char *space_out(struct random *random, const char *json)
{
    static const char spaces[] = " \t\r\n";
    char *spaced = random_memory(random, 3 * strlen(json) + 1);
    bool quoted = false;
    size_t size = 0;

    for (const char *at = json; *at != '\0'; at++) {
        const bool structure = !quoted && strchr("{}[]:,", *at) != NULL;

        if (structure) {
            spaced[size++] = spaces[random_below(random, 4)];
        }
        spaced[size++] = *at;
        if (structure) {
            spaced[size++] = spaces[random_below(random, 4)];
        }
        if (quoted && *at == '\\') {
            at++;
            spaced[size++] = *at;
        } else if (*at == '"') {
            quoted = !quoted;
        }
    }
    return spaced;
}

static void space_between_the_parts_changes_nothing(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        char *json = NULL;
        void *value = NULL;

        random_pair_init(&pair, seed, round, true);
        assert_int_equal(troupe_to_json(pair.type, pair.value, &json), TROUPE_OK);
        assert_int_equal(
            troupe_from_json(pair.type, space_out(&pair.random, json), &value, NULL, 0), TROUPE_OK);
        assert_true(values_are_equal(pair.type, value, pair.value));
        troupe_value_free(value);
        troupe_json_free(json);
        random_pair_fini(&pair);
    }
}

static void a_version_with_fewer_fields_reads_the_state_of_one_with_more(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        const troupe_type *version = NULL;
        char *json = NULL;
        char *exact = NULL;
        void *value = NULL;
        size_t size = 0;

        random_pair_init(&pair, seed, round, true);
        version = random_version(&pair.random, pair.type);
        assert_int_equal(troupe_to_json(pair.type, pair.value, &json), TROUPE_OK);
        size = strlen(json);
        exact = malloc(size); /* without NUL, as the database gives it */
        assert_non_null(exact);
        memcpy(exact, json, size);
        assert_int_equal(tr_value_from_json_lenient(version, exact, size, &value, NULL, 0),
                         TROUPE_OK);
        assert_true(versions_agree(version, value, pair.type, pair.value));
        troupe_value_free(value);
        free(exact);
        troupe_json_free(json);
        random_pair_fini(&pair);
    }
}

static void mutate(struct random *random, char *text, size_t *size)
{
    static const char characters[] = "{}[]\",:0123456789.-+eE\\unltrfa \n\x01\x80";
    const size_t at = random_below(random, *size);

    switch (random_below(random, 4)) {
    case 0:
        text[at] = characters[random_below(random, sizeof(characters))]; /* NUL, too */
        break;
    case 1:
        memmove(text + at, text + at + 1, *size - at - 1);
        *size -= 1;
        break;
    case 2:
        *size = at;
        break;
    default:
        text[at] = (char)random_next(random);
        break;
    }
}

static size_t mutants_accepted;

/* Whatever the scan accepts cJSON can read; and what is read has one meaning. */
static void try_mutant(const struct random_pair *pair, const char *text, size_t size)
{
    char error[300] = "";
    char *again = NULL;
    void *value = NULL;
    void *value_again = NULL;
    const troupe_status status =
        tr_value_from_json_lenient(pair->type, text, size, &value, error, sizeof(error));

    if (tr_json_scan(text, size, NULL, 0) == TROUPE_OK) {
        cJSON *item = cJSON_ParseWithLengthOpts(text, size, NULL, 0);

        if (item == NULL) {
            fail_msg("cJSON does not read %.*s", (int)size, text);
        }
        cJSON_Delete(item);
    }
    if (status != TROUPE_OK) {
        assert_true(status == TROUPE_E_TYPE || status == TROUPE_E_LIMIT);
        assert_int_not_equal(error[0], '\0');
        return;
    }
    mutants_accepted += 1;
    assert_int_equal(troupe_to_json(pair->type, value, &again), TROUPE_OK);
    assert_int_equal(troupe_from_json(pair->type, again, &value_again, NULL, 0), TROUPE_OK);
    assert_true(values_are_equal(pair->type, value, value_again));
    troupe_value_free(value_again);
    troupe_json_free(again);
    troupe_value_free(value);
}

static void mutated_text_is_refused_or_means_one_value(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        char *json = NULL;

        random_pair_init(&pair, seed, round, true);
        assert_int_equal(troupe_to_json(pair.type, pair.value, &json), TROUPE_OK);
        for (size_t mutation = 0; mutation < 30; mutation++) {
            size_t size = strlen(json);
            char *mutant = malloc(size);
            char *exact = NULL;

            assert_non_null(mutant);
            memcpy(mutant, json, size);
            mutate(&pair.random, mutant, &size);
            exact = malloc(size > 0 ? size : 1);
            assert_non_null(exact);
            memcpy(exact, mutant, size);
            try_mutant(&pair, exact, size);
            free(exact);
            free(mutant);
        }
        troupe_json_free(json);
        random_pair_fini(&pair);
    }
    assert_true(mutants_accepted > 0);
}

/* ---- memory that runs out ---- */

static size_t allocations_left;
static size_t allocations_live;

static void *scarce_malloc(size_t size)
{
    if (allocations_left == 0) {
        return NULL;
    }
    allocations_left -= 1;
    allocations_live += 1;
    return malloc(size);
}

static void scarce_free(void *block)
{
    allocations_live -= block == NULL ? 0 : 1;
    free(block);
}

static void *scarce_allocate(void *context, size_t size)
{
    (void)context;
    return scarce_malloc(size);
}

static void scarce_release(void *context, void *block)
{
    (void)context;
    scarce_free(block);
}

static const struct tr_allocator scarce = {.allocate = scarce_allocate, .release = scarce_release};

/* Answers whether reading and writing went through with that many allocations. */
static bool try_with(const struct random_pair *pair, const char *json, size_t allocations)
{
    const struct tr_json_input input = {
        .text = json, .size = strlen(json), .size_max = SIZE_MAX, .allocator = &scarce};
    struct tr_json_buffer buffer;
    char error[300] = "";
    void *value = NULL;
    troupe_status status = TROUPE_OK;

    allocations_left = allocations;
    tr_json_buffer_init(&buffer, TR_JSON_OUTPUT_SIZE_MAX, &scarce);
    status = tr_value_from_json(pair->type, &input, &value, error, sizeof(error));
    if (status == TROUPE_OK) {
        status = tr_value_to_json(pair->type, value, &buffer, error, sizeof(error));
        scarce_free(value);
    }
    if (status == TROUPE_OK) {
        assert_string_equal(buffer.data, json);
    } else {
        assert_int_equal(status, TROUPE_E_NO_MEMORY);
        assert_non_null(strstr(error, "no memory"));
        assert_int_equal(buffer.size, 0);
    }
    tr_json_buffer_fini(&buffer);
    assert_int_equal(allocations_live, 0);
    return status == TROUPE_OK;
}

static void memory_that_runs_out_anywhere_is_answered_and_nothing_leaks(void **state)
{
    cJSON_Hooks hooks = {.malloc_fn = scarce_malloc, .free_fn = scarce_free};

    (void)state;
    for (uint64_t round = 0; round < 40; round++) {
        struct random_pair pair;
        char *json = NULL;

        random_pair_init(&pair, seed, round, true);
        assert_int_equal(troupe_to_json(pair.type, pair.value, &json), TROUPE_OK);
        cJSON_InitHooks(&hooks);
        for (size_t allocations = 0; !try_with(&pair, json, allocations); allocations++) {
        }
        cJSON_InitHooks(NULL);
        troupe_json_free(json);
        random_pair_fini(&pair);
    }
}

int main(int argument_count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_gives_back_what_was_written),
        cmocka_unit_test(cjson_reads_what_we_write),
        cmocka_unit_test(space_between_the_parts_changes_nothing),
        cmocka_unit_test(a_version_with_fewer_fields_reads_the_state_of_one_with_more),
        cmocka_unit_test(mutated_text_is_refused_or_means_one_value),
        cmocka_unit_test(memory_that_runs_out_anywhere_is_answered_and_nothing_leaks),
    };

    seed = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : (uint64_t)time(NULL);
    (void)printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests_name("type/json", tests, NULL, NULL);
}
