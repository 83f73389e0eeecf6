"""Two nodes that have one module in two versions: types that differ in fields and kinds, and types that one lacks."""
import contextlib

from harness.report import case
from harness.wait import same, until
from processes.admin import Refused

TO_OLD = 'type "versions.turned" field "amount" (1): expected int64, got string'
TO_NEW = 'type "versions.turned" field "amount" (1): expected string, got integer'
UNKNOWN = 'type "versions.fresh" is not known here'


class Actor:
    """An actor of versions_module.c, which has a name too."""

    def __init__(self, node):
        self.node, self.name = node, f"versions/{node.name}"
        self.pid = node.admin.ask(op="spawn", behavior="versions", name=self.name)["pid"]
        self.refused_before = self.counter()

    def order(self, op, to, kind, n=0, text=""):
        """Answers what became of it: the status, and the words."""
        reply = self.node.admin.ask(op="call", to=self.pid, type="versions.order", message={
            "op": op, "to": to, "type": f"versions.{kind}", "n": n, "text": text})["message"]
        return reply["status"], reply["text"]

    def send(self, to, kind, n=0, text=""):
        same("the send", self.order("send", to, kind, n, text)[0], "TROUPE_OK")

    def notes(self):
        """What it was sent, a line each."""
        return look(self.node, self.pid)

    def await_notes(self, *wanted):
        until(f"{len(wanted)} messages", lambda: len(self.notes()) >= len(wanted), 15)
        same("what it was sent", self.notes(), list(wanted))

    def counter(self):
        return self.node.info()["signals_refused"]

    def refused(self):
        """What its node has refused since the actor was made."""
        return self.counter() - self.refused_before

    def await_refused(self, count):
        until(f"{count} refused", lambda: self.refused() >= count, 15)
        same("refused", self.refused(), count)

    def told_in_the_log(self, sender, words):
        """Waits for the line of the first refusal, which comes once."""
        escaped = words.replace('"', '\\"')
        line = f"refused from node {sender.node.id}: {escaped} (1 in all)"
        until("it is told in the log", lambda: "refused from node" in self.node.log(), 15)
        same(line, self.node.log().count(line), 1)


def look(node, pid):
    return node.admin.ask(op="call", to=pid, type="versions.look")["message"]["text"].split("\n")[:-1]


@contextlib.contextmanager
def pair(world):
    """An actor of version 1 and one of version 2, on nodes of their own that have refused nothing yet."""
    names = [f"v{world.extras + version}" for version in (1, 2)]
    world.extras += 2
    nodes = world.start(*(world.node(name, start=False, module=f"{world.build}/modules/versions_{version}.so")
                          for version, name in enumerate(names, 1)))
    world.meshed(*nodes, world.n1, world.n2, world.n3)
    yield tuple(Actor(node) for node in nodes)
    for node in nodes:
        same("it left", node.leave(), 0)
        world.nodes.pop(node.name)


def works(first, second):
    """A call that both understand is answered over the same session."""
    same("a good call", first.order("call", second.pid, "grown", 3)[0], "TROUPE_OK")
    same("and one to the name", first.order("call", second.name, "grown", 3)[0], "TROUPE_OK")


@case("fields added or dropped on one side are skipped by who lacks them, and have their default for who has them")
def fields_come_and_go(world):
    with pair(world) as (old, new):
        seen_by_old = ["grown 5", "shrunk 5 none"]
        seen_by_new = ["grown 5 none 0", "shrunk 5"]
        for sender, receiver, seen in ((old, new, seen_by_new), (new, old, seen_by_old)):
            for to in (receiver.pid, receiver.name):
                for kind, line in zip(("grown", "shrunk"), seen):
                    same("the call", sender.order("call", to, kind, 5, "memo"), ("TROUPE_OK", line))
                    sender.send(to, kind, 5, "memo")
                    # The name's holder is known by now: what was sent is there before what is asked.
                    same("the next one", sender.order("call", to, kind, 5), ("TROUPE_OK", line))
            receiver.await_notes(*(line for _ in range(2) for line in seen for _ in range(3)))
        for kind, by_old, by_new in (("grown", "grown 7", "grown 7 none 0"), ("shrunk", "shrunk 7 none", "shrunk 7")):
            same("a reply to old", old.order("want", new.pid, kind), ("TROUPE_OK", by_old))
            same("a reply to new", new.order("want", old.pid, kind), ("TROUPE_OK", by_new))
        same("refused", [old.refused(), new.refused()], [0, 0])


