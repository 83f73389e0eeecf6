"""Nodes cut from all, from the database, from their peers; nodes that do not read; links that are slow or lossy."""
import itertools
import time

from harness.report import case
from harness.wait import holds, same, until
from network import can_delay
from processes.admin import at_once
from world import DEFAULTS, NAMES, QUICK

BIG = 64 * 1024 * 1024
MIB = 1024 * 1024


@case("N1 the cable of a node is pulled: dead when its lease runs out, and fenced when it is back")
def a_cable_is_pulled(world):
    world.up(dict(QUICK, lease_ttl="2s"))
    node = world.nodes["n5"]
    watcher, target = world.nodes["n1"].puppet(trap=True), node.puppet()
    watcher.link(target)
    watcher.monitor(target)
    old = node.id
    world.network.unplug("n5")
    world.await_state(old, "down", "expired")
    watcher.await_lines(f"^EXIT {target.pid} noconnection ")
    watcher.await_lines(rf"^DOWN \d+ {target.pid} noconnection ")
    world.network.plug("n5")
    until("it is a member under a new id", lambda: node.is_ready() and node.id > old, 40)
    same("its actor is gone", target.is_alive(), False)
    world.meshed(*world.nodes.values())
    watcher.settle(node.puppet())
    same("signals", len(watcher.matching("^(EXIT|DOWN)")), 2)


@case("F7 a node that loses only the database: its actors go on while its lease lasts; then it is dead, once, and joins anew")
def only_the_database_is_lost(world):
    world.up(dict(QUICK, lease_ttl="5s"))
    ids = world.ids()
    node = world.nodes["n1"]
    pair = world.pair_of("n1", "n2").talk()
    pair.talking()
    world.network.cut("n1", "db")
    until("a renewal gets lost", lambda: all(world.network.dropped().values()), 30)
    pair.talking()
    world.network.heal_bitten()
    until("its lease is renewed", lambda: node.info()["lease_left_ms"] > 4000, 30)
    pair.talking()
    pair.unhurt()
    world.all_are_members(ids)
    world.network.cut("n1", "db")
    world.await_state(node.id, "down", "expired")
    pair.right.await_lines(f"^EXIT {pair.left.pid} noconnection ")
    pair.right.await_lines(rf"^DOWN \d+ {pair.left.pid} noconnection ")
    same("it runs all the same", node.process.poll(), None)
    world.network.heal_bitten()
    until("it is a member under a new id", lambda: node.is_ready() and node.id not in ids, 40)
    world.meshed(*world.nodes.values())
    pair.right.settle(node.puppet())
    same("signals", len(pair.right.matching("^(EXIT|DOWN)")), 2)
    same("its old actors are gone", pair.left.is_alive(), False)


@case("F8 a node that loses only its peers stays a member; its links fire noconnection, its names are found")
def only_the_peers_are_lost(world):
    world.up()
    ids = world.ids()
    others = NAMES[:4]
    name = f"f8-{world.random.random()}"
    named = world.nodes["n5"].puppet(name)
    pairs = [world.pair_of(other, "n5") for other in others]
    world.network.cut_from("n5", others)
    for pair in pairs:
        pair.parted()
    same("who holds its name", world.nodes["n5"].whereis(name), named.pid)
    caller = world.nodes["n1"].puppet()
    caller.do("call", to=named, text="echo", n=20000, m=1)
    caller.await_lines("^RESULT 1 TROUPE_E_NOCONNECTION ", seconds=30)
    world.all_are_members(ids)
    world.healed()
    for pair in pairs:
        pair.parted_once()
    caller.do("call", to=named, text="echo", n=20000, m=2)
    caller.await_lines("^RESULT 2 TROUPE_OK ", seconds=30)
    world.all_are_members(ids)


