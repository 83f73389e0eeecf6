/* A module for tests of real processes: a puppet does what it is ordered, notes every signal and
 * message as a line, and keeps an exact ledger of numbered messages. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "puppet.h"

/* ---- notes ---- */

__attribute__((format(printf, 2, 3))) static void note(struct puppet *puppet, const char *format,
                                                       ...)
{
    char line[LINE_SIZE];
    va_list list;

    va_start(list, format);
    (void)vsnprintf(line, sizeof(line), format, list);
    va_end(list);
    if (puppet->count == puppet->room) {
        const size_t room = puppet->room == 0 ? 64 : puppet->room * 2;
        char **lines = realloc(puppet->lines, room * sizeof(*lines));

        if (lines == NULL) {
            return;
        }
        puppet->lines = lines;
        puppet->room = room;
    }
    puppet->lines[puppet->count] = strdup(line);
    puppet->count += puppet->lines[puppet->count] != NULL ? 1 : 0;
}

static int answer_with(troupe_self *self, troupe_status status, const char *text, int64_t n,
                       troupe_pid pid)
{
    const answer reply = {.status = troupe_status_name(status), .text = text, .n = n, .pid = pid};

    return troupe_reply(self, &answer_type, &reply);
}

static int32_t reason_of(const char *text)
{
    for (int32_t kind = TROUPE_REASON_NORMAL; kind <= TROUPE_REASON_KILL; kind++) {
        if (strcmp(troupe_reason_name(kind), text) == 0) {
            return kind;
        }
    }
    return strcmp(text, "kill") == 0 ? TROUPE_REASON_KILL : TROUPE_REASON_ERROR;
}

/* ---- orders ---- */

struct turn {
    troupe_self *self;
    struct puppet *puppet;
    const order *order;
    troupe_pid to;
    int64_t n;      /* out */
    troupe_pid pid; /* out */
};

typedef troupe_status (*order_fn)(struct turn *turn);

int puppet_on_result(troupe_self *self, void *state, const troupe_result *result)
{
    char text[TROUPE_PID_TEXT_SIZE];
    const words *said = troupe_result_as(result, &words_type);
    const bool ended = result->status == TROUPE_E_EXITED || result->status == TROUPE_E_FAILED;

    (void)self;
    note(state, "RESULT %llu %s %s %s %s", (unsigned long long)result->tag,
         troupe_status_name(result->status), troupe_pid_print(result->pid, text),
         ended ? troupe_reason_name(result->reason.kind) : "-",
         said != NULL ? said->text : (ended ? result->reason.text : ""));
    return TROUPE_OK;
}

static troupe_status do_link(struct turn *turn)
{
    return troupe_link(turn->self, turn->to);
}

static troupe_status do_unlink(struct turn *turn)
{
    return troupe_unlink(turn->self, turn->to);
}

static troupe_status do_monitor(struct turn *turn)
{
    uint64_t monitor = 0;
    const troupe_status status = troupe_monitor(turn->self, turn->to, &monitor);

    turn->n = (int64_t)monitor;
    return status;
}

static troupe_status do_demonitor(struct turn *turn)
{
    return troupe_demonitor(turn->self, (uint64_t)turn->order->n);
}

static troupe_status do_trap(struct turn *turn)
{
    troupe_trap_exit(turn->self, turn->order->n != 0);
    return TROUPE_OK;
}

static troupe_status do_nodes(struct turn *turn)
{
    return troupe_monitor_node(turn->self, turn->order->n != 0);
}

static troupe_status do_exit(struct turn *turn)
{
    return troupe_exit(turn->self, turn->to, reason_of(turn->order->text), turn->order->text);
}

static troupe_status do_send(struct turn *turn)
{
    const words message = {.text = turn->order->text};

    return troupe_pid_is_none(turn->to)
               ? troupe_send_name(turn->self, turn->order->to, &words_type, &message)
               : troupe_send(turn->self, turn->to, &words_type, &message);
}

static troupe_status do_token(struct turn *turn)
{
    return troupe_send(turn->self, turn->to, &token_type,
                       &(token){.pid = troupe_self_pid(turn->self)});
}

/* text is the mode of the request, n its timeout, m the tag of the note. */
static troupe_status do_call(struct turn *turn)
{
    const order *wanted = turn->order;
    const ask request = {.mode = wanted->text, .text = "asked"};
    const uint32_t timeout = (uint32_t)wanted->n;
    const uint64_t tag = (uint64_t)wanted->m;

    return troupe_pid_is_none(turn->to) ? troupe_call_name(turn->self, wanted->to, &ask_type,
                                                           &request, timeout, puppet_on_result, tag)
                                        : troupe_call(turn->self, turn->to, &ask_type, &request,
                                                      timeout, puppet_on_result, tag);
}

