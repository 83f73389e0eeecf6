// The benchmarks of two processes, in CAF.
//   bench_remote server THREADS                                     prints "ready PORT PROCESS"; ends at the end of its input
//   bench_remote client THREADS PORT PROCESS oneway COUNT SIZE
//   bench_remote client THREADS PORT PROCESS request-reply|call|links COUNT
//
// Each does the same work as its namesake in bench/troupe. A payload is a string: CAF 0.17 takes vectors of bytes
// apart, byte by byte. What it does differently besides stands in bench/README.md.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

using namespace caf;

using ask_atom = atom_constant<atom("ask")>;
using data_atom = atom_constant<atom("data")>;
using done_atom = atom_constant<atom("done")>;
using garden_atom = atom_constant<atom("garden")>;
using get_atom = atom_constant<atom("get")>;
using go_atom = atom_constant<atom("go")>;
using greet_atom = atom_constant<atom("greet")>;
using mark_atom = atom_constant<atom("mark")>;
using plant_atom = atom_constant<atom("plant")>;
using slice_atom = atom_constant<atom("slice")>;
using tell_atom = atom_constant<atom("tell")>;

namespace {

constexpr int64_t request_bytes = 64;
constexpr int64_t slice_size = 1000;

/* ---- measuring ---- */

double now_s() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_s() {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

double peak_mib() {
    FILE* file = fopen("/proc/self/status", "re");
    char line[256];
    double kib = 0;
    while (file != nullptr && fgets(line, sizeof(line), file) != nullptr) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtod(line + 6, nullptr);
        }
    }
    if (file != nullptr) {
        fclose(file);
    }
    return kib / 1024;
}

void figure(const std::string& name, double value, const char* unit) {
    printf("%s %.3f %s\n", name.c_str(), value, unit);
}

void expect(const char* what, int64_t wanted, int64_t got) {
    if (wanted != got) {
        fprintf(stderr, "%s: %lld wanted, %lld found\n", what, static_cast<long long>(wanted), static_cast<long long>(got));
        _Exit(5);
    }
}

void percentiles(const std::string& name, std::vector<int64_t> samples, int64_t count) {
    expect("samples", count, static_cast<int64_t>(samples.size()));
    std::sort(samples.begin(), samples.end());
    for (int percent : {50, 99}) {
        const auto index = static_cast<size_t>(std::max<int64_t>(1, (count * percent + 99) / 100) - 1);
        figure(name + "-p" + std::to_string(percent), static_cast<double>(samples[index]), "ns");
    }
}

// Waits until this process has used next to no CPU for a fifth of a second; ten seconds at the most.
void settle() {
    double before = cpu_s();
    for (int i = 0; i < 50; i++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        const double now = cpu_s();
        if (now - before < 0.01) {
            return;
        }
        before = now;
    }
}

/* ---- the server's side ---- */

struct server_state {
    int64_t counted = 0;
    size_t size = 0;
    int64_t handled = 0;
    std::vector<actor> plants;
};

std::atomic<int64_t> greeted{0};

behavior plant_actor(event_based_actor*) {
    return {[](greet_atom) { greeted++; }};
}

behavior server_actor(stateful_actor<server_state>* self) {
    return {
        [=](data_atom, int64_t number, const std::string& payload) {
            auto& state = self->state;
            state.size = number == 1 ? payload.size() : state.size;
            expect("order", state.counted + 1, number);
            expect("size", static_cast<int64_t>(state.size), static_cast<int64_t>(payload.size()));
            state.counted = number;
        },
        // What it has handled; a stream begins anew at its number 1.
        [=](mark_atom, bool last, const actor& to) {
            self->send(to, mark_atom::value, self->state.counted);
            self->state.counted = last ? 0 : self->state.counted;
        },
        [=](ask_atom, int64_t number, const std::string& payload, const actor& to) {
            self->send(to, tell_atom::value, number, payload);
        },
        [=](go_atom, const std::string& payload) {
            self->state.handled++;
            return payload;
        },
        [=](get_atom) { return self->state.handled; },
        [=](plant_atom, int64_t count) {
            for (int64_t i = 0; i < count; i++) {
                self->state.plants.push_back(self->spawn(plant_actor));
            }
            return count;
        },
        [=](slice_atom, int64_t first) {
            const auto& plants = self->state.plants;
            const auto from = plants.begin() + first;
            const auto last = std::min<int64_t>(first + slice_size, static_cast<int64_t>(plants.size()));
            return std::vector<actor>(from, plants.begin() + last);
        },
        [](garden_atom) { return greeted.load(); },
    };
}

int serve(actor_system& system) {
    const actor server = system.spawn(server_actor);
    const auto port = system.middleman().publish(server, 0, "127.0.0.1");
    if (!port) {
        fprintf(stderr, "publish: %s\n", system.render(port.error()).c_str());
        return 5;
    }
    const double cpu = cpu_s();
    printf("ready %u %d\n", static_cast<unsigned>(*port), static_cast<int>(getpid()));
    fflush(stdout);
    while (getchar() != EOF) {
    }
    figure("cpu", cpu_s() - cpu, "s");
    figure("peak", peak_mib(), "MiB");
    fflush(stdout);
    _Exit(0);
}