@case("N4 stopped for a while, a peer does not read: its senders are held back and stay small, then all comes")
def a_peer_that_does_not_read(world):
    near, far = world.up({"silence": "30s", "lease_ttl": "30s"}, ("n1", "n2"))
    # What waits for eight fits their mailboxes when it comes at once.
    pairs = list(zip(near.puppets(8), far.puppets(8)))
    before, held = near.memory(), 0
    for sender, receiver in pairs:
        sender.do("stream", to=receiver, text="1", n=1 << 40, m=4, size=8 * 1024)
    for _ in range(5 if world.long else 1):
        for _, receiver in pairs:
            count = receiver.ledger(1)["got"]
            until("it comes", lambda receiver=receiver, count=count: receiver.ledger(1)["got"] > count + 50, 30)
        far.freeze()
        until("all its senders are held back", lambda: all(sender.actor()["blocked_on"] == f"node {far.id}" for sender, _ in pairs), 20)
        held = max(held, near.memory() - before)
        far.thaw()
    holds(f"{held // MIB} MiB that waited are not too much", held < 200 * MIB)
    total = 0
    for sender, receiver in pairs:
        sent = int(sender.do("halt", n=1)["n"])
        until("all has come", lambda receiver=receiver, sent=sent: receiver.ledger(1)["got"] >= sent, 60)
        kept = receiver.ledger(1)
        same("its ledger", [kept[key] for key in ("got", "missing", "again", "bad")], [sent, 0, 0, 0])
        total += sent
    same("sessions lost", near.logged("session .* with node n2 .* lost"), 0)
    print(f"# {total} messages, {held // MIB} MiB waited", flush=True)


@case("messages of 64 MiB on a slow link: nobody is taken for dead, small calls go on beside them")
def giants_on_a_slow_link(world):
    world.up(DEFAULTS)
    ids = world.ids()
    nodes = world.nodes
    sender, receiver = nodes["n1"].puppet(), nodes["n2"].puppet()
    caller, callee = nodes["n1"].puppet(trap=True), nodes["n2"].puppet()
    caller.link(callee)
    world.network.slow("n1", "20mbit" if world.long else "100mbit")
    start, calls, slowest = time.monotonic(), 0, 0
    try:
        sender.do("stream", to=receiver, text="1", n=1, m=1, size=BIG - 64)
        while receiver.ledger(1)["got"] < 1:
            calls += 1
            begun = time.monotonic()
            holds("the giant comes in time", begun < start + 240)
            caller.do("call", to=callee, text="echo", n=30000, m=calls)
            caller.await_lines(f"^RESULT {calls} TROUPE_OK ", seconds=30)
            slowest = max(slowest, time.monotonic() - begun)
        overlimits = world.network.slowed("n1")
    finally:
        world.network.fast("n1")
    seconds = time.monotonic() - start
    holds(f"the link was slow: {overlimits} times too fast, {seconds:.1f} s", overlimits > 100)
    holds(f"{calls} calls went on beside it", calls >= 3)
    holds(f"none waited for the giant: {slowest:.1f} of {seconds:.1f} s", slowest < seconds / 2)
    kept = receiver.ledger(1)
    same("its ledger", [kept[key] for key in ("got", "missing", "again", "bad")], [1, 0, 0, 0])
    caller.settle(callee)
    caller.has("^EXIT", 0)
    same("connections taken for dead", [node.logged("is silent") for node in nodes.values()], [0] * len(nodes))
    world.all_are_members(ids)
    print(f"# {seconds:.1f} s, {calls} calls beside it, the slowest {slowest * 1000:.0f} ms", flush=True)


@case("a tenth of the packets lost, 200 ms there and back, jitter and reordering: nobody is taken for dead, nothing is lost")
def a_bad_network(world):
    if not can_delay():
        return "there is no /dev/net/tun"
    world.delayed(DEFAULTS, 95, 10, 5, 1)  # each way
    ids = world.ids()
    names = list(itertools.combinations(NAMES, 2))
    pairs = at_once(lambda pair=pair: world.pair_of(*pair).talk(each=1) for pair in (names if world.long else names[:4]))
    before = world.delay.counts()
    time.sleep(60 if world.long else 5)  # how long nobody may be taken for dead
    at_once(lambda pair=pair: pair.talking(more=100, seconds=60).nothing_lost(seconds=60) for pair in pairs)
    world.all_are_members(ids)
    passed, lost, reordered = (now - then for now, then in zip(world.delay.counts(), before))
    holds(f"a twentieth is lost each way: {lost} of {passed}", 0.03 < lost / (lost + passed) < 0.08)
    holds(f"{reordered} went ahead of others", reordered > 0)
    same("sessions lost", [node.logged("session .* lost") for node in world.nodes.values()], [0] * len(NAMES))
    print(f"# {passed} packets passed, {lost} lost, {reordered} reordered", flush=True)