static troupe_status do_register(struct turn *turn)
{
    return troupe_register(turn->self, turn->order->text, 0, puppet_on_result,
                           (uint64_t)turn->order->m);
}

static troupe_status do_unregister(struct turn *turn)
{
    return troupe_unregister(turn->self, turn->order->text, 0, puppet_on_result,
                             (uint64_t)turn->order->m);
}

static troupe_status do_whereis(struct turn *turn)
{
    return troupe_whereis(turn->self, turn->order->text, 0, puppet_on_result,
                          (uint64_t)turn->order->m);
}

/* On the node `to`, a behavior of the name `text`; n are the flags of the spawn. */
static troupe_status do_spawn_on(struct turn *turn)
{
    const order *wanted = turn->order;
    const troupe_spawn_options options = {.flags = (uint32_t)wanted->n};

    return troupe_spawn_on(turn->self, wanted->to, wanted->text, NULL, NULL, &options, 0,
                           puppet_on_result, (uint64_t)wanted->m);
}

/* Keeps its worker for so long, as a handler that computes. */
static void stand(troupe_self *self, int64_t ms)
{
    const int64_t end = troupe_now_ms(self) + ms;

    while (troupe_now_ms(self) < end) {
    }
}

/* Ends the monitor n, after m milliseconds in which its DOWN may come into the mailbox. */
static troupe_status do_flush(struct turn *turn)
{
    stand(turn->self, turn->order->m);
    return do_demonitor(turn);
}

/* A stream, whose number is the text, of n numbered messages, m in each tick of 5 ms, with size
 * bytes of padding. */
static troupe_status do_stream(struct turn *turn)
{
    const order *wanted = turn->order;
    const int64_t id = strtoll(wanted->text, NULL, 10);

    if (id < 0 || id >= STREAMS_MAX || wanted->m < 1 || wanted->size < 0) {
        return TROUPE_E_INVALID;
    }
    struct stream *stream = &turn->puppet->streams[id];

    if (stream->timer != 0) {
        (void)troupe_cancel_timer(turn->self, stream->timer);
    }
    *stream = (struct stream){.ledger.stream = id,
                              .to = turn->to,
                              .until = wanted->n,
                              .each = wanted->m,
                              .size = (size_t)wanted->size};
    return troupe_send_interval(turn->self, 5, troupe_self_pid(turn->self), &tick_type,
                                &(tick){.stream = id}, &stream->timer);
}

/* Ends the stream n; gives what it has sent. */
static troupe_status do_halt(struct turn *turn)
{
    if (turn->order->n < 0 || turn->order->n >= STREAMS_MAX) {
        return TROUPE_E_INVALID;
    }
    struct stream *stream = &turn->puppet->streams[turn->order->n];

    (void)troupe_cancel_timer(turn->self, stream->timer);
    stream->timer = 0;
    stream->until = 0;
    turn->n = stream->ledger.sent;
    return TROUPE_OK;
}

static troupe_status do_join(struct turn *turn)
{
    return troupe_join(turn->self, turn->order->text);
}

static troupe_status do_leave(struct turn *turn)
{
    return troupe_leave(turn->self, turn->order->text);
}

static troupe_status do_members(struct turn *turn)
{
    size_t count = 0;
    const troupe_status status = troupe_members(turn->self, turn->order->text, NULL, 0, &count);

    turn->n = (int64_t)count;
    return status;
}

static troupe_status do_broadcast(struct turn *turn)
{
    size_t count = 0;
    const troupe_status status = troupe_broadcast(turn->self, turn->order->to, &words_type,
                                                  &(words){.text = turn->order->text}, &count);

    turn->n = (int64_t)count;
    return status;
}

/* With n children placed by `to`; text is the strategy's number. The order's m and size are the
 * intensity. */
static troupe_status do_supervise(struct turn *turn)
{
    return puppet_supervise(turn->self, turn->order, &turn->pid);
}

static troupe_status do_wait(struct turn *turn)
{
    return puppet_wait(turn->self, turn->order);
}

static troupe_status do_nothing(struct turn *turn)
{
    turn->pid = troupe_self_pid(turn->self);
    return TROUPE_OK;
}

