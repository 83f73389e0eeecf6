"""Links and exits between nodes."""
from harness.report import case
from harness.wait import same, until


def is_linked(puppet, *others):
    """The links of a puppet are those, at rest."""
    until(f"{puppet.pid} is linked to {[other.pid for other in others]}",
          lambda: sorted(puppet.actor()["linked_to"]) == sorted(other.pid for other in others), 15)


@case("L1 a crash over there ends who is linked and does not trap")
def a_crash_ends_the_linked(world):
    first, second = world.n1.puppet(), world.n2.puppet()
    first.link(second)
    second.fail("on purpose")
    first.await_death()


@case("L2 who traps gets one EXIT, lives, and stays linked to the other")
def a_trapper_stays_linked(world):
    first, second, third = world.n1.puppet(trap=True), world.n2.puppet(), world.n2.puppet()
    first.link(second)
    first.link(third)
    second.fail("on purpose")
    first.await_lines(f"^EXIT {second.pid} error on purpose$")
    is_linked(first, third)
    is_linked(third, first)
    first.settle(third)
    first.has("^EXIT", 1)


@case("L3 a normal end is one EXIT to who traps and nothing to who does not")
def a_normal_end(world):
    trapper, plain, target = world.n1.puppet(trap=True), world.n1.puppet(), world.n2.puppet()
    for one in (trapper, plain):
        one.link(target)
    target.stop()
    trapper.await_lines(f"^EXIT {target.pid} normal ")
    other = world.n2.puppet()
    for one in (trapper, plain):
        one.settle(other)
    trapper.has("^EXIT", 1)
    plain.has("^EXIT", 0)
    is_linked(plain)


@case("L4 the death of a node is an EXIT noconnection for each link to it, and no link is left")
def a_node_s_death_ends_its_links(world):
    extra = world.extra()
    first, targets = world.n1.puppet(trap=True), extra.puppets(2)
    for target in targets:
        first.link(target)
    is_linked(first, *targets)
    world.gone(extra)
    for target in targets:
        first.await_lines(f"^EXIT {target.pid} noconnection ")
    is_linked(first)
    first.has("^EXIT", 2)


@case("L5 after an unlink a crash is nothing")
def no_exit_after_an_unlink(world):
    first, second = world.n1.puppet(), world.n2.puppet()
    first.link(second)
    first.do("unlink", to=second)
    second.fail("on purpose")
    second.await_death()
    first.settle(world.n2.puppet())
    same("lives", first.is_alive(), True)
    is_linked(first)


@case("L6 whether exits are trapped is judged when the signal comes")
def trapping_is_judged_late(world):
    first, second = world.n1.puppet(), world.n2.puppet()
    first.link(second)
    first.do("trap", n=1)
    second.fail("late")
    first.await_lines(f"^EXIT {second.pid} error late$")
    third, fourth = world.n1.puppet(trap=True), world.n2.puppet()
    third.link(fourth)
    third.do("trap", n=0)
    fourth.fail("later")
    third.await_death()


@case("L7 P1 the linker's crash ends the linked, with its reason")
def the_linker_s_end_reaches_the_linked(world):
    linker, plain, trapper = world.n1.puppet(), world.n2.puppet(), world.n2.puppet(trap=True)
    linker.link(plain)
    linker.link(trapper)
    is_linked(trapper, linker)
    linker.fail("the linker's")
    trapper.await_lines(f"^EXIT {linker.pid} error the linker's$")
    plain.await_death()
    trapper.has("^EXIT", 1)


@case("L8 P2 the death of the linker's node reaches the linked, noconnection")
def the_linker_s_node_s_death_reaches_the_linked(world):
    extra = world.extra()
    linker, plain, trapper = extra.puppet(), world.n2.puppet(), world.n2.puppet(trap=True)
    linker.link(plain)
    linker.link(trapper)
    is_linked(trapper, linker)
    world.gone(extra)
    trapper.await_lines(f"^EXIT {linker.pid} noconnection ")
    plain.await_death()
    trapper.has("^EXIT", 1)


@case("L9 a link made from both sides at once is one")
def a_link_from_both_sides_is_one(world):
    for _ in range(10):
        first, second = world.n1.puppet(trap=True), world.n2.puppet()
        for one, other in ((first, second), (second, first)):
            one.order("link", to=other)
        is_linked(first, second)
        is_linked(second, first)
        second.fail("once")
        first.await_lines(f"^EXIT {second.pid} error once$")
        first.settle(world.n2.puppet())
        first.has("^EXIT", 1)


@case("L10 after an unlink no exit comes, also when one was on its way")
def no_exit_in_flight_hurts_after_an_unlink(world):
    other = world.n2.puppet()
    for _ in range(20):
        first, second = world.n1.puppet(trap=True), world.n2.puppet()
        first.link(second)
        second.fail("racing")
        first.do("unlink", to=second)
        seen = len(first.matching("^EXIT"))
        second.await_death()
        first.settle(other)
        first.has("^EXIT", seen)
        is_linked(first)


@case("L11 a chain over three nodes ends with the first reason")
def a_chain_ends_with_the_first_reason(world):
    first, second, third = world.n1.puppet(), world.n2.puppet(), world.n3.puppet()
    watcher = world.n1.puppet()
    first.link(second)
    second.link(third)
    for one in (second, third):
        watcher.monitor(one)
    is_linked(second, first, third)
    first.fail("R")
    for one in (second, third):
        watcher.await_lines(rf"^DOWN \d+ {one.pid} error R$")


