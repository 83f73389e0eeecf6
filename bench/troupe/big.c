/* 200 actors, each of which sends a number to one of them chosen by chance, waits for the answer,
 * and does so again. COUNT is the number of messages in all, answers included. */
#include <stdatomic.h>

#include "bench.h"

#define PLAYERS 200u

/* What the players of the present run share; constant while they run, but for left. */
static struct {
    troupe_pid pids[PLAYERS];
    _Atomic uint64_t left; /* players that have not had all their answers */
    troupe_from waiting;
} game;

typedef struct player {
    uint64_t random;
    uint64_t left;
    uint64_t answered;
} player;

/* A number for a player to send back. */
typedef struct ping {
    int64_t value;
} ping;
TROUPE_TYPE(ping, "bench.ping", TROUPE_FIELD(ping, value, 1));

static int ask_somebody(troupe_self *self, player *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return troupe_send(self, game.pids[p->random % PLAYERS], &ping_type,
                       &(ping){.value = (int64_t)p->left});
}

static int player_on_ping(troupe_self *self, void *state, const void *message)
{
    ((player *)state)->answered++;
    return troupe_send(self, troupe_sender(self), &number_type,
                       &(number){.value = ((const ping *)message)->value});
}

static int player_on_number(troupe_self *self, void *state, const void *message)
{
    player *p = state;
    if (((const number *)message)->value != (int64_t)p->left) {
        return troupe_fail(self, "another number came back");
    }
    p->left--;
    if (p->left > 0) {
        return ask_somebody(self, p);
    }
    return atomic_fetch_sub(&game.left, 1) > 1
               ? TROUPE_OK
               : (int)troupe_reply_to(self, &game.waiting, &tally_type, &(tally){0});
}

static int player_on_start(troupe_self *self, void *state, const void *message)
{
    player *p = state;
    const start *s = message;
    p->left = s->count;
    p->random = troupe_self_pid(self).id * 0x9e3779b97f4a7c15u | 1u;
    return ask_somebody(self, p);
}

static int player_on_get_count(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return troupe_reply(self, &tally_type, &(tally){.count = ((player *)state)->answered});
}

static const troupe_handler player_handlers[] = {{&ping_type, player_on_ping},
                                                 {&number_type, player_on_number},
                                                 {&start_type, player_on_start},
                                                 {&get_count_type, player_on_get_count},
                                                 {0}};
static const troupe_behavior player_behavior = {.name = "bench.player",
                                                .version = 1,
                                                .state_size = sizeof(player),
                                                .handlers = player_handlers};

/* Lets all players begin; answered by the last one. */
static int referee_on_start(troupe_self *self, void *state, const void *message)
{
    (void)state;
    troupe_status status = TROUPE_OK;
    game.waiting = troupe_take_from(self);
    for (uint32_t i = 0; i < PLAYERS && status == TROUPE_OK; i++) {
        status = troupe_send(self, game.pids[i], &start_type, message);
    }
    return status;
}

static const troupe_handler referee_handlers[] = {{&start_type, referee_on_start}, {0}};
static const troupe_behavior referee_behavior = {
    .name = "bench.referee", .version = 1, .handlers = referee_handlers};

static void run(troupe_node *node, uint64_t count, bool report)
{
    const uint64_t each = count / PLAYERS / 2 > 0 ? count / PLAYERS / 2 : 1;
    const troupe_pid referee = bench_spawn(node, &referee_behavior, NULL);
    for (uint32_t i = 0; i < PLAYERS; i++) {
        game.pids[i] = bench_spawn(node, &player_behavior, NULL);
    }
    atomic_store(&game.left, PLAYERS);
    const int64_t began = measure_now_ns();
    (void)bench_ask(node, referee, &start_type, &(start){.count = each});
    const int64_t ns = measure_now_ns() - began;
    uint64_t answered = 0;
    for (uint32_t i = 0; i < PLAYERS; i++) {
        answered += bench_ask(node, game.pids[i], &get_count_type, NULL);
        bench_end(node, game.pids[i]);
    }
    measure_expect("answers", each * PLAYERS, answered);
    bench_end(node, referee);
    if (report) {
        measure_rate("big", each * PLAYERS * 2, ns, "msgs/s");
    }
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, run);
}
