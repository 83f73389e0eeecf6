/* What is tested: core/relations, against an array that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "core/relations.h"

enum { PIDS = 40, REFS = 6, STEPS = 100000, MODEL_MAX = PIDS * (2 + 2 * REFS) };

static uint64_t seed;

struct model {
    struct tr_relation entries[MODEL_MAX];
    size_t count;
};

static troupe_pid pid_of(uint64_t index)
{
    return (troupe_pid){.node = 1 + index % 3, .id = (index / 3) << 24 | index};
}

static bool is_link(uint8_t kind)
{
    return kind == TR_RELATION_LINK || kind == TR_RELATION_UNLINKING;
}

static struct tr_relation *find(struct model *model, uint8_t kind, troupe_pid pid, uint64_t ref)
{
    for (size_t i = 0; i < model->count; i++) {
        struct tr_relation *each = &model->entries[i];
        const bool same = is_link(kind) ? is_link(each->kind) && troupe_pid_equal(each->pid, pid)
                          : kind == TR_RELATION_WATCHING ? each->kind == kind && each->ref == ref
                                                         : each->kind == kind && each->ref == ref &&
                                                               troupe_pid_equal(each->pid, pid);

        if (same) {
            return each;
        }
    }
    return NULL;
}

static struct tr_relation *look_up(const struct tr_relations *relations, uint8_t kind,
                                   troupe_pid pid, uint64_t ref)
{
    return is_link(kind)                  ? tr_relations_link(relations, pid)
           : kind == TR_RELATION_WATCHING ? tr_relations_watching(relations, ref)
                                          : tr_relations_watched(relations, pid, ref);
}

static void assert_same(const struct tr_relation *found, const struct tr_relation *expected)
{
    if (expected == NULL) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_true(troupe_pid_equal(found->pid, expected->pid));
    assert_int_equal(found->ref, expected->ref);
    assert_int_equal(found->kind, expected->kind);
    assert_int_equal(found->session, expected->session);
    assert_int_equal(found->row, expected->row);
}

static void step(struct tr_rng *rng, struct tr_relations *relations, struct model *model)
{
    const uint8_t kinds[] = {TR_RELATION_LINK, TR_RELATION_WATCHING, TR_RELATION_WATCHED};
    const uint8_t kind = kinds[tr_rng_below(rng, 3)];
    const uint64_t index = tr_rng_below(rng, PIDS);
    const uint64_t ref = kind == TR_RELATION_LINK ? 0 : 1 + tr_rng_below(rng, REFS) + index * REFS;
    const struct tr_relation wanted = {.pid = pid_of(index),
                                       .ref = ref,
                                       .session = (uint32_t)tr_rng_below(rng, 5),
                                       .kind = kind,
                                       .row = tr_rng_below(rng, 2) == 0};
    struct tr_relation *expected = find(model, kind, wanted.pid, ref);
    struct tr_relation *found = look_up(relations, kind, wanted.pid, ref);

    assert_same(found, expected);
    if (expected == NULL) {
        assert_int_equal(tr_relations_add(relations, &wanted), TROUPE_OK);
        model->entries[model->count++] = wanted;
    } else if (kind == TR_RELATION_LINK && tr_rng_below(rng, 2) == 0) {
        /* What unlink does: the kind changes in place. */
        found->kind = TR_RELATION_UNLINKING;
        found->ref = expected->ref = tr_rng_next(rng);
        expected->kind = TR_RELATION_UNLINKING;
    } else {
        tr_relations_remove(relations, found);
        *expected = model->entries[--model->count];
    }
}

/* Removes what matches while stepping through, as the loss of a node does. */
static void lose_node(struct tr_relations *relations, struct model *model, uint64_t node)
{
    struct tr_relation *each = NULL;
    uint32_t position = 0;

    while ((each = tr_relations_next(relations, &position)) != NULL) {
        if (each->pid.node == node) {
            struct tr_relation *expected = find(model, each->kind, each->pid, each->ref);

            assert_same(each, expected);
            *expected = model->entries[--model->count];
            tr_relations_remove(relations, each);
            position--;
        }
    }
    for (size_t i = 0; i < model->count; i++) {
        assert_true(model->entries[i].pid.node != node);
    }
}

static void relations_are_what_an_array_holds(void **state)
{
    struct tr_rng rng = {.state = seed};
    struct tr_relations relations = {0};
    struct model *model = calloc(1, sizeof(*model));

    (void)state;
    assert_non_null(model);
    for (int i = 0; i < STEPS; i++) {
        step(&rng, &relations, model);
        if (tr_rng_below(&rng, 2000) == 0) {
            lose_node(&relations, model, 1 + tr_rng_below(&rng, 3));
        }
        assert_int_equal(relations.count, model->count);
    }
    for (size_t i = 0; i < model->count; i++) {
        const struct tr_relation *each = &model->entries[i];

        assert_same(look_up(&relations, each->kind, each->pid, each->ref), each);
    }
    tr_relations_fini(&relations);
    free(model);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(relations_are_what_an_array_holds)};

    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20261121;
    (void)printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