@case("L12 a ring over three nodes ends once")
def a_ring_ends_once(world):
    ring = [node.puppet() for node in (world.n1, world.n2, world.n3)]
    watcher = world.n1.puppet()
    for index, one in enumerate(ring):
        one.link(ring[(index + 1) % 3])
        watcher.monitor(one)
    for index, one in enumerate(ring):
        is_linked(one, ring[index - 1], ring[(index + 1) % 3])
    ring[0].fail("round")
    for one in ring:
        watcher.await_lines(rf"^DOWN \d+ {one.pid} error round$")
    watcher.settle(world.n3.puppet())
    watcher.has("^DOWN", 3)


@case("L13 P15 a link to the dead over there is an EXIT noproc, to the unreachable noconnection; who does not trap dies")
def a_link_to_nobody(world):
    dead = world.n2.puppet()
    dead.stop()
    dead.await_death()
    trapper = world.n1.puppet(trap=True)
    for pid, reason in ((dead.pid, "noproc"), ("<999999.1>", "noconnection")):
        trapper.do("link", to=pid)
        trapper.await_lines(f"^EXIT {pid} {reason} ")
        plain = world.n1.puppet()
        plain.do("link", to=pid)
        plain.await_death()
    is_linked(trapper)


@case("P5 links and monitors of a supervised actor fire once though it is started again")
def a_restarted_child_s_links_fire_once(world):
    parent = world.n2.puppet(behavior="puppet.parent")
    old = until("the child is there", lambda: world.n1.whereis("puppet/child"), 15)
    watcher = world.n1.puppet(trap=True)
    child = world.n2.at(old)
    watcher.link(child)
    watcher.monitor(child)
    child.fail("again")
    watcher.await_lines(f"^EXIT {old} error again$")
    watcher.await_lines(rf"^DOWN \d+ {old} error again$")
    new = until("another one has the name",
                lambda: world.n1.whereis("puppet/child") not in (None, old) and world.n1.whereis("puppet/child"), 15)
    watcher.do("send", to=new, text="to the new one")
    watcher.settle(world.n2.puppet())
    same("EXIT and DOWN", len(watcher.matching("^(EXIT|DOWN)")), 2)
    parent.stop("shutdown")
    until("the name is free", lambda: world.n1.whereis("puppet/child") is None, 15)


@case("P6 P8 exit kill over there: watchers see killed, the linked die, a trapper gets EXIT killed; others too by remote stop")
def a_kill_over_there(world):
    caller, trapper, plain = world.n1.puppet(), world.n1.puppet(trap=True), world.n3.puppet()
    target = world.n2.puppet(trap=True)
    caller.monitor(target)
    trapper.link(target)
    plain.link(target)
    is_linked(target, trapper, plain)
    caller.do("exit", to=target, text="kill")
    caller.await_lines(rf"^DOWN \d+ {target.pid} killed ")
    trapper.await_lines(f"^EXIT {target.pid} killed ")
    plain.await_death()


@case("P7 exit shutdown over there: the target is gone for good, its sender lives")
def a_shutdown_over_there(world):
    caller, target = world.n1.puppet(), world.n2.puppet()
    before = world.n2.info()["actors"]
    caller.do("exit", to=target, text="shutdown")
    target.await_death()
    same("the sender lives", caller.is_alive(), True)
    same("nobody took its place", world.n2.info()["actors"], before - 1)
    trapper = world.n2.puppet(trap=True)
    caller.do("exit", to=trapper, text="a word")
    trapper.await_lines(f"^EXIT {caller.pid} error a word$")
    caller.do("exit", to=trapper, text="normal")
    trapper.await_lines(f"^EXIT {caller.pid} normal ")


@case("P22 linking the same pair twice is one link and one EXIT")
def a_double_link_is_one(world):
    first, second = world.n1.puppet(trap=True), world.n2.puppet()
    first.link(second)
    first.link(second)
    is_linked(second, first)
    second.fail("once")
    first.await_lines(f"^EXIT {second.pid} error once$")
    first.settle(world.n2.puppet())
    first.has("^EXIT", 1)


@case("P23 a link to oneself is nothing; who watches over there hears one end")
def a_link_to_oneself(world):
    watcher, target = world.n1.puppet(), world.n2.puppet()
    target.do("link", to=target)
    watcher.monitor(target)
    target.fail("alone")
    watcher.await_lines(rf"^DOWN \d+ {target.pid} error alone$")
    watcher.settle(world.n2.puppet())
    watcher.has("^DOWN", 1)


@case("P3 an actor that nobody supervises dies at its first failure and stays dead")
def nobody_restarts_the_unsupervised(world):
    watcher, target = world.n1.puppet(), world.n2.puppet("p3")
    watcher.monitor(target)
    target.fail("first")
    watcher.await_lines(rf"^DOWN \d+ {target.pid} error first$")
    until("nobody holds its name", lambda: world.n1.whereis("p3") is None, 15)
    watcher.settle(world.n2.puppet())
    watcher.has("^DOWN", 1)
