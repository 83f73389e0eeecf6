/* cli/cli.h - one run of the command line: what was asked, and how it ends.
 *
 * A command answers an exit status: 0, or what problem_set gave, whose problem main prints.
 * Threads: one. Memory: arguments are lent by main; files that were read are owned by the cli.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/command.h"
#include "daemon/problem.h"

#define CLI_ARGUMENTS_MAX 8
#define CLI_MODULES_MAX 16
#define CLI_TIMEOUT_MS 5000u

enum cli_format { CLI_TABLE, CLI_JSON };

struct dev_state;

struct cli {
    const struct command *command; /* NULL: none was named */
    const char *arguments[CLI_ARGUMENTS_MAX];
    int arguments_count;
    const char *options[OPTION_COUNT]; /* "" for a switch that is set, NULL for what is not given */
    const char *modules[CLI_MODULES_MAX];
    int modules_count;
    enum cli_format format;
    uint32_t timeout_ms;
    struct dev_state *dev; /* owned; what DIR/dev.json says, NULL when there is none */
    bool dev_was_read;
    struct problem problem;
};

static inline bool cli_has(const struct cli *cli, enum option_id id)
{
    return cli->options[id] != NULL;
}

/* Fills cli from the words of the command line. Answers 0 or an exit status. */
int cli_parse(struct cli *cli, int argc, char **argv);

/* Reads an option that is a count from 1 to max; fallback when it is not given. */
int cli_count(struct cli *cli, enum option_id id, uint32_t max, uint32_t fallback, uint32_t *count);

/* Prints help on one command, on the commands of a noun, or on all. */
void help_print_all(FILE *out);
void help_print_noun(FILE *out, const char *noun);
void help_print_command(FILE *out, const struct command *command);

/* The commands, as the table names them. */
int command_health(struct cli *cli);
/* Whether the command line means `health`, also one that cannot be read in full. */
bool command_is_health(int argc, char **argv);
int command_help(struct cli *cli);
int command_version(struct cli *cli);
int command_node_list(struct cli *cli);
int command_node_drain(struct cli *cli);
int command_node_undrain(struct cli *cli);
int command_node_metadata(struct cli *cli);
int command_wait(struct cli *cli);
int command_actor_list(struct cli *cli);
int command_actor_show(struct cli *cli);
int command_name_list(struct cli *cli);
int command_name_whereis(struct cli *cli);
int command_actor_trace(struct cli *cli);
int command_tree(struct cli *cli);
int command_group_list(struct cli *cli);
int command_group_members(struct cli *cli);
int command_event_list(struct cli *cli);
int command_event_tail(struct cli *cli);
int command_policy_list(struct cli *cli);
int command_policy_set(struct cli *cli);
int command_policy_unset(struct cli *cli);
int command_db_migrate(struct cli *cli);
int command_db_status(struct cli *cli);
int command_call(struct cli *cli);
int command_send(struct cli *cli);
int command_spawn(struct cli *cli);
int command_exit(struct cli *cli);
int command_ca_init(struct cli *cli);
int command_ca_issue(struct cli *cli);
int command_ca_rotate(struct cli *cli);
int command_dev_up(struct cli *cli);
int command_dev_down(struct cli *cli);
int command_dev_status(struct cli *cli);
int command_dev_psql(struct cli *cli);
int command_dev_start(struct cli *cli);
int command_dev_kill(struct cli *cli);

#endif
