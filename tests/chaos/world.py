"""Five nodes in five namespaces, their database in a sixth, and what the cases ask of them."""
import itertools
import random

from harness.wait import holds, same, until
from network import PORT, Delay, Network
from processes.cluster import Cluster

NAMES = ["n1", "n2", "n3", "n4", "n5"]
HEAL_SECONDS = 15
# Windows that are short, for what only needs them to pass.
QUICK = {"heartbeat": "300ms", "silence": "1500ms", "resume_window": "1500ms"}
DEFAULTS = {}


class World(Cluster):
    def __init__(self, build, long, seed):
        self.long, self.random, self.seed = long, random.Random(seed), seed
        self.network = Network(["db"] + NAMES)
        self.settings = self.delay = None
        super().__init__(build, Network.words("db"), self.network.address("db"))

    # ---- nodes ----

    def up(self, settings=None, names=tuple(NAMES)):
        """Healed, with those nodes running with such settings and connected; answers them."""
        settings = QUICK if settings is None else settings
        self.heal_all()
        if self.settings != settings:
            self.all_down()
        self.settings = settings
        here = [self.nodes.get(name) for name in names]
        missing = [name for name, node in zip(names, here) if node is None or node.process.poll() is not None]
        self.start(*(self.node(name, start=False, listen=f"{self.listen_address(name)}:{PORT}",
                               words=self.network.words(name), **settings) for name in missing))
        found = [self.nodes[name] for name in names]
        for node in found:
            until(f"{node.name} is well", node.is_ready, HEAL_SECONDS)
        self.meshed(*found)
        return found

    def listen_address(self, name):
        return self.network.address(name) if self.delay is None else self.network.delayed_address(name)

    def all_down(self):
        for node in self.nodes.values():
            node.kill()
        self.nodes.clear()

    def heal_all(self):
        self.network.heal()
        if self.delay is not None:
            self.all_down()
            self.delay.end()
            self.delay = None

    def delayed(self, settings, *faults):
        """Five fresh nodes that reach each other through a router with faults."""
        self.heal_all()
        self.all_down()
        self.delay = Delay(self.build, self.network, NAMES, *faults)
        self.settings = settings
        found = [self.node(name, start=False, listen=f"{self.listen_address(name)}:{PORT}",
                           words=self.network.words(name), **settings) for name in NAMES]
        self.start(*found)
        return self.meshed(*found, seconds=60)

    def pair_of(self, one, other):
        return Pair(self, self.nodes[one], self.nodes[other])

    def all_pairs(self):
        return [self.pair_of(one, other) for one, other in itertools.combinations(NAMES, 2)]

    def ids(self):
        return [self.nodes[name].id for name in NAMES]

    def all_are_members(self, ids):
        """Nobody has been declared dead: the same starts as before are up."""
        same("members", self.sql("SELECT node_id FROM troupe.nodes WHERE state = 'up' ORDER BY 1"), [[str(id_)] for id_ in sorted(ids)])

    def healed(self):
        """Ends the cuts, each of which has to have bitten, and waits for the sessions."""
        self.network.heal_bitten()
        self.meshed(*(self.nodes[name] for name in NAMES), seconds=HEAL_SECONDS)

    def end(self):
        if self.delay is not None:
            self.delay.end()
        super().end()


class Pair:
    """Two puppets on two nodes that trap exits, linked, each watching the other, each sending numbers to the other."""

    STREAMS = (1, 2)

    def __init__(self, world, left, right):
        self.world = world
        self.left, self.right = left.puppet(trap=True), right.puppet(trap=True)
        self.left.link(self.right)
        self.left.monitor(self.right)
        self.right.monitor(self.left)
        self.ends = ((self.left, self.right, 1), (self.right, self.left, 2))

    def names(self):
        return self.left.node.name, self.right.node.name

    def talk(self, each=2, size=0, count=1 << 40):
        """Each sends the other numbers until told otherwise."""
        for sender, receiver, stream in self.ends:
            sender.do("stream", to=receiver, text=str(stream), n=count, m=each, size=size)
        return self

    def talking(self, more=20, seconds=HEAL_SECONDS):
        """Waits until so many more have come on both sides."""
        before = [receiver.ledger(stream)["got"] for _, receiver, stream in self.ends]
        for (_, receiver, stream), count in zip(self.ends, before):
            until("more comes", lambda receiver=receiver, stream=stream, count=count:
                  receiver.ledger(stream)["got"] >= count + more, seconds)
        return self

    def nothing_lost(self, seconds=30):
        """Halts; then everything that was sent has come, once and in order, and nobody has noticed a thing."""
        for sender, receiver, stream in self.ends:
            sent = int(sender.do("halt", n=stream)["n"])
            until(f"all {sent} have come from {sender.pid} to {receiver.pid}",
                  lambda receiver=receiver, stream=stream, sent=sent: receiver.ledger(stream)["got"] >= sent, seconds)
            kept = receiver.ledger(stream)
            same(f"from {sender.pid} to {receiver.pid}: got, last, missing, again, bad",
                 [kept[key] for key in ("got", "last", "missing", "again", "bad")], [sent, sent, 0, 0, 0])
        self.unhurt()
        return sum(sender.ledger(stream)["sent"] for sender, _, stream in self.ends)

    def unhurt(self):
        """No signal has come, up to a last word of each to the other."""
        for sender, receiver, _ in self.ends:
            receiver.settle(sender)
            receiver.has("^(EXIT|DOWN)", 0)

    def parted(self, seconds=30):
        """Waits until link and monitors have fired on both sides: noconnection."""
        for sender, receiver, _ in self.ends:
            receiver.await_lines(f"^EXIT {sender.pid} noconnection ", seconds=seconds)
            receiver.await_lines(rf"^DOWN \d+ {sender.pid} noconnection ", seconds=seconds)

    def parted_once(self):
        """After healing: link and monitors have fired once, nothing came twice, and a new link works."""
        for sender, receiver, stream in self.ends:
            sender.do("halt", n=stream)
            receiver.settle(sender)
            same(f"signals of {receiver.pid}", len(receiver.matching("^(EXIT|DOWN)")), 2)
            kept = receiver.ledger(stream)
            same("doubled or out of order", [kept["again"], kept["bad"]], [0, 0])
            same("links left", receiver.actor()["linked_to"], [])
        fresh = self.right.node.puppet()
        self.left.link(fresh)
        fresh.fail("a new link works")
        self.left.await_lines(f"^EXIT {fresh.pid} error a new link works$")

    def has_resumed(self, before):
        holds("its session was resumed", resumes(self) > before)


def resumes(pair):
    """How often the session between the nodes of a pair was taken up again."""
    return sum(one.node.logged(f"session \\d+ with node {other.node.name} .* resumed") for one, other, _ in pair.ends)
