/* delay DELAY_MS JITTER_MS LOSS_PERCENT REORDER_PERCENT NAMESPACE=ADDRESS...
 *
 * A router that loses, delays and reorders, for kernels without netem. In each network namespace it
 * makes an interface `delay0`; whoever routes the addresses there reaches the others through this
 * program, each way with the same faults: a packet is lost with the given probability, else held
 * for the delay and up to the jitter more, in the order in which it came, unless it is one of those
 * that go ahead of the others. It prints `ready` when the interfaces are there, answers each line
 * on its input with `passed lost reordered`, and ends with its input. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
    ENDS_MAX = 16,
    PACKET_MAX = 2048,
    HELD_MAX = 65536,
    NS_PER_MS = 1000000,
    DESTINATION_AT = 16
};

struct end {
    uint32_t address; /* as in a packet */
    int fd;
    int64_t last; /* when the last packet to it leaves */
};

struct packet {
    int64_t due;
    uint64_t number; /* of those due at one time, the first to come leaves first */
    size_t to;
    size_t size;
    uint8_t bytes[PACKET_MAX];
};

struct router {
    struct end ends[ENDS_MAX];
    size_t count;
    int64_t delay_ns, jitter_ns;
    uint32_t loss, reorder; /* of 10,000 */
    uint64_t seed, number;
    uint64_t passed, lost, reordered;
    struct packet *held[HELD_MAX]; /* a heap: the one due first on top */
    size_t held_count;
};

static int64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 * NS_PER_MS + time.tv_nsec;
}

static uint64_t chance(struct router *router)
{
    router->seed += 0x9E3779B97F4A7C15ULL;
    uint64_t z = router->seed;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

/* ---- the heap ---- */

static bool before(const struct packet *a, const struct packet *b)
{
    return a->due != b->due ? a->due < b->due : a->number < b->number;
}

static void heap_put(struct router *router, struct packet *packet)
{
    size_t at = router->held_count++;

    while (at > 0 && before(packet, router->held[(at - 1) / 2])) {
        router->held[at] = router->held[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    router->held[at] = packet;
}

static struct packet *heap_take(struct router *router)
{
    struct packet *first = router->held[0];
    struct packet *last = router->held[--router->held_count];
    size_t at = 0;
    size_t child = 1;

    while (child < router->held_count) {
        if (child + 1 < router->held_count &&
            before(router->held[child + 1], router->held[child])) {
            child++;
        }
        if (!before(router->held[child], last)) {
            break;
        }
        router->held[at] = router->held[child];
        at = child;
        child = 2 * at + 1;
    }
    router->held[at] = last;
    return first;
}

/* ---- packets ---- */

static int64_t leaves_at(struct router *router, struct end *end)
{
    const int64_t earliest = now() + router->delay_ns;
    const bool ahead = chance(router) % 10000 < router->reorder;
    int64_t due = earliest;

    if (ahead) {
        router->reordered++;
        return earliest - router->delay_ns / 2;
    }
    if (router->jitter_ns > 0) {
        due += (int64_t)(chance(router) % (uint64_t)router->jitter_ns);
    }
    due = due < end->last ? end->last : due;
    end->last = due;
    return due;
}

static void hold(struct router *router, const uint8_t *bytes, size_t size)
{
    uint32_t destination = 0;
    struct packet *packet = NULL;

    if (size < 20 || bytes[0] >> 4 != 4) {
        return; /* IPv6 has nothing to say here */
    }
    memcpy(&destination, bytes + DESTINATION_AT, sizeof(destination));
    for (size_t to = 0; to < router->count; to++) {
        if (router->ends[to].address != destination) {
            continue;
        }
        if (chance(router) % 10000 < router->loss || router->held_count == HELD_MAX ||
            (packet = malloc(sizeof(*packet))) == NULL) {
            router->lost++;
            return;
        }
        packet->due = leaves_at(router, &router->ends[to]);
        packet->number = router->number++;
        packet->to = to;
        packet->size = size;
        memcpy(packet->bytes, bytes, size);
        heap_put(router, packet);
        return;
    }
}

/* Answers the milliseconds until the next packet is due. */
static int release_due(struct router *router)
{
    while (router->held_count > 0) {
        const int64_t left = router->held[0]->due - now();

        if (left > 0) {
            return (int)(left / NS_PER_MS) + 1;
        }
        struct packet *packet = heap_take(router);

        if (write(router->ends[packet->to].fd, packet->bytes, packet->size) ==
            (ssize_t)packet->size) {
            router->passed++;
        } else {
            router->lost++;
        }
        free(packet);
    }
    return 1000;
}

static void run(struct router *router)
{
    struct pollfd entries[ENDS_MAX + 1];
    uint8_t bytes[PACKET_MAX];

    for (;;) {
        for (size_t i = 0; i < router->count; i++) {
            entries[i] = (struct pollfd){.fd = router->ends[i].fd, .events = POLLIN};
        }
        entries[router->count] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
        (void)poll(entries, router->count + 1, release_due(router));
        for (size_t i = 0; i < router->count; i++) {
            ssize_t size = 0;

            while ((entries[i].revents & POLLIN) != 0 &&
                   (size = read(router->ends[i].fd, bytes, sizeof(bytes))) > 0) {
                hold(router, bytes, (size_t)size);
            }
        }
        if (entries[router->count].revents != 0) {
            if (read(STDIN_FILENO, bytes, sizeof(bytes)) <= 0) {
                return;
            }
            printf("%llu %llu %llu\n", (unsigned long long)router->passed,
                   (unsigned long long)router->lost, (unsigned long long)router->reordered);
            (void)fflush(stdout);
        }
    }
}

/* ---- start ---- */

/* An interface in the namespace of that name; its descriptor works from everywhere. */
static int make_interface(const char *namespace)
{
    char path[256];
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};

    (void)snprintf(path, sizeof(path), "/run/netns/%s", namespace);
    const int inside = open(path, O_RDONLY | O_CLOEXEC);

    if (inside < 0 || setns(inside, CLONE_NEWNET) != 0) {
        return -1;
    }
    (void)close(inside);
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "delay0");
    return fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0 ? fd : -1;
}

static bool add_end(struct router *router, char *argument)
{
    char *equals = strchr(argument, '=');
    struct end *end = &router->ends[router->count];

    if (equals == NULL || router->count == ENDS_MAX) {
        return false;
    }
    *equals = '\0';
    router->count++;
    end->fd = make_interface(argument);
    return end->fd >= 0 && inet_pton(AF_INET, equals + 1, &end->address) == 1;
}

int main(int argc, char **argv)
{
    static struct router router = {.seed = 1};

    if (argc < 6) {
        (void)fprintf(
            stderr,
            "usage: delay DELAY_MS JITTER_MS LOSS_PERCENT REORDER_PERCENT NAMESPACE=ADDRESS...\n");
        return 64;
    }
    router.delay_ns = strtoll(argv[1], NULL, 10) * NS_PER_MS;
    router.jitter_ns = strtoll(argv[2], NULL, 10) * NS_PER_MS;
    router.loss = (uint32_t)(strtod(argv[3], NULL) * 100);
    router.reorder = (uint32_t)(strtod(argv[4], NULL) * 100);
    for (int i = 5; i < argc; i++) {
        if (!add_end(&router, argv[i])) {
            (void)fprintf(stderr, "delay: %s: %s\n", argv[i], strerror(errno));
            return 1;
        }
    }
    (void)puts("ready");
    (void)fflush(stdout);
    run(&router);
    return 0;
}
