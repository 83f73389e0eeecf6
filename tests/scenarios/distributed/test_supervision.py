"""Supervisors here whose children run elsewhere."""
import re

from harness.report import case
from harness.wait import Wrong, holds, same, until
from processes.admin import Refused

ONE_FOR_ONE, ONE_FOR_ALL, REST_FOR_ONE = "0", "1", "2"


class Family:
    """A puppet, its supervisor, and children placed by a rule. The puppet hears from each child when it starts and ends."""

    def __init__(self, node, placement, count=1, strategy=ONE_FOR_ONE, restarts=3):
        self.node = node
        self.parent = node.puppet(trap=True)
        self.pid = self.parent.do("supervise", to=placement, text=strategy, n=count, m=restarts)["pid"]
        if count > 0:
            self.running(*(f"c{i + 1}" for i in range(count)))

    def ask(self, what, **message):
        return self.node.admin.ask(op="call", to=self.pid, type=f"troupe.{what}", message=message, seconds=30)["message"]

    def children(self):
        return self.ask("list_children")["children"]

    def running(self, *ids, besides=(), on=None, seconds=40):
        """Waits until those children run, under none of the pids of before; answers their pids."""
        def all_run():
            found = self.children()
            if [child["id"] for child in found] != list(ids) or any(
                    child["state"] != "running" or child["pid"] in besides or on not in (None, child["node"]) for child in found):
                raise Wrong(f"children: {found}")
            return [child["pid"] for child in found]
        return until(f"{ids} run", all_run, seconds)

    def heard(self):
        """What the parent has heard of children: [pid, word]."""
        return [line.split()[1:3] for line in self.parent.matching(r"^MSG <\S+> (starts|ends)")]

    def await_heard(self, count):
        return until(f"{count} words", lambda: (self.heard() if len(self.heard()) >= count else None), 20)


@case("S1 a child started over there is told of with its node, and does its work")
def a_child_elsewhere(world):
    family = Family(world.n1, "n2")
    pid, = family.running("c1", on="n2")
    caller = world.n3.puppet()
    caller.do("call", to=pid, text="echo", n=10000, m=1)
    caller.await_lines("^RESULT 1 TROUPE_OK ")
    same("it runs on n2", world.n2.at(pid).is_alive(), True)


@case("S2 a child that fails is started again over there, with a new pid, and there is one child")
def a_child_elsewhere_fails(world):
    family = Family(world.n1, "n2")
    old, = family.running("c1")
    world.n2.at(old).fail("on purpose")
    new, = family.running("c1", besides=(old,), on="n2")
    same("the old one", world.n2.at(old).is_alive(), False)
    same("what was heard", family.await_heard(3), [[old, "starts"], [old, "ends"], [new, "starts"]])
    same("how often", int(family.children()[0]["restarts"]), 1)


@case("S3 one_for_all over there: the others stop in reverse, all start in order")
def all_start_again(world):
    family = Family(world.n1, "n2", count=3, strategy=ONE_FOR_ALL)
    a, b, c = family.running("c1", "c2", "c3")
    world.n2.at(b).fail("on purpose")
    a2, b2, c2 = family.running("c1", "c2", "c3", besides=(a, b, c), on="n2")
    same("what was heard", family.await_heard(9)[3:], [[b, "ends"], [c, "ends"], [a, "ends"], [a2, "starts"], [b2, "starts"], [c2, "starts"]])


@case("S4 rest_for_one over there: those behind it stop and start with it, the first stays")
def the_rest_start_again(world):
    family = Family(world.n1, "n2", count=3, strategy=REST_FOR_ONE)
    a, b, c = family.running("c1", "c2", "c3")
    world.n2.at(b).fail("on purpose")
    a2, b2, c2 = until("two are new", lambda: two_new(family, (b, c)), 40)
    same("the first", a2, a)
    same("what was heard", family.await_heard(7)[3:], [[b, "ends"], [c, "ends"], [b2, "starts"], [c2, "starts"]])


def two_new(family, old):
    pids = family.running("c1", "c2", "c3", seconds=0.1)
    return pids if not set(pids) & set(old) else None


@case("S5 the end of the parent stops its children over there")
def the_parent_stops(world):
    family = Family(world.n1, "n2", count=3)
    pids = family.running("c1", "c2", "c3")
    family.parent.stop("shutdown")
    for pid in pids:
        world.n2.at(pid).await_death()
    until("the supervisor is gone", lambda: not world.n1.at(family.pid).is_alive(), 15)


