// The benchmarks of one process, in CAF: bench_caf NAME THREADS COUNT
//
// Each does the same work as its namesake in bench/troupe and bench/erlang: the same messages, the same counts, a
// warm-up of a tenth of the size in the same process, and a check that nothing is missing. Output is one figure a line,
// "name value unit". What CAF 0.17 does differently stands in bench/README.md.
#include <sys/resource.h>

#include <atomic>
#include <caf/all.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

using namespace caf;

using ask_atom = atom_constant<atom("ask")>;
using done_atom = atom_constant<atom("done")>;
using end_atom = atom_constant<atom("end")>;
using get_atom = atom_constant<atom("get")>;
using go_atom = atom_constant<atom("go")>;
using grow_atom = atom_constant<atom("grow")>;
using ping_atom = atom_constant<atom("ping")>;
using pong_atom = atom_constant<atom("pong")>;
using tie_atom = atom_constant<atom("tie")>;
using timer_atom = atom_constant<atom("timer")>;

namespace {

/* ---- measuring ---- */

bool reporting = false;

double now_s() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_s() {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

double status_kib(const char* key) {
    FILE* file = fopen("/proc/self/status", "re");
    char line[256];
    double kib = 0;
    while (file != nullptr && fgets(line, sizeof(line), file) != nullptr) {
        if (strncmp(line, key, strlen(key)) == 0) {
            kib = strtod(line + strlen(key), nullptr);
        }
    }
    if (file != nullptr) {
        fclose(file);
    }
    return kib;
}

void figure(const std::string& name, double value, const char* unit) {
    if (reporting) {
        printf("%s %.3f %s\n", name.c_str(), value, unit);
    }
}

void rate(const std::string& name, int64_t count, double seconds, const char* unit) {
    figure(name, static_cast<double>(count) / seconds, unit);
}

void expect(const char* what, int64_t wanted, int64_t got) {
    if (wanted != got) {
        fprintf(stderr, "%s: %lld wanted, %lld found\n", what, static_cast<long long>(wanted),
                static_cast<long long>(got));
        _Exit(5);
    }
}

/* Waits until a counter has reached its end, looking every 50 us. */
void wait_count(const char* what, const std::atomic<int64_t>& counter, int64_t count) {
    const double deadline = now_s() + 100;
    while (counter < count) {
        if (now_s() > deadline) {
            expect(what, count, counter);
        }
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
}

uint64_t next_random(uint64_t random) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return random;
}

/* Runs work in a scoped actor that waits for one "done" with a number; answers the number. */
int64_t await_done(scoped_actor& self) {
    int64_t result = -1;
    self->receive([&](done_atom, int64_t value) { result = value; });
    return result;
}

/* ---- ping-pong, call ---- */

struct counter_state {
    int64_t seen = 0;
    int64_t left = 0;
    int64_t answered = 0;
    uint64_t random = 0;
    actor peer;
};

behavior pong_actor(stateful_actor<counter_state>* self) {
    return {[=](ping_atom, int64_t n) {
                self->state.seen++;
                return std::make_tuple(pong_atom::value, n);
            },
            [=](get_atom) { return self->state.seen; }};
}

behavior ping_actor(stateful_actor<counter_state>* self, actor pong, int64_t count, actor_addr main) {
    self->state.left = count;
    auto to = actor_cast<actor>(main);
    return {[=](go_atom) { self->send(pong, ping_atom::value, self->state.left); },
            [=](pong_atom, int64_t n) {
                expect("pong", self->state.left, n);
                if (--self->state.left > 0) {
                    self->send(pong, ping_atom::value, self->state.left);
                    return;
                }
                self->send(to, done_atom::value, int64_t{0});
                self->quit();
            }};
}

void run_ping_pong(actor_system& system, int64_t count) {
    scoped_actor self{system};
    auto pong = system.spawn(pong_actor);
    auto ping = system.spawn(ping_actor, pong, count, actor_cast<actor_addr>(self));
    const double began = now_s();
    self->send(ping, go_atom::value);
    await_done(self);
    const double seconds = now_s() - began;
    self->request(pong, infinite, get_atom::value)
        .receive([&](int64_t seen) { expect("pongs", count, seen); }, [](error&) { _Exit(5); });
    anon_send_exit(pong, exit_reason::kill);
    figure("ping-pong", seconds * 1e9 / (2.0 * static_cast<double>(count)), "ns");
}

behavior server_actor(stateful_actor<counter_state>* self) {
    return {[=](ask_atom, int64_t n) {
                self->state.seen++;
                return n;
            },
            [=](get_atom) { return self->state.seen; }};
}

void call_next(stateful_actor<counter_state>* self, actor server, actor to) {
    if (self->state.left == 0) {
        self->send(to, done_atom::value, int64_t{0});
        self->quit();
        return;
    }
    const int64_t n = self->state.left;
    self->request(server, std::chrono::seconds(5), ask_atom::value, n).then([=](int64_t answer) {
        expect("answer", n, answer);
        self->state.left--;
        call_next(self, server, to);
    });
}

behavior caller_actor(stateful_actor<counter_state>* self, actor server, int64_t count, actor_addr main) {
    self->state.left = count;
    auto to = actor_cast<actor>(main);
    return {[=](go_atom) { call_next(self, server, to); }};
}

void run_call(actor_system& system, int64_t count) {
    scoped_actor self{system};
    auto server = system.spawn(server_actor);
    auto caller = system.spawn(caller_actor, server, count, actor_cast<actor_addr>(self));
    const double began = now_s();
    self->send(caller, go_atom::value);
    await_done(self);
    const double seconds = now_s() - began;
    self->request(server, infinite, get_atom::value)
        .receive([&](int64_t seen) { expect("calls handled", count, seen); }, [](error&) { _Exit(5); });
    anon_send_exit(server, exit_reason::kill);
    rate("call", count, seconds, "calls/s");
}

/* ---- counting, many-to-one ---- */

behavior counter_actor(stateful_actor<counter_state>* self, int64_t count, actor_addr main) {
    auto to = actor_cast<actor>(main);
    return {[=](int64_t n) {
        expect("order", ++self->state.seen, n);
        if (n == count) {
            self->send(to, done_atom::value, n);
            self->quit();
        }
    }};
}

behavior sum_actor(stateful_actor<counter_state>* self, int64_t count, actor_addr main) {
    auto to = actor_cast<actor>(main);
    return {[=](int64_t n) {
        self->state.answered += n;
        if (++self->state.seen == count) {
            self->send(to, done_atom::value, self->state.answered);
            self->quit();
        }
    }};
}

void sender_actor(event_based_actor* self, actor to, int64_t count) {
    for (int64_t n = 1; n <= count; n++) {
        self->send(to, n);
    }
}

void run_counting(actor_system& system, int64_t count) {
    scoped_actor self{system};
    auto counter = system.spawn(counter_actor, count, actor_cast<actor_addr>(self));
    const double began = now_s();
    system.spawn(sender_actor, counter, count);
    expect("counted", count, await_done(self));
    rate("counting", count, now_s() - began, "msgs/s");
}

void run_many_to_one(actor_system& system, int64_t count) {
    const int64_t senders = 20;
    const int64_t each = std::max<int64_t>(1, count / senders);
    scoped_actor self{system};
    auto sum = system.spawn(sum_actor, each * senders, actor_cast<actor_addr>(self));
    const double began = now_s();
    for (int64_t i = 0; i < senders; i++) {
        system.spawn(sender_actor, sum, each);
    }
    expect("sum", senders * (each * (each + 1) / 2), await_done(self));
    rate("many-to-one", each * senders, now_s() - began, "msgs/s");
}

/* ---- rings ---- */

behavior member_actor(stateful_actor<counter_state>* self, actor to) {
    return {[=](int64_t left) {
                self->state.seen++;
                if (left > 0) {
                    self->send(self->state.peer, left - 1);
                } else {
                    self->send(to, done_atom::value, self->state.seen);
                }
            },
            [=](tie_atom, actor next) { self->state.peer = next; },
            [=](end_atom) {
                self->send(self->state.peer, end_atom::value);
                self->state.peer = nullptr;
                self->quit();
            }};
}

void run_ring(actor_system& system, int64_t count, int64_t members, const char* name) {
    scoped_actor self{system};
    const int64_t rounds = std::max<int64_t>(1, count / members);
    const auto to = actor_cast<actor>(self);
    auto first = system.spawn(member_actor, to);
    actor next = first;
    for (int64_t i = 1; i < members; i++) {
        auto member = system.spawn(member_actor, to);
        self->send(member, tie_atom::value, next);
        next = member;
    }
    self->send(first, tie_atom::value, next);
    const double began = now_s();
    self->send(next, rounds * members - 1);
    expect("rounds", rounds, await_done(self));
    const double seconds = now_s() - began;
    self->send(first, end_atom::value);
    rate(name, rounds * members, seconds, "hops/s");
}

/* ---- big ---- */

const int64_t player_count = 200;
std::vector<actor> players;
std::atomic<int64_t> players_left;

void ask_somebody(stateful_actor<counter_state>* self) {
    self->state.random = next_random(self->state.random);
    self->send(players[self->state.random % player_count], ping_atom::value, self->state.left);
}

behavior player_actor(stateful_actor<counter_state>* self, int64_t index, actor_addr main) {
    self->state.random = static_cast<uint64_t>(index + 1) * 0x9e3779b97f4a7c15u;
    auto to = actor_cast<actor>(main);
    return {[=](ping_atom, int64_t n) {
                self->state.answered++;
                return std::make_tuple(pong_atom::value, n);
            },
            [=](pong_atom, int64_t n) {
                expect("pong", self->state.left, n);
                if (--self->state.left > 0) {
                    ask_somebody(self);
                } else if (players_left.fetch_sub(1) == 1) {
                    self->send(to, done_atom::value, int64_t{0});
                }
            },
            [=](go_atom, int64_t each) {
                self->state.left = each;
                ask_somebody(self);
            },
            [=](get_atom) { return self->state.answered; }};
}

void run_big(actor_system& system, int64_t count) {
    const int64_t each = std::max<int64_t>(1, count / player_count / 2);
    scoped_actor self{system};
    players.clear();
    for (int64_t i = 0; i < player_count; i++) {
        players.push_back(system.spawn(player_actor, i, actor_cast<actor_addr>(self)));
    }
    players_left = player_count;
    const double began = now_s();
    for (auto& player : players) {
        self->send(player, go_atom::value, each);
    }
    await_done(self);
    const double seconds = now_s() - began;
    int64_t answered = 0;
    for (auto& player : players) {
        self->request(player, infinite, get_atom::value)
            .receive([&](int64_t n) { answered += n; }, [](error&) { _Exit(5); });
        anon_send_exit(player, exit_reason::kill);
    }
    expect("answers", each * player_count, answered);
    players.clear();
    rate("big", each * player_count * 2, seconds, "msgs/s");
}

/* ---- create, idle-memory, tree ---- */

std::atomic<int64_t> births;

behavior child_actor(event_based_actor* self, int64_t count, bool stay, actor to) {
    return {[=](int64_t n) {
        if (births.fetch_add(n) + n == count) {
            self->send(to, done_atom::value, count);
        }
        if (!stay) {
            self->quit();
        }
    }};
}

void parent_actor(event_based_actor* self, int64_t count, bool stay, actor to) {
    for (int64_t i = 0; i < count; i++) {
        self->send(self->system().spawn(child_actor, count, stay, to), int64_t{1});
    }
}

void run_create(actor_system& system, int64_t count) {
    scoped_actor self{system};
    births = 0;
    const double began = now_s();
    system.spawn(parent_actor, count, false, actor_cast<actor>(self));
    expect("children", count, await_done(self));
    rate("create", count, now_s() - began, "actors/s");
}

behavior idle_actor(event_based_actor* self, int64_t count, actor_addr main) {
    return {[=](int64_t n) {
        if (births.fetch_add(n) + n == count) {
            self->send(actor_cast<actor>(main), done_atom::value, count);
        }
    }};
}

void run_idle_memory(actor_system& system, int64_t count) {
    scoped_actor self{system};
    std::vector<actor> all;
    all.reserve(static_cast<size_t>(count));
    births = 0;
    const double before = status_kib("VmRSS:");
    const double began = now_s();
    for (int64_t i = 0; i < count; i++) {
        all.push_back(system.spawn(idle_actor, count, actor_cast<actor_addr>(self)));
        self->send(all.back(), int64_t{1});
    }
    expect("children", count, await_done(self));
    const double seconds = now_s() - began;
    figure("idle-memory", (status_kib("VmRSS:") - before) * 1024 / static_cast<double>(count), "B");
    rate("idle-spawn", count, seconds, "actors/s");
}

behavior branch_actor(stateful_actor<counter_state>* self) {
    return {[=](grow_atom, int64_t levels, actor parent) {
                self->state.peer = parent;
                self->state.seen = 1;
                if (levels == 0) {
                    self->send(parent, done_atom::value, int64_t{1});
                    self->quit();
                    return;
                }
                for (self->state.left = 0; self->state.left < 2; self->state.left++) {
                    self->send(self->spawn(branch_actor), grow_atom::value, levels - 1, actor_cast<actor>(self));
                }
            },
            [=](done_atom, int64_t grown) {
                self->state.seen += grown;
                if (--self->state.left == 0) {
                    self->send(self->state.peer, done_atom::value, self->state.seen);
                    self->quit();
                }
            }};
}

void run_tree(actor_system& system, int64_t count) {
    scoped_actor self{system};
    int64_t levels = 0;
    while ((int64_t{4} << levels) - 1 <= count) {
        levels++;
    }
    const int64_t actors = (int64_t{2} << levels) - 1;
    const double began = now_s();
    self->send(system.spawn(branch_actor), grow_atom::value, levels, actor_cast<actor>(self));
    expect("actors in the tree", actors, await_done(self));
    rate("tree", actors, now_s() - began, "actors/s");
}

/* ---- links, monitors ---- */

std::atomic<int64_t> fired;

behavior hub_actor(event_based_actor*) {
    return {[](int64_t) {}};
}

behavior tie_actor(event_based_actor* self, bool links, actor hub, int64_t count, actor to) {
    if (!links) {
        self->set_down_handler([=](down_msg&) {
            fired++;
            self->quit();
        });
    } else {
        self->attach_functor([](const error& reason) {
            if (reason == exit_reason::user_shutdown) {
                fired++;
            }
        });
    }
    return {[=](tie_atom) {
        if (links) {
            self->link_to(hub);
        } else {
            self->monitor(hub);
        }
        if (births.fetch_add(1) + 1 == count) {
            self->send(to, done_atom::value, count);
        }
    }};
}

/* Links are looked up in a list when they are made, which takes 40 s for 100,000 of one actor: they are spread over
 * a thousand. What is measured, that many exit signals and ends, is the same. */
void run_fan(actor_system& system, int64_t count, bool links, const char* name) {
    scoped_actor self{system};
    const int64_t hub_count = links ? std::min<int64_t>(1000, count) : 1;
    std::vector<actor> hubs;
    std::vector<actor> ties; // An actor that nobody refers to ends.
    for (int64_t i = 0; i < hub_count; i++) {
        hubs.push_back(system.spawn(hub_actor));
    }
    births = 0;
    fired = 0;
    const double first = now_s();
    for (int64_t i = 0; i < count; i++) {
        ties.push_back(system.spawn(tie_actor, links, hubs[static_cast<size_t>(i % hub_count)], count,
                                    actor_cast<actor>(self)));
        self->send(ties.back(), tie_atom::value);
    }
    expect("tied", count, await_done(self));
    const double began = now_s();
    for (auto& hub : hubs) {
        anon_send_exit(hub, exit_reason::user_shutdown);
    }
    hubs.clear();
    wait_count("signals with the hub's reason", fired, count);
    const double seconds = now_s() - began;
    figure(name, seconds * 1e3, "ms");
    figure(std::string(name) + "-setup", (began - first) * 1e3, "ms");
}

/* ---- timers: this version cannot cancel one ---- */

struct keeper_state {
    int64_t fired = 0;
    int64_t count = 0;
};

behavior keeper_actor(stateful_actor<keeper_state>* self, actor to) {
    return {[=](go_atom, int64_t count, int64_t delay_ms) {
                const double due = now_s() + static_cast<double>(delay_ms) / 1e3;
                uint64_t random = 88172645463325252u;
                std::chrono::milliseconds delay{delay_ms};
                self->state.count = count;
                for (int64_t i = 0; i < count; i++) {
                    random = next_random(random);
                    if (delay_ms == 0) {
                        delay = std::chrono::milliseconds(600000 + random % 600000);
                    } else if (i % 256 == 0) {
                        delay = std::chrono::milliseconds(static_cast<int64_t>(std::max(0.0, due - now_s()) * 1e3) + 1);
                    }
                    self->delayed_send(self, delay, timer_atom::value, i);
                }
                self->send(to, done_atom::value, count);
            },
            [=](timer_atom, int64_t) {
                if (++self->state.fired == self->state.count) {
                    self->send(to, done_atom::value, self->state.fired);
                }
            }};
}

void run_timers(actor_system& system, int64_t count) {
    scoped_actor self{system};
    const int64_t fifth = std::max<int64_t>(1, count / 5);
    auto far = system.spawn(keeper_actor, actor_cast<actor>(self));
    const double began = now_s();
    self->send(far, go_atom::value, count, int64_t{0});
    expect("started", count, await_done(self));
    const double start_s = now_s() - began;
    auto near = system.spawn(keeper_actor, actor_cast<actor>(self));
    const int64_t delay_ms = static_cast<int64_t>(start_s / 5 * 3 * 1e3) + 20;
    const double again = now_s();
    self->send(near, go_atom::value, fifth, delay_ms);
    expect("started", fifth, await_done(self));
    expect("fired", fifth, await_done(self));
    const double fire_s = now_s() - again - static_cast<double>(delay_ms) / 1e3;
    rate("timers-start", count, start_s, "timers/s");
    rate("timers-fire", fifth, fire_s, "timers/s");
}

using bench = std::function<void(actor_system&, int64_t)>;

const std::map<std::string, bench>& benches() {
    static const std::map<std::string, bench> all = {
        {"ping-pong", run_ping_pong},
        {"counting", run_counting},
        {"many-to-one", run_many_to_one},
        {"ring-503", [](actor_system& s, int64_t n) { run_ring(s, n, 503, "ring-503"); }},
        {"ring-10000", [](actor_system& s, int64_t n) { run_ring(s, n, 10000, "ring-10000"); }},
        {"big", run_big},
        {"create", run_create},
        {"tree", run_tree},
        {"idle-memory", run_idle_memory},
        {"call", run_call},
        {"links", [](actor_system& s, int64_t n) { run_fan(s, n, true, "links"); }},
        {"monitors", [](actor_system& s, int64_t n) { run_fan(s, n, false, "monitors"); }},
        {"timers", run_timers},
    };
    return all;
}

} // namespace

int main(int argc, char** argv) {
    const auto found = argc == 4 ? benches().find(argv[1]) : benches().end();
    if (found == benches().end()) {
        fprintf(stderr, "usage: %s NAME THREADS COUNT (CAF %d)\n", argv[0], CAF_VERSION);
        return 64;
    }
    actor_system_config config;
    config.set("scheduler.max-threads", static_cast<size_t>(strtoull(argv[2], nullptr, 10)));
    actor_system system{config};
    const int64_t count = strtoll(argv[3], nullptr, 10);
    if (found->first != "idle-memory") { // What it measures is the first touch of the memory.
        found->second(system, std::max<int64_t>(1, count / 10));
    }
    reporting = true;
    const double cpu = cpu_s();
    found->second(system, count);
    figure("cpu", cpu_s() - cpu, "s");
    figure("peak", status_kib("VmHWM:") / 1024, "MiB");
    fflush(stdout);
    _Exit(0); // What is still waiting, such as a million timers, need not be taken down.
}
