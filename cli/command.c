#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#define WORD_SIZE_MAX 32u
/* Typing errors are one or two letters; more is another word. */
#define DISTANCE_MAX 2u

static const struct option_spec options[OPTION_COUNT] = {
#define OPTION_SPEC(id, name, letter, argument, help) {(name), (letter), (argument), (help)},
    OPTIONS_MAP(OPTION_SPEC)
#undef OPTION_SPEC
};

_Static_assert(OPTION_COUNT <= 64, "the options of a command are bits of one word");

const struct option_spec *option_spec(enum option_id id)
{
    return &options[id];
}

enum option_id option_find(const char *name, size_t size)
{
    for (int id = 0; id < OPTION_COUNT; id++) {
        if (strlen(options[id].name) == size && memcmp(options[id].name, name, size) == 0) {
            return (enum option_id)id;
        }
    }
    return OPTION_COUNT;
}

enum option_id option_find_letter(char letter)
{
    for (int id = 0; id < OPTION_COUNT; id++) {
        if (options[id].letter == letter && letter != 0) {
            return (enum option_id)id;
        }
    }
    return OPTION_COUNT;
}

const struct command *command_find(const char *const *words, int count, int *words_used)
{
    for (size_t i = 0; i < commands_count; i++) {
        const struct command *command = &commands[i];

        if (count < 1 || strcmp(command->noun, words[0]) != 0) {
            continue;
        }
        if (command->verb == NULL) {
            *words_used = 1;
            return command;
        }
        if (count >= 2 && strcmp(command->verb, words[1]) == 0) {
            *words_used = 2;
            return command;
        }
    }
    return NULL;
}

bool command_has_noun(const char *noun)
{
    for (size_t i = 0; i < commands_count; i++) {
        if (strcmp(commands[i].noun, noun) == 0) {
            return true;
        }
    }
    return false;
}

void command_name(const struct command *command, char *text, size_t size)
{
    (void)snprintf(text, size, "%s%s%s", command->noun, command->verb != NULL ? " " : "",
                   command->verb != NULL ? command->verb : "");
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned edit_distance(const char *a, const char *b)
{
    const size_t rows = strnlen(a, WORD_SIZE_MAX);
    const size_t columns = strnlen(b, WORD_SIZE_MAX);
    unsigned table[WORD_SIZE_MAX + 1][WORD_SIZE_MAX + 1];

    for (size_t row = 0; row <= rows; row++) {
        for (size_t column = 0; column <= columns; column++) {
            unsigned cost = 0;

            if (row == 0 || column == 0) {
                table[row][column] = (unsigned)(row + column);
                continue;
            }
            cost = a[row - 1] == b[column - 1] ? 0 : 1;
            table[row][column] = least(table[row - 1][column - 1] + cost,
                                       least(table[row - 1][column], table[row][column - 1]) + 1);
            if (row > 1 && column > 1 && a[row - 1] == b[column - 2] &&
                a[row - 2] == b[column - 1]) {
                table[row][column] = least(table[row][column], table[row - 2][column - 2] + 1);
            }
        }
    }
    return table[rows][columns];
}

void command_suggest(const char *typed, char *text, size_t size)
{
    unsigned best = DISTANCE_MAX + 1;

    text[0] = '\0';
    for (size_t i = 0; i < commands_count; i++) {
        char name[64];
        unsigned distance = 0;

        command_name(&commands[i], name, sizeof(name));
        distance = least(edit_distance(typed, name), edit_distance(typed, commands[i].noun));
        /* A verb alone, `list`, is near no command, but `migrate` can mean only one. */
        if (commands[i].verb != NULL && strcmp(commands[i].verb, "list") != 0) {
            distance = least(distance, edit_distance(typed, commands[i].verb));
        }
        if (distance < best && distance < strlen(typed)) {
            best = distance;
            (void)snprintf(text, size, "%s", name);
        }
    }
}

void option_suggest(const char *typed, char *text, size_t size)
{
    unsigned best = DISTANCE_MAX + 1;

    text[0] = '\0';
    for (int id = 0; id < OPTION_COUNT; id++) {
        const unsigned distance = edit_distance(typed, options[id].name);

        if (distance < best && distance < strlen(typed)) {
            best = distance;
            (void)snprintf(text, size, "--%s", options[id].name);
        }
    }
}
