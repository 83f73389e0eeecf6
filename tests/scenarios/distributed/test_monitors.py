"""Monitors between nodes."""
from harness.report import case
from harness.wait import same, until


@case("W1 a stop on the other node is one DOWN of the right actor, normal")
def a_stop_over_there_is_one_down(world):
    watcher, target = world.n1.puppet(), world.n2.puppet()
    watcher.monitor(target)
    target.stop()
    watcher.await_lines(rf"^DOWN \d+ {target.pid} normal ")
    watcher.settle(world.n2.puppet())
    watcher.has("^DOWN", 1)


@case("W2 a crash on the other node is one DOWN with its reason")
def a_crash_over_there_gives_its_reason(world):
    watcher, target = world.n1.puppet(), world.n2.puppet()
    watcher.monitor(target)
    target.fail("out of paper")
    watcher.await_lines(rf"^DOWN \d+ {target.pid} error out of paper$")
    watcher.settle(world.n2.puppet())
    watcher.has("^DOWN", 1)


@case("W3 after a demonitor nothing comes, not even a DOWN that had arrived")
def no_down_after_a_demonitor(world):
    watcher, first, second = world.n1.puppet(), world.n2.puppet(), world.n2.puppet()
    monitor = watcher.monitor(first)
    watcher.do("demonitor", n=int(monitor))
    first.stop()
    first.await_death()
    # The DOWN gets into the mailbox while its watcher stands still in the handler that then demonitors.
    monitor = watcher.monitor(second)
    watcher.order("flush", n=int(monitor), m=500)
    second.stop()
    second.await_death()
    watcher.settle(world.n2.puppet())
    watcher.has(f"^DOWN {monitor} ", 0)
    watcher.has(rf"^DOWN \d+ {first.pid} ", 0)


@case("W4 a monitor of the dead over there is one DOWN noproc")
def a_monitor_of_the_dead_is_noproc(world):
    watcher, target = world.n1.puppet(), world.n2.puppet()
    target.stop()
    target.await_death()
    monitor = watcher.do("monitor", to=target)["n"]
    watcher.await_lines(f"^DOWN {monitor} {target.pid} noproc ")


@case("W5 two watchers get one DOWN each")
def each_watcher_gets_one(world):
    first, second, target = world.n1.puppet(), world.n1.puppet(), world.n2.puppet()
    first.monitor(target)
    second.monitor(target)
    target.stop()
    for watcher in (first, second):
        watcher.await_lines(rf"^DOWN \d+ {target.pid} normal ")
    other = world.n2.puppet()
    for watcher in (first, second):
        watcher.settle(other)
        watcher.has("^DOWN", 1)


@case("W6 the death of a node is a DOWN noconnection for each target on it")
def a_node_s_death_is_a_down_each(world):
    extra = world.extra()
    watcher, targets = world.n1.puppet(), extra.puppets(2)
    for target in targets:
        watcher.monitor(target)
    world.gone(extra)
    for target in targets:
        watcher.await_lines(rf"^DOWN \d+ {target.pid} noconnection ")
    world.await_state(extra.id, "down")
    watcher.settle(world.n2.puppet())
    watcher.has("^DOWN", 2)


@case("W7 a dead watcher's node leaves nothing behind where its target ends")
def a_dead_watcher_leaves_nothing(world):
    extra = world.extra()
    target = world.n2.puppet()
    extra.puppet().monitor(target)
    world.gone(extra)
    world.await_state(extra.id, "down")
    target.do("nothing")
    until("nobody watches", lambda: target.actor()["monitored_by"] == 0, 15)
    target.stop()
    target.await_death()
    until("no row of a link of the dead", lambda: world.sql(f"SELECT * FROM troupe.links WHERE {extra.id} IN (node_id, other_node_id)") == [], 15)


@case("W8 the DOWN carries the reference that the monitor gave")
def the_down_carries_its_reference(world):
    watcher, target = world.n1.puppet(), world.n2.puppet()
    monitors = [watcher.monitor(target) for _ in range(2)]
    same("references differ", len(set(monitors)), 2)
    target.stop()
    for monitor in monitors:
        watcher.await_lines(f"^DOWN {monitor} {target.pid} normal ")
    watcher.has("^DOWN", 2)


@case("W9 of two that watch each other the survivor gets one DOWN and nothing else")
def two_that_watch_each_other(world):
    first, second = world.n1.puppet(), world.n2.puppet()
    first.monitor(second)
    second.monitor(first)
    second.stop()
    first.await_lines(rf"^DOWN \d+ {second.pid} normal ")
    first.settle(world.n2.puppet())
    same("notes but the mark", len([line for line in first.lines() if not line.startswith("MSG")]), 1)
    same("is alive", first.is_alive(), True)


@case("P21 a monitor of the dead leaves nothing behind")
def a_monitor_of_the_dead_leaves_nothing(world):
    watcher, target = world.n1.puppet(), world.n2.puppet()
    target.stop()
    target.await_death()
    for _ in range(10):
        watcher.do("monitor", to=target)
    watcher.await_lines("^DOWN .* noproc", 10)
    same("its monitors", watcher.actor()["monitors"], 0)


@case("J2 one message over there and one answer by the pid in it")
def a_ping_and_a_pong(world):
    first, second = world.n1.puppet(), world.n2.puppet()
    first.do("token", to=second)
    first.await_lines(f"^MSG {second.pid} by the pid you sent$")
    second.await_lines(f"^TOKEN {first.pid}$")