def is_refused(sender, receiver, kind, words):
    """Messages and requests of that type are refused with these words, whomever they are for, and do no harm."""
    same("lines before", receiver.node.log().count("refused from node"), 0)
    sender.send(receiver.pid, kind, 5, "text")
    receiver.await_refused(1)
    receiver.told_in_the_log(sender, words)
    for to in (receiver.pid, receiver.name):
        same("the call", sender.order("call", to, kind, 5, "text"), ("TROUPE_E_TYPE", words))
    sender.send(receiver.name, kind, 5, "text")
    receiver.await_refused(4)
    receiver.told_in_the_log(sender, words)
    same("what it was sent", receiver.notes(), [])
    works(sender, receiver)
    works(receiver, sender)
    same("refused in all", [sender.refused(), receiver.refused()], [0, 4])


@case("a kind that has changed is refused, counted and told, to the newer side")
def a_changed_kind_for_the_newer(world):
    with pair(world) as (old, new):
        is_refused(old, new, "turned", TO_NEW)
        # A default does not travel, so there is nothing to be refused.
        same("a default", old.order("call", new.pid, "turned", 0), ("TROUPE_OK", "turned none"))


@case("a kind that has changed is refused, counted and told, to the older side")
def a_changed_kind_for_the_older(world):
    with pair(world) as (old, new):
        is_refused(new, old, "turned", TO_OLD)


@case("a type that the receiver does not know is refused, counted and told")
def an_unknown_type(world):
    with pair(world) as (old, new):
        is_refused(new, old, "fresh", UNKNOWN)
        try:
            old.node.admin.ask(op="call", to=new.pid, type="versions.fresh", message={"amount": 5})
            same("a call by hand at the older", "answered", "refused")
        except Refused as refused:
            same("its error", str(refused), f'TROUPE_E_NOT_FOUND: node {old.node.name} knows no type "versions.fresh"')
        reply = new.node.admin.ask(op="call", to=new.pid, type="versions.fresh", message={"amount": 5})
        same("by hand at the newer", reply["message"], {"text": "fresh 5"})


@case("a reply that its caller cannot read fails the call with the words, and is counted at the caller's node")
def a_reply_that_cannot_be_read(world):
    with pair(world) as (old, new):
        same("unknown", old.order("want", new.pid, "fresh"), ("TROUPE_E_TYPE", UNKNOWN))
        old.told_in_the_log(new, UNKNOWN)
        same("another kind", old.order("want", new.name, "turned"), ("TROUPE_E_TYPE", TO_OLD))
        same("the other way", new.order("want", old.pid, "turned"), ("TROUPE_E_TYPE", TO_NEW))
        new.told_in_the_log(old, TO_NEW)
        works(old, new)
        works(new, old)
        same("refused", [old.refused(), new.refused()], [2, 1])


@case("an actor is not born over there from arguments that its node cannot read")
def arguments_that_cannot_be_read(world):
    with pair(world) as (old, new):
        other = 'behavior "versions.born" takes "versions.turned", not "versions.fresh"'
        same("to the newer", old.order("spawn", new.node.name, "turned", 5), ("TROUPE_E_TYPE", TO_NEW))
        same("to the older", new.order("spawn", old.node.name, "turned", 5, "text"), ("TROUPE_E_TYPE", TO_OLD))
        same("another type", new.order("spawn", old.node.name, "fresh", 5), ("TROUPE_E_TYPE", other))
        same("a default", old.order("spawn", new.node.name, "turned", 0)[0], "TROUPE_OK")
        works(old, new)
        works(new, old)
        same("refused", [old.refused(), new.refused()], [0, 0])
