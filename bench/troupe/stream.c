#include "stream.h"

#include <string.h>

#define WINDOWS 2u

typedef struct sender {
    troupe_from waiting;
    stream_order order;
    uint64_t next;       /* number of the next message */
    uint64_t window_end; /* after this one the receiver is called */
    uint32_t under_way;  /* windows sent and not answered */
} sender;

/* Filled before the nodes start, constant from then on. */
static uint8_t payload[STREAM_SIZE_MAX];

void stream_init(void)
{
    memset(payload, 7, sizeof(payload));
}

troupe_bytes stream_payload(size_t size)
{
    return (troupe_bytes){.data = payload, .size = size};
}

static troupe_status send_one(troupe_self *self, const sender *s)
{
    if (s->order.size == 0) {
        return troupe_send(self, s->order.peer, &number_type, &(number){.value = (int64_t)s->next});
    }
    const data d = {.number = (int64_t)s->next, .payload = stream_payload(s->order.size)};
    return troupe_send(self, s->order.peer, &data_type, &d);
}

static int sender_then_tally(troupe_self *self, void *state, const troupe_result *result);

/* Sends until the windows are used up. The way to another node may be full before that: then it
 * gives way and tries again. */
static int sender_push(troupe_self *self, sender *s)
{
    while (s->under_way < WINDOWS && s->next <= s->order.count) {
        troupe_status status = TROUPE_OK;
        while (status == TROUPE_OK && s->next <= s->window_end) {
            status = send_one(self, s);
            s->next += status == TROUPE_OK ? 1 : 0;
        }
        if (status == TROUPE_E_BUSY) {
            return troupe_send(self, troupe_self_pid(self), &more_type, NULL);
        }
        if (status == TROUPE_OK) {
            status = troupe_call(self, s->order.peer, &get_count_type, NULL, BENCH_TIMEOUT_MS,
                                 sender_then_tally, 0);
        }
        if (status != TROUPE_OK) {
            return status;
        }
        s->under_way++;
        s->window_end += s->order.window;
        s->window_end = s->window_end < s->order.count ? s->window_end : s->order.count;
    }
    return TROUPE_OK;
}

static int sender_then_tally(troupe_self *self, void *state, const troupe_result *result)
{
    sender *s = state;
    const tally *t = troupe_result_as(result, &tally_type);
    if (result->status == TROUPE_E_BUSY) { /* The way was full: ask again. */
        return troupe_call(self, s->order.peer, &get_count_type, NULL, BENCH_TIMEOUT_MS,
                           sender_then_tally, 0);
    }
    if (t == NULL) {
        return troupe_fail(self, "no tally: %s", troupe_status_text(result->status));
    }
    s->under_way--;
    if (s->next <= s->order.count || s->under_way > 0) {
        return sender_push(self, s);
    }
    const troupe_status status = troupe_reply_to(self, &s->waiting, &tally_type, t);
    return status == TROUPE_OK ? TROUPE_STOP : (int)status;
}

static int sender_on_order(troupe_self *self, void *state, const void *message)
{
    sender *s = state;
    s->waiting = troupe_take_from(self);
    s->order = *(const stream_order *)message;
    s->next = 1;
    s->window_end = s->order.window < s->order.count ? s->order.window : s->order.count;
    return sender_push(self, s);
}

static int sender_on_more(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return sender_push(self, state);
}

static const troupe_handler sender_handlers[] = {
    {&more_type, sender_on_more}, {&stream_order_type, sender_on_order}, {0}};
const troupe_behavior stream_sender_behavior = {.name = "bench.stream_sender",
                                                .version = 1,
                                                .state_size = sizeof(sender),
                                                .handlers = sender_handlers};
