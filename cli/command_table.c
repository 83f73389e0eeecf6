#include "cli/cli.h"
#include "cli/command.h"

/* clang-format off: one command a paragraph */
const struct command commands[] = {
    {"node", "list", "", "nodes of the cluster, from the database",
     "The last start of each node; --all shows earlier starts too.", 0, 0,
     OPTION_BIT(ALL) | OPTION_BIT(LIMIT), command_node_list},
    {"node", "drain", "NODE", "place nothing on a node any more; what runs there goes on",
     "Spawns of others are refused there, and neither names nor durable actors come to it.\n"
     "`troupe node undrain` takes it back; a stopping node drains by itself.",
     1, 1, 0, command_node_drain},
    {"node", "undrain", "NODE", "place actors on a node again", NULL, 1, 1, 0,
     command_node_undrain},
    {"node", "metadata", "NODE [KEY=VALUE]...",
     "show the metadata of a node, and change some of it",
     "Keys that are not named stay as they are; --remove takes some away. It holds until the node "
     "is\n"
     "started again, and every other node hears of it.",
     1, CLI_ARGUMENTS_MAX, OPTION_BIT(REMOVE), command_node_metadata},
    {"wait", NULL, "[NODE]...", "until nodes are up: exit status 0, else 75",
     "Waits for each NODE, and for as many nodes as --nodes says (1), with --role of those that "
     "have\n"
     "it; for a minute, or as long as --timeout says. PostgreSQL and its schema may come later "
     "too.",
     0, CLI_ARGUMENTS_MAX, OPTION_BIT(NODES) | OPTION_BIT(ROLE) | OPTION_BIT(QUIET), command_wait},
    {"actor", "list", "", "named actors, and the unnamed ones that nodes have sampled",
     "With --sort one node is asked instead: --node, else the first that answers. A - before the\n"
     "key puts the largest first: --sort -mailbox.",
     0, 0, OPTION_BIT(NODE) | OPTION_BIT(BEHAVIOR) | OPTION_BIT(LIMIT) | OPTION_BIT(SORT),
     command_actor_list},
    {"actor", "show", "NAME|PID", "all about one actor, its state included",
     "A pid is written <node.id>, with or without the angle brackets. What the database has of "
     "it,\n"
     "and what its node says, when that can be reached; with --admin that node alone.",
     1, 1, 0, command_actor_show},
    {"actor", "trace", "NAME|PID", "follow what an actor receives, sends and ends with",
     "One line for each event, until --seconds are over or the actor has ended. With -o json each\n"
     "line is an object. Other actors are not slowed down.",
     1, 1, OPTION_BIT(VALUES) | OPTION_BIT(SECONDS), command_actor_trace},
    {"tree", NULL, "", "the actors of one node below who started them, with their restarts",
     "Asks one node: --node names it, else the first that answers. Children that its supervisors\n"
     "have on other nodes are followed there, but not with -o json.",
     0, 0, OPTION_BIT(NODE) | OPTION_BIT(LIMIT), command_tree},
    {"name", "list", "", "names and who holds them", NULL, 0, 0,
     OPTION_BIT(NODE) | OPTION_BIT(LIMIT), command_name_list},
    {"name", "whereis", "NAME", "who holds a name", NULL, 1, 1, 0, command_name_whereis},
    {"call", NULL, "NAME|PID TYPE JSON", "send a request and print the reply",
     "The node that knows the type turns the JSON into a message. Numbers beyond 2^53 are written\n"
     "as strings.",
     3, 3, 0, command_call},
    {"send", NULL, "NAME|PID TYPE JSON", "send a message", NULL, 3, 3, 0, command_send},
    {"spawn", NULL, "BEHAVIOR [JSON]", "start an actor; the JSON is the argument of its init", NULL,
     1, 2,
     OPTION_BIT(NAME) | OPTION_BIT(DURABLE) | OPTION_BIT(STRICT) | OPTION_BIT(CHECKPOINT) |
         OPTION_BIT(CHECKPOINT_MS) | OPTION_BIT(NODE),
     command_spawn},
    {"exit", NULL, "NAME|PID REASON", "send an exit signal",
     "REASON is normal, shutdown, kill (cannot be trapped), or any text, which is an error.", 2, 2,
     0, command_exit},
    {"health", NULL, "", "whether the node of this host is well: exit status 0, else 1",
     "Made for health checks of containers. Asks the node at --admin, else at the admin socket "
     "that\n"
     "trouped itself would take: TROUPE_ADMIN_SOCKET, or admin_socket of its file. Without --live\n"
     "and --ready it asks for ready. -o json lists every check.",
     0, 0, OPTION_BIT(LIVE) | OPTION_BIT(READY) | OPTION_BIT(QUIET), command_health},
    {"group", "list", "", "groups of actors on one node",
     "Asks one node: --node names it, else the first that answers.", 0, 0,
     OPTION_BIT(NODE) | OPTION_BIT(LIMIT), command_group_list},
    {"group", "members", "GROUP", "which actors of the cluster are in a group", NULL, 1, 1,
     OPTION_BIT(NODE) | OPTION_BIT(LIMIT) | OPTION_BIT(LOCAL), command_group_members},
    {"event", "list", "", "what happened to the members, oldest first", NULL, 0, 0,
     OPTION_BIT(LIMIT) | OPTION_BIT(AFTER), command_event_list},
    {"event", "tail", "", "print events as they happen, until Ctrl-C",
     "With -o json each event is one line.", 0, 0, OPTION_BIT(EVENTS) | OPTION_BIT(AFTER),
     command_event_tail},
    {"policy", "list", "", "what nodes let other nodes and clients do", NULL, 0, 0, 0,
     command_policy_list},
    {"policy", "set", "node|client RIGHT=true|false...", "change what a role may do on other nodes",
     "The rights are may_spawn, may_exit and may_register; those that are not named stay as they\n"
     "are. Nodes hear of it at once. It needs a database role that owns the schema.",
     2, 4, 0, command_policy_set},
    {"policy", "unset", "node|client [RIGHT...]",
     "allow what was forbidden: the rights are true again", "Without a right: all of them.", 1, 4,
     0, command_policy_unset},
    {"db", "migrate", "", "create the schema, or bring it up to this version",
     "Safe to run any number of times, by several at once.", 0, 0, 0, command_db_migrate},
    {"db", "status", "", "which migrations the database has, and which it needs", NULL, 0, 0, 0,
     command_db_status},
    {"ca", "init", "CLUSTER", "make an authority that signs the certificates of a cluster",
     "Two files in the folder of --ca-dir: ca.key signs and stays there, ca.pem goes to all nodes\n"
     "and clients. CLUSTER is a name that stands in every certificate.",
     1, 1, OPTION_BIT(CA_DIR) | OPTION_BIT(DAYS) | OPTION_BIT(FORCE), command_ca_init},
    {"ca", "issue", "node|client NAME", "make a certificate and its key for a node or a client",
     "Writes node-NAME.pem and node-NAME.key, or client-NAME.pem and client-NAME.key. NAME of a\n"
     "node is what trouped has as --name; that of a client says what it is for, as in admin.",
     2, 2, OPTION_BIT(CA_DIR) | OPTION_BIT(OUT) | OPTION_BIT(DAYS) | OPTION_BIT(FORCE),
     command_ca_issue},
    {"ca", "rotate", "", "put a new authority in the place of the one that signs",
     "ca.pem then holds both: give it to everybody before the first certificate of the new one is\n"
     "in use. Once all have certificates of the new one, --finish drops the old one from ca.pem.",
     0, 0, OPTION_BIT(CA_DIR) | OPTION_BIT(DAYS) | OPTION_BIT(FORCE) | OPTION_BIT(FINISH),
     command_ca_rotate},
    {"dev", "up", "", "start a private PostgreSQL and some nodes, and keep them running",
     "Starts what is not running yet and leaves the rest alone. Data, logs and the cluster secret\n"
     "are kept in DIR; DIR/dev.json says where everything is.",
     0, 0,
     OPTION_BIT(NODES) | OPTION_BIT(MODULE) | OPTION_BIT(NAME_PREFIX) | OPTION_BIT(LEASE_TTL) |
         OPTION_BIT(NO_FSYNC),
     command_dev_up},
    {"dev", "down", "", "stop what `dev up` started; data is kept unless --purge", NULL, 0, 0,
     OPTION_BIT(PURGE), command_dev_down},
    {"dev", "status", "", "what of it is running", NULL, 0, 0, 0, command_dev_status},
    {"dev", "psql", "[ARG]...", "psql on the private database; arguments are psql's, after --",
     NULL, 0, CLI_ARGUMENTS_MAX, 0, command_dev_psql},
    {"dev", "start", "NODE", "start one node again", NULL, 1, 1, 0, command_dev_start},
    {"dev", "kill", "NODE", "end one node with a signal, to see what happens", NULL, 1, 1,
     OPTION_BIT(SIGNAL), command_dev_kill},
    {"help", NULL, "[COMMAND]", "describe a command, or list them all", NULL, 0, 2, 0,
     command_help},
    {"version", NULL, "", "print the version", NULL, 0, 0, 0, command_version},
};
/* clang-format on */

const size_t commands_count = sizeof(commands) / sizeof(commands[0]);