@case("S6 the children of a node that dies start on another one that lives")
def the_node_of_the_children_dies(world):
    extra = world.extra(roles="spare")
    family = Family(world.n1, "round_robin role:spare", count=2)
    old = family.running("c1", "c2", on=extra.name)
    other = world.extra(roles="spare")
    world.gone(extra)
    new = family.running("c1", "c2", besides=old, on=other.name)
    for pid in new:
        same("it lives", other.at(pid).is_alive(), True)
    family.parent.stop("shutdown")
    for pid in new:
        other.at(pid).await_death()
    world.gone(other)


@case("S7 the death of the supervisor's node ends its children over there")
def the_node_of_the_supervisor_dies(world):
    extra = world.extra()
    pids = Family(extra, "n2", count=2).running("c1", "c2")
    world.gone(extra)
    for pid in pids:
        world.n2.at(pid).await_death()


@case("S8 S12 a child for a node that is not there, or of a behavior that nobody has, is refused and not kept")
def a_child_that_cannot_start(world):
    family = Family(world.n1, "n2")
    before = family.running("c1")
    for behavior, placement in (("puppet.child", "nowhere"), ("puppet.none", "n2")):
        try:
            family.ask("start_child", id="more", behavior=behavior, placement=placement)
        except Refused as refused:
            holds(f"refused: {refused}", refused.status not in ("TROUPE_E_TIMEOUT", ""))
        else:
            raise Wrong(f"{behavior} on {placement} was started")
    same("the children", family.running("c1"), before)
    family.ask("start_child", id="more", behavior="puppet.child", placement="n3")
    holds("one that can start does", world.n3.at(family.running("c1", "more")[1]).is_alive())


@case("S9 a child whose node is gone and named waits; each try is a failure, and the parent is told when there were too many")
def a_child_that_cannot_start_again(world):
    extra = world.extra()
    family = Family(world.n1, extra.name, restarts=3)
    world.gone(extra)
    family.parent.await_lines(f"^EXIT {re.escape(family.pid)} shutdown", seconds=60)
    same("the supervisor", world.n1.at(family.pid).is_alive(), False)


@case("S10 a child whose node stands still is stopped all the same, by force")
def a_child_that_does_not_answer(world):
    extra = world.extra()
    family = Family(world.n1, extra.name)
    extra.freeze()
    try:
        same("state", family.ask("terminate_child", id="c1")["state"], "stopped")
    finally:
        world.gone(extra)
    same("the children", [child["state"] for child in family.children()], ["stopped"])


@case("S11 a child that fails while its supervisor's node stands still is started again when that goes on")
def the_supervisor_cannot_hear(world):
    extra = world.extra()
    family = Family(extra, "n2")
    old, = family.running("c1")
    extra.freeze()
    try:
        world.n2.at(old).fail("on purpose")
        world.n2.at(old).await_death(seconds=3)
    finally:
        extra.thaw()
    if extra.logged("(?i)fenced") == 0:  # it stood still for less than its lease
        new, = family.running("c1", besides=(old,), on="n2")
        world.n2.at(new).fail("again")
        family.running("c1", besides=(old, new), on="n2")
    world.gone(extra)


@case("S13 S14 failures that follow each other at once are each counted, and one too many ends the supervisor")
def failures_that_follow_each_other(world):
    family = Family(world.n1, "n2", count=2, restarts=4)
    known = set()
    for _ in range(2):
        pids = family.running("c1", "c2", besides=known)
        known |= set(pids)
        for pid in pids:
            world.n2.at(pid).fail("on purpose")
    last = family.running("c1", "c2", besides=known)
    same("restarts", sum(int(child["restarts"]) for child in family.children()), 4)
    world.n2.at(last[0]).fail("one too many")
    family.parent.await_lines(f"^EXIT {re.escape(family.pid)} shutdown")
    world.n2.at(last[1]).await_death()


@case("S15 when a child and its parent fail at once nothing is left of the family")
def child_and_parent_fail(world):
    extra = world.extra()
    for round_ in range(4):
        family = Family(world.n1, extra.name, count=2)
        pids = family.running("c1", "c2")
        extra.at(pids[round_ % 2]).order("fail", text="on purpose")
        family.parent.fail("on purpose too")
        world.n1.at(family.pid).await_death()
    until("no child is left", lambda: extra.admin.ask(op="actors")["total"] == 0, 20)
    world.gone(extra)