/* ---- the client's side ---- */

// Sends a stream, two windows of it under way, and tells when the server has counted all of it.
struct sender_state {
    int64_t next = 1;
    int64_t marks = 0; // windows that are not answered
    int64_t window_end = 0;
};

behavior sender_actor(stateful_actor<sender_state>* self, actor peer, actor to, int64_t count, int64_t window, size_t size) {
    const std::string payload(size, '\7');
    auto push = [=] {
        auto& state = self->state;
        while (state.marks < 2 && state.next <= count) {
            state.window_end = std::min(state.window_end + window, count);
            for (; state.next <= state.window_end; state.next++) {
                self->send(peer, data_atom::value, state.next, payload);
            }
            self->send(peer, mark_atom::value, state.next > count, actor_cast<actor>(self));
            state.marks++;
        }
    };
    return {[=](go_atom) { push(); },
            [=](mark_atom, int64_t counted) {
                self->state.marks--;
                if (self->state.next <= count) {
                    push();
                } else if (self->state.marks == 0) {
                    self->send(to, done_atom::value, counted);
                    self->quit();
                }
            }};
}

int64_t await_done(scoped_actor& self) {
    int64_t count = 0;
    self->receive([&](done_atom, int64_t value) { count = value; });
    return count;
}

void oneway(scoped_actor& self, const actor& peer, int64_t count, size_t size, bool report) {
    const auto window = std::min<int64_t>(4000, static_cast<int64_t>((size_t{4} << 20) / size));
    auto sender = self->spawn(sender_actor, peer, actor_cast<actor>(self), count, window, size);
    const double began = now_s();
    self->send(sender, go_atom::value);
    expect("messages counted", count, await_done(self));
    const double seconds = now_s() - began;
    if (report) {
        const std::string text = size >= 1024 ? std::to_string(size / 1024) + "KiB" : std::to_string(size) + "B";
        figure("remote-oneway-" + text, static_cast<double>(count) / seconds, "msgs/s");
    }
}

// Asks by two plain messages, so many under way.
struct asker_state {
    int64_t sent = 0;
    int64_t answered = 0;
    double began = 0;
};

behavior asker_actor(stateful_actor<asker_state>* self, actor peer, actor to, int64_t count, int64_t window,
                     std::vector<int64_t>* samples) {
    const std::string payload(request_bytes, '\7');
    auto ask = [=] {
        self->state.began = now_s();
        self->send(peer, ask_atom::value, self->state.sent++, payload, actor_cast<actor>(self));
    };
    return {[=](go_atom) {
                while (self->state.sent < std::min(count, window)) {
                    ask();
                }
            },
            [=](tell_atom, int64_t number, const std::string& answer) {
                auto& state = self->state;
                if (samples != nullptr) {
                    samples->push_back(static_cast<int64_t>((now_s() - state.began) * 1e9));
                }
                expect("order", state.answered++, number);
                expect("size", request_bytes, static_cast<int64_t>(answer.size()));
                if (state.sent < count) {
                    ask();
                } else if (state.answered == count) {
                    self->send(to, done_atom::value, count);
                    self->quit();
                }
            }};
}

void request_reply(scoped_actor& self, const actor& peer, int64_t count, size_t, bool report) {
    std::vector<int64_t> samples;
    auto one = self->spawn(asker_actor, peer, actor_cast<actor>(self), count, int64_t{1}, &samples);
    self->send(one, go_atom::value);
    expect("answers", count, await_done(self));
    auto many = self->spawn(asker_actor, peer, actor_cast<actor>(self), 3 * count, int64_t{64}, nullptr);
    const double began = now_s();
    self->send(many, go_atom::value);
    expect("answers", 3 * count, await_done(self));
    const double seconds = now_s() - began;
    if (report) {
        percentiles("remote-request-reply", samples, count);
        figure("remote-request-reply-64", static_cast<double>(3 * count) / seconds, "calls/s");
    }
}

// The library's requests.
void call_next(stateful_actor<asker_state>* self, const actor& peer, const actor& to, int64_t count,
               std::vector<int64_t>* samples, const std::string& payload) {
    self->state.began = now_s();
    self->request(peer, std::chrono::seconds(5), go_atom::value, payload).then([=](const std::string& answer) {
        samples->push_back(static_cast<int64_t>((now_s() - self->state.began) * 1e9));
        expect("size", request_bytes, static_cast<int64_t>(answer.size()));
        if (++self->state.answered < count) {
            call_next(self, peer, to, count, samples, payload);
            return;
        }
        self->send(to, done_atom::value, count);
        self->quit();
    });
}