static const struct {
    const char *op;
    order_fn run;
} orders[] = {{"link", do_link},           {"unlink", do_unlink},     {"monitor", do_monitor},
              {"demonitor", do_demonitor}, {"trap", do_trap},         {"nodes", do_nodes},
              {"exit", do_exit},           {"send", do_send},         {"token", do_token},
              {"call", do_call},           {"register", do_register}, {"unregister", do_unregister},
              {"whereis", do_whereis},     {"spawn_on", do_spawn_on}, {"flush", do_flush},
              {"stream", do_stream},       {"halt", do_halt},         {"join", do_join},
              {"leave", do_leave},         {"members", do_members},   {"broadcast", do_broadcast},
              {"supervise", do_supervise}, {"wait", do_wait},         {"nothing", do_nothing}};

static int on_order(troupe_self *self, void *state, const void *message)
{
    const order *wanted = message;
    const char *op = wanted->op == NULL ? "" : wanted->op;
    struct turn turn = {.self = self, .puppet = state, .order = wanted};

    if (strcmp(op, "stop") == 0) {
        (void)answer_with(self, TROUPE_OK, "", 0, turn.to);
        return troupe_stop(self, reason_of(wanted->text), wanted->text);
    }
    if (strcmp(op, "fail") == 0) {
        return troupe_fail(self, "%s", wanted->text);
    }
    if (wanted->to == NULL || troupe_pid_parse(wanted->to, &turn.to) != TROUPE_OK) {
        turn.to = (troupe_pid){0};
    }
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        if (strcmp(orders[i].op, op) == 0) {
            const troupe_status status = orders[i].run(&turn);

            return answer_with(self, status, "", turn.n, turn.pid);
        }
    }
    return answer_with(self, TROUPE_E_NOT_FOUND, op, 0, turn.to);
}

/* ---- what comes from others ---- */

static int on_words(troupe_self *self, void *state, const void *message)
{
    char text[TROUPE_PID_TEXT_SIZE];

    note(state, "MSG %s %s", troupe_pid_print(troupe_sender(self), text),
         ((const words *)message)->text);
    return TROUPE_OK;
}

static int on_token(troupe_self *self, void *state, const void *message)
{
    char text[TROUPE_PID_TEXT_SIZE];
    const token *got = message;

    note(state, "TOKEN %s", troupe_pid_print(got->pid, text));
    return (int)troupe_send(self, got->pid, &words_type, &(words){.text = "by the pid you sent"});
}

static int on_ask(troupe_self *self, void *state, const void *message)
{
    struct puppet *puppet = state;
    const ask *request = message;
    char text[32];

    puppet->asked++;
    if (strcmp(request->mode, "never") == 0) {
        puppet->held = troupe_take_from(self);
        return TROUPE_OK;
    }
    if (strcmp(request->mode, "forget") == 0) {
        return TROUPE_OK;
    }
    if (strcmp(request->mode, "fail") == 0) {
        return troupe_fail(self, "asked to fail");
    }
    if (strcmp(request->mode, "count") == 0) {
        (void)snprintf(text, sizeof(text), "%lld", (long long)puppet->asked);
        return troupe_reply(self, &words_type, &(words){.text = text});
    }
    return troupe_reply(self, &words_type, &(words){.text = request->text});
}

static int on_exit_signal(troupe_self *self, void *state, const void *message)
{
    const troupe_exit_message *exit = message;
    char text[TROUPE_PID_TEXT_SIZE];

    (void)self;
    note(state, "EXIT %s %s %s", troupe_pid_print(exit->from, text), troupe_reason_name(exit->kind),
         exit->text);
    return TROUPE_OK;
}

static int on_down(troupe_self *self, void *state, const void *message)
{
    const troupe_down_message *down = message;
    char text[TROUPE_PID_TEXT_SIZE];

    (void)self;
    note(state, "DOWN %llu %s %s %s", (unsigned long long)down->monitor,
         troupe_pid_print(down->from, text), troupe_reason_name(down->kind), down->text);
    return TROUPE_OK;
}

static int on_node(troupe_self *self, void *state, const void *message)
{
    const troupe_node_message *news = message;

    (void)self;
    note(state, "NODE %s %s %llu %s", news->up ? "up" : "down", news->name,
         (unsigned long long)news->node, news->why);
    return TROUPE_OK;
}

static int on_look(troupe_self *self, void *state, const void *message)
{
    const struct puppet *puppet = state;
    const int64_t from = ((const look *)message)->from;
    words lines[PIECE_LINES];
    size_t count = 0;

    for (size_t i = from < 0 ? 0 : (size_t)from; i < puppet->count && count < PIECE_LINES; i++) {
        lines[count++].text = puppet->lines[i];
    }
    return troupe_reply(
        self, &seen_type,
        &(seen){.lines = lines, .lines_count = count, .count = (int64_t)puppet->count});
}

/* ---- numbered messages ---- */

