"""Names that nodes share."""
from harness.report import case
from harness.wait import same, until
from processes.admin import at_once
from test_calls import outcome


def holder_is(node, name, pid):
    until(f"{node.name} finds {name} at {pid}", lambda: node.whereis(name) == pid, 15)


@case("R2 a name over there is found, called, and gone when its holder stops")
def a_name_is_found_and_called(world):
    caller, counter = world.n2.puppet(), world.n1.puppet("r2")
    same("its holder, seen by the other node", world.n2.whereis("r2"), counter.pid)
    same("its node in SQL", world.value("SELECT node FROM troupe.names WHERE name = 'r2'"), "n1")
    for tag in (1, 2):
        caller.do("call", to="r2", text="count", n=10000, m=tag)
        same("counts", outcome(caller, tag)["text"], str(tag))
    counter.stop()
    holder_is(world.n2, "r2", None)
    caller.do("call", to="r2", text="count", n=10000, m=3)
    same("a call then", outcome(caller, 3)["status"], "TROUPE_E_NOPROC")


@case("R3 P10 a taken name is refused with its holder, on every node, until the holder ends")
def a_taken_name_is_refused(world):
    first, second = world.n1.puppet("r3"), world.n2.puppet()
    second.do("register", text="r3", m=1)
    found = outcome(second, 1)
    same("the second", [found["status"], found["pid"]], ["TROUPE_E_EXISTS", first.pid])
    for node in (world.n1, world.n2, world.n3):
        same("its holder", node.whereis("r3"), first.pid)
    first.stop()
    holder_is(world.n3, "r3", None)
    second.do("register", text="r3", m=2)
    same("then", outcome(second, 2)["status"], "TROUPE_OK")
    for node in (world.n1, world.n2, world.n3):
        holder_is(node, "r3", second.pid)


@case("R3 of those that want a name at once one gets it and the others are told so")
def one_of_many_gets_it(world):
    for round_ in range(5):
        name = f"r3/{round_}"
        rivals = [node.puppet() for node in (world.n1, world.n2, world.n3) for _ in range(3)]
        at_once(lambda one=one, name=name: one.order("register", text=name, m=1) for one in rivals)
        found = [outcome(one, 1) for one in rivals]
        winners = [one for one, result in zip(rivals, found) if result["status"] == "TROUPE_OK"]
        same("winners", len(winners), 1)
        same("what the others hear", {result["status"] for one, result in zip(rivals, found) if one is not winners[0]},
             {"TROUPE_E_EXISTS"})
        same("the row", world.sql(f"SELECT node_id, actor_id FROM troupe.names WHERE name = '{name}'"),
             [winners[0].pid.strip("<>").split(".")])


@case("R5 a node that joins late finds the names that were there before it")
def a_late_joiner_finds_names(world):
    holder = world.n1.puppet("r5")
    extra = world.extra()
    same("its holder", extra.whereis("r5"), holder.pid)
    caller = extra.puppet()
    caller.do("call", to="r5", text="echo", n=10000, m=1)
    same("a call by it", outcome(caller, 1)["pid"], holder.pid)
    world.gone(extra)


@case("R7 an unknown name is an error, and so is a node nobody knows")
def unknown_names_are_errors(world):
    caller = world.n1.puppet()
    caller.do("whereis", text="r7/nobody", m=1)
    same("a look-up", outcome(caller, 1)["status"], "TROUPE_E_NOT_FOUND")
    caller.do("call", to="r7/nobody", text="echo", n=10000, m=2)
    same("a call", outcome(caller, 2)["status"], "TROUPE_E_NOPROC")


@case("R6 R7 spawned by name from outside over there: found, called, listed, and gone after its end")
def a_counter_over_there(world):
    before = world.n2.info()["actors"]
    counter = world.n1.admin.ask(op="spawn", behavior="puppet", name="r6", node="n2")["pid"]
    same("found by a third node", world.n3.whereis("r6"), counter)
    for wanted in ("1", "2"):
        reply = world.n3.admin.ask(op="call", to="r6", type="puppet.ask", message={"mode": "count", "text": ""})
        same("its answer", reply["message"]["text"], wanted)
    same("actors of its node", world.n2.info()["actors"], before + 1)
    world.n1.admin.ask(op="exit", to="r6", reason="shutdown")
    until("one actor less", lambda: world.n2.info()["actors"] == before, 15)
    holder_is(world.n1, "r6", None)


@case("P11 after its owner starts again the old pid is noproc and the name leads to the new one")
def an_old_pid_leads_nowhere(world):
    caller, old = world.n1.puppet(), world.n2.puppet("p11")
    same("looked up", world.n1.whereis("p11"), old.pid)
    old.fail("restart")
    old.await_death()
    new = until("the name can be taken again", lambda: respawn(world.n2, "p11"), 15)
    caller.do("call", to=old, text="echo", n=10000, m=1)
    same("by the old pid", outcome(caller, 1)["status"], "TROUPE_E_NOPROC")
    caller.do("call", to="p11", text="echo", n=10000, m=2)
    same("by the name", outcome(caller, 2)["pid"], new.pid)


def respawn(node, name):
    return node.puppet(name)  # refused, which is Wrong, while the name is held


@case("a registered name is given up when its holder says so, and only then")
def a_name_given_up(world):
    first, second = world.n1.puppet("given"), world.n2.puppet()
    second.do("unregister", text="given", m=1)
    same("by another", outcome(second, 1)["status"], "TROUPE_E_NOT_FOUND")
    same("it is still held", world.n2.whereis("given"), first.pid)
    first.do("unregister", text="given", m=1)
    same("by its holder", outcome(first, 1)["status"], "TROUPE_OK")
    second.do("register", text="given", m=2)
    same("then another gets it", outcome(second, 2)["status"], "TROUPE_OK")
