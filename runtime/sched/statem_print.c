/* State machines as data: whether a table makes sense, and what it looks like. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "troupe/statem.h"

/* ---- checking ---- */

static bool exists(const troupe_statem *machine, int32_t state)
{
    return state >= 0 && (size_t)state < machine->states_count;
}

static bool is_same(const troupe_transition *a, const troupe_transition *b)
{
    return a->from == b->from && (a->on == NULL) == (b->on == NULL) &&
           (a->on == NULL || troupe_type_is(a->on, b->on));
}

static const char *what_is_wrong(const troupe_statem *machine, const troupe_transition *row)
{
    if (row->from != TROUPE_STATE_ANY && !exists(machine, row->from)) {
        return "is from a state that does not exist";
    }
    if (row->to != TROUPE_STATE_KEEP && row->to != TROUPE_STATE_STOP && !exists(machine, row->to)) {
        return "goes to a state that does not exist";
    }
    for (const troupe_transition *other = machine->transitions; other != row; other++) {
        if (is_same(other, row)) {
            return "is for the same message in the same state as one before";
        }
    }
    return NULL;
}

troupe_status troupe_statem_check(const troupe_statem *machine, char *error, size_t error_size)
{
    const char *why = NULL;
    size_t at = 0;

    if (machine->states == NULL || !exists(machine, machine->initial)) {
        why = "the machine has no states, or not the one it begins with";
    }
    for (size_t i = 0; why == NULL && i < machine->states_count; i++) {
        why = machine->states[i].name == NULL ? "a state has no name" : NULL;
    }
    for (size_t i = 0; why == NULL && i < machine->transitions_count; i++) {
        why = what_is_wrong(machine, &machine->transitions[i]);
        at = i + 1;
        if (why != NULL && error != NULL) {
            (void)snprintf(error, error_size, "row %zu of the machine %s", at, why);
            return TROUPE_E_INVALID;
        }
    }
    if (why != NULL && error != NULL) {
        (void)snprintf(error, error_size, "%s", why);
    }
    return why == NULL ? TROUPE_OK : TROUPE_E_INVALID;
}

/* ---- printing ---- */

struct page {
    char *text;
    size_t size;
    size_t used; /* of the whole, also where it is cut off */
};

__attribute__((format(printf, 2, 3))) static void print(struct page *page, const char *format, ...)
{
    va_list arguments;
    const bool room = page->used < page->size;

    va_start(arguments, format);
    const int length = vsnprintf(room ? page->text + page->used : NULL,
                                 room ? page->size - page->used : 0, format, arguments);

    va_end(arguments);
    page->used += length > 0 ? (size_t)length : 0;
}

/* Whether a row of any state is hidden in this one by a row of its own. */
static bool is_hidden(const troupe_statem *machine, const troupe_transition *row, int32_t state)
{
    for (size_t i = 0; i < machine->transitions_count; i++) {
        const troupe_transition *own = &machine->transitions[i];
        const troupe_transition here = {.from = state, .on = row->on};

        if (is_same(own, &here)) {
            return true;
        }
    }
    return false;
}

static void print_label(struct page *page, const troupe_statem *machine,
                        const troupe_transition *row, int32_t state)
{
    const uint32_t timeout_ms = machine->states[state].timeout_ms;

    if (row->on == NULL) {
        print(page, " : anything else");
    } else if (troupe_type_is(row->on, &troupe_state_timeout_type) && timeout_ms != 0) {
        print(page, " : after %u ms", timeout_ms);
    } else {
        print(page, " : %s", row->on->name);
    }
    print(page, "%s\n", row->postpone ? " (postponed)" : "");
}

static void print_row(struct page *page, const troupe_statem *machine, const troupe_transition *row,
                      int32_t state)
{
    const char *from = machine->states[state].name;

    if (row->to == TROUPE_STATE_STOP) {
        print(page, "    %s --> [*]", from);
    } else {
        print(page, "    %s --> %s", from,
              row->to == TROUPE_STATE_KEEP ? from : machine->states[row->to].name);
    }
    print_label(page, machine, row, state);
}

size_t troupe_statem_print(const troupe_statem *machine, char *text, size_t size)
{
    struct page page = {.text = text, .size = size};

    if (size > 0) {
        text[0] = '\0';
    }
    if (troupe_statem_check(machine, NULL, 0) != TROUPE_OK) {
        return 0;
    }
    print(&page, "stateDiagram-v2\n    [*] --> %s\n", machine->states[machine->initial].name);
    for (int32_t state = 0; (size_t)state < machine->states_count; state++) {
        for (size_t i = 0; i < machine->transitions_count; i++) {
            const troupe_transition *row = &machine->transitions[i];

            if (row->from == state ||
                (row->from == TROUPE_STATE_ANY && !is_hidden(machine, row, state))) {
                print_row(&page, machine, row, state);
            }
        }
    }
    return page.used;
}