/* The padding's bytes depend on stream, number and place. */
static uint8_t pad_byte(const number *message, size_t at)
{
    return (uint8_t)((uint64_t)message->stream * 7u + (uint64_t)message->n * 31u + at);
}

static troupe_status send_number(troupe_self *self, struct stream *stream)
{
    number message = {.stream = stream->ledger.stream, .n = stream->ledger.sent + 1};
    uint8_t *pad = malloc(stream->size + 1);

    if (pad == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    for (size_t i = 0; i < stream->size; i++) {
        pad[i] = pad_byte(&message, i);
    }
    message.pad = (troupe_bytes){.data = pad, .size = stream->size};
    const troupe_status status = troupe_send(self, stream->to, &number_type, &message);

    free(pad);
    return status;
}

static int on_tick(troupe_self *self, void *state, const void *message)
{
    struct puppet *puppet = state;
    struct stream *stream = &puppet->streams[((const tick *)message)->stream];

    for (int64_t i = 0; i < stream->each && stream->ledger.sent < stream->until; i++) {
        if (send_number(self, stream) != TROUPE_OK) {
            stream->ledger.refused++;
            return TROUPE_OK;
        }
        stream->ledger.sent++;
    }
    if (stream->ledger.sent >= stream->until && stream->timer != 0) {
        (void)troupe_cancel_timer(self, stream->timer);
        stream->timer = 0;
    }
    return TROUPE_OK;
}

static int on_number(troupe_self *self, void *state, const void *message)
{
    struct puppet *puppet = state;
    const number *got = message;

    (void)self;
    if (got->stream < 0 || got->stream >= STREAMS_MAX) {
        return TROUPE_OK;
    }
    ledger *kept = &puppet->streams[got->stream].ledger;

    kept->stream = got->stream;
    kept->got++;
    if (got->n <= kept->last) {
        kept->again++;
    } else {
        kept->missing += got->n - kept->last - 1;
        kept->last = got->n;
    }
    for (size_t i = 0; i < got->pad.size; i++) {
        if (((const uint8_t *)got->pad.data)[i] != pad_byte(got, i)) {
            kept->bad++;
            break;
        }
    }
    return TROUPE_OK;
}

static int on_ledger_get(troupe_self *self, void *state, const void *message)
{
    const struct puppet *puppet = state;
    const int64_t id = ((const ledger_get *)message)->stream;

    return id < 0 || id >= STREAMS_MAX
               ? TROUPE_E_INVALID
               : troupe_reply(self, &ledger_type, &puppet->streams[id].ledger);
}

void puppet_release(void *state)
{
    struct puppet *puppet = state;

    for (size_t i = 0; i < puppet->count; i++) {
        free(puppet->lines[i]);
    }
    free(puppet->lines);
}

/* A slow one stands still before its first message, one that fails never gets there. */
static int slow_init(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    stand(self, 300);
    return TROUPE_OK;
}

static int failing_init(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    return troupe_fail(self, "never ready");
}

const troupe_handler puppet_handlers[] = {{&order_type, on_order},
                                          {&words_type, on_words},
                                          {&token_type, on_token},
                                          {&ask_type, on_ask},
                                          {&look_type, on_look},
                                          {&number_type, on_number},
                                          {&tick_type, on_tick},
                                          {&ledger_get_type, on_ledger_get},
                                          {&troupe_exit_type, on_exit_signal},
                                          {&troupe_down_type, on_down},
                                          {&troupe_node_type, on_node},
                                          {0}};

const troupe_behavior puppet_behavior = {.name = "puppet",
                                         .state_size = sizeof(struct puppet),
                                         .release = puppet_release,
                                         .handlers = puppet_handlers};
static const troupe_behavior slow = {.name = "puppet.slow",
                                     .state_size = sizeof(struct puppet),
                                     .init = slow_init,
                                     .release = puppet_release,
                                     .handlers = puppet_handlers};
static const troupe_behavior failing = {.name = "puppet.failing",
                                        .state_size = sizeof(struct puppet),
                                        .init = failing_init,
                                        .release = puppet_release,
                                        .handlers = puppet_handlers};

static const troupe_type *const types[] = {&answer_type, &seen_type, &ledger_type, NULL};
static const troupe_behavior *const behaviors[] = {&puppet_behavior, &slow,         &failing,
                                                   &puppet_parent,   &puppet_child, NULL};

TROUPE_API extern const troupe_module troupe_module_entry;
const troupe_module troupe_module_entry = {
    .abi = TROUPE_MODULE_ABI, .name = "puppet", .types = types, .behaviors = behaviors};