behavior caller_actor(stateful_actor<asker_state>* self, actor peer, actor to, int64_t count, std::vector<int64_t>* samples) {
    return {[=](go_atom) { call_next(self, peer, to, count, samples, std::string(request_bytes, '\7')); }};
}

template <class... Ts>
int64_t ask_number(scoped_actor& self, const actor& peer, Ts... message) {
    int64_t number = 0;
    self->request(peer, infinite, message...)
        .receive([&](int64_t value) { number = value; }, [](const error&) { expect("an answer", 1, 0); });
    return number;
}

void call(scoped_actor& self, const actor& peer, int64_t count, size_t, bool report) {
    std::vector<int64_t> samples;
    const int64_t before = ask_number(self, peer, get_atom::value);
    auto caller = self->spawn(caller_actor, peer, actor_cast<actor>(self), count, &samples);
    self->send(caller, go_atom::value);
    expect("answers", count, await_done(self));
    expect("calls handled", count, ask_number(self, peer, get_atom::value) - before);
    if (report) {
        percentiles("remote-call", samples, count);
    }
}

/* ---- links ---- */

std::atomic<int64_t> exits{0};
std::atomic<int64_t> strange{0};
std::atomic<double> first_s{0};

behavior tie_actor(event_based_actor* self, actor plant, int64_t count, actor to) {
    const actor_addr address = plant.address();
    self->set_exit_handler([=](exit_msg& message) {
        if (message.source != address) {
            strange++;
            return;
        }
        const int64_t mine = ++exits;
        if (mine == 1) {
            first_s = now_s();
        }
        if (mine == count) {
            self->send(to, done_atom::value, mine);
        }
    });
    self->link_to(plant);
    self->send(plant, greet_atom::value);
    return {[](go_atom) {}};
}

void links(scoped_actor& self, const actor& peer, int64_t count, pid_t process) {
    expect("plants", count, ask_number(self, peer, plant_atom::value, count));
    std::vector<actor> ties;
    const double first = now_s();
    while (static_cast<int64_t>(ties.size()) < count) {
        self->request(peer, infinite, slice_atom::value, static_cast<int64_t>(ties.size()))
            .receive(
                [&](const std::vector<actor>& plants) {
                    expect("plants", 1, plants.empty() ? 0 : 1);
                    for (const auto& plant : plants) {
                        ties.push_back(self->spawn(tie_actor, plant, count, actor_cast<actor>(self)));
                    }
                },
                [](const error&) { expect("a slice", 1, 0); });
    }
    while (ask_number(self, peer, garden_atom::value) != count) {
    }
    const double setup = now_s() - first;
    settle();
    const double cpu = cpu_s();
    const double began = now_s();
    expect("killed", 0, kill(process, SIGKILL));
    expect("exits", count, await_done(self));
    const double seconds = now_s() - began;
    const double used = cpu_s() - cpu;
    settle(); // A second one of the same link would come now.
    expect("exits", count, exits.load());
    expect("strange exits", 0, strange.load());
    figure("remote-links", seconds * 1e3, "ms");
    figure("remote-links-first", (first_s.load() - began) * 1e3, "ms");
    figure("remote-links-cpu", used * 1e3, "ms");
    figure("remote-links-setup", setup * 1e3, "ms");
}

int be_client(actor_system& system, char** argv, size_t size) {
    const std::string kind = argv[5];
    const int64_t count = strtoll(argv[6], nullptr, 10);
    auto peer = system.middleman().remote_actor("127.0.0.1", static_cast<uint16_t>(atoi(argv[3])));
    if (!peer) {
        fprintf(stderr, "remote_actor: %s\n", system.render(peer.error()).c_str());
        return 5;
    }
    scoped_actor self{system};
    const auto bench = kind == "oneway" ? oneway : kind == "call" ? call : request_reply;
    double cpu = cpu_s();
    if (kind == "links") {
        links(self, *peer, count, atoi(argv[4]));
    } else {
        bench(self, *peer, std::max<int64_t>(1, count / 10), size, false);
        cpu = cpu_s();
        bench(self, *peer, count, size, true);
    }
    figure("cpu", cpu_s() - cpu, "s");
    figure("peak", peak_mib(), "MiB");
    fflush(stdout);
    _Exit(0);
}

} // namespace

int main(int argc, char** argv) {
    const bool server = argc == 3 && strcmp(argv[1], "server") == 0;
    if (!server && (argc < 7 || argc > 8 || strcmp(argv[1], "client") != 0)) {
        fprintf(stderr, "usage: %s server THREADS | client THREADS PORT PROCESS KIND COUNT [SIZE] (CAF %d)\n", argv[0],
                CAF_VERSION);
        return 64;
    }
    actor_system_config config;
    config.load<io::middleman>();
    config.add_message_type<std::vector<actor>>("actors");
    config.set("scheduler.max-threads", static_cast<size_t>(strtoull(argv[2], nullptr, 10)));
    actor_system system{config};
    return server ? serve(system) : be_client(system, argv, argc == 8 ? strtoull(argv[7], nullptr, 10) : request_bytes);
}
