"""Calls, messages and spawns between nodes."""
import time

from harness.report import case
from harness.wait import holds, same, until
from processes.admin import at_once


def outcome(puppet, tag, seconds=15):
    """Status, pid, reason and text of the result with that tag."""
    line = puppet.await_lines(f"^RESULT {tag} ", seconds=seconds)[0]
    return dict(zip(("status", "pid", "reason", "text"), line.split(" ", 5)[2:]))


@case("R1 a call over there answers its reply")
def a_call_is_answered(world):
    caller, callee = world.n1.puppet(), world.n2.puppet()
    caller.do("call", to=callee, text="echo", n=10000, m=1)
    same("the result", outcome(caller, 1), {"status": "TROUPE_OK", "pid": callee.pid, "reason": "-", "text": "asked"})


@case("R4 order of messages per pair holds over real sockets, whatever their size")
def messages_keep_their_order(world):
    pairs = [(world.n1.puppet(), world.n2.puppet()), (world.n2.puppet(), world.n3.puppet())]
    for index, (first, second) in enumerate(pairs):
        for stream, size in ((index * 2, 0), (index * 2 + 1, 200000)):
            first.do("stream", to=second, text=str(stream), n=2000 if size == 0 else 40, m=20, size=size)
    for index, (first, second) in enumerate(pairs):
        for stream, count in ((index * 2, 2000), (index * 2 + 1, 40)):
            until("all came", lambda second=second, stream=stream, count=count: second.ledger(stream)["got"] >= count, 30)
            kept = second.ledger(stream)
            same("its ledger", [kept[key] for key in ("got", "last", "missing", "again", "bad")], [count, count, 0, 0, 0])
            same("sent", first.ledger(stream)["sent"], count)


@case("P12 an actor spawned over there is called by the pid that came back")
def a_spawned_actor_is_called(world):
    caller = world.n1.puppet()
    caller.do("spawn_on", to="n2", text="puppet", m=1)
    found = outcome(caller, 1)
    same("its status", found["status"], "TROUPE_OK")
    same("its node", found["pid"].split(".")[0], f"<{world.n2.id}")
    caller.do("call", to=found["pid"], text="echo", n=10000, m=2)
    same("its answer", outcome(caller, 2)["text"], "asked")
    caller.do("spawn_on", to="n2", text="no.such.behavior", m=3)
    same("of no such behavior", outcome(caller, 3)["status"], "TROUPE_E_NOT_FOUND")
    caller.do("spawn_on", to="nowhere", text="puppet", m=4)
    holds("on no such node", outcome(caller, 4)["status"] in ("TROUPE_E_NOT_FOUND", "TROUPE_E_NOCONNECTION"))


@case("P12 who is linked or watched with its spawn over there is so from its first moment")
def a_spawn_with_link_and_monitor(world):
    caller = world.n1.puppet(trap=True)
    caller.do("spawn_on", to="n2", text="puppet", n=3, m=1)
    pid = outcome(caller, 1)["pid"]
    world.n2.at(pid).fail("born to")
    caller.await_lines(f"^EXIT {pid} error born to$")
    caller.await_lines(rf"^DOWN \d+ {pid} error born to$")
    caller.do("spawn_on", to="n2", text="puppet.failing", m=2)
    same("one whose init fails", outcome(caller, 2)["status"], "TROUPE_E_FAILED")


@case("P13 calls at once are handled one after the other")
def calls_at_once(world):
    callers = [node.puppet() for node in (world.n1, world.n2, world.n3)]
    callee = world.n2.puppet()
    at_once(lambda one=one: one.do("call", to=callee, text="count", n=10000, m=1) for one in callers)
    same("what they got", sorted(outcome(one, 1)["text"] for one in callers), ["1", "2", "3"])


@case("P14 a call ends at its deadline, whatever the callee over there does")
def a_call_ends_at_its_deadline(world):
    caller, callee = world.n1.puppet(), world.n2.puppet()
    start = time.monotonic()
    caller.do("call", to=callee, text="never", n=100, m=1)
    same("its status", outcome(caller, 1)["status"], "TROUPE_E_TIMEOUT")
    holds("not before its time", time.monotonic() - start >= 0.1)
    caller.do("call", to=callee, text="echo", n=10000, m=2)
    same("the next one", outcome(caller, 2)["text"], "asked")


@case("P16 a call to the dead over there is noproc, to an unknown node noconnection")
def a_call_to_nobody(world):
    caller, callee = world.n1.puppet(), world.n2.puppet()
    callee.stop()
    callee.await_death()
    caller.do("call", to=callee, text="echo", n=10000, m=1)
    same("to the dead", outcome(caller, 1)["status"], "TROUPE_E_NOPROC")
    caller.do("call", to="<999999.1>", text="echo", n=10000, m=2)
    same("to nowhere", outcome(caller, 2)["status"], "TROUPE_E_NOCONNECTION")


@case("J3 a message to an unknown node is lost without a word, and its sender goes on")
def a_message_to_nowhere(world):
    sender, receiver = world.n1.puppet(), world.n2.puppet()
    sender.do("send", to="<999999.1>", text="lost")
    receiver.settle(sender)
    same("lives", sender.is_alive(), True)


@case("P18 whatever fails in a handler over there ends its actor with that reason")
def one_rule_for_failures(world):
    caller, callee = world.n1.puppet(), world.n2.puppet()
    caller.monitor(callee)
    caller.do("call", to=callee, text="fail", n=10000, m=1)
    found = outcome(caller, 1)
    same("the call", [found["status"], found["reason"], found["text"]], ["TROUPE_E_EXITED", "error", "asked to fail"])
    caller.await_lines(rf"^DOWN \d+ {callee.pid} error asked to fail$")
    other = world.n2.puppet()
    caller.monitor(other)
    other.fail("in a message")
    caller.await_lines(rf"^DOWN \d+ {other.pid} error in a message$")
    third = world.n2.puppet()
    caller.do("call", to=third, text="forget", n=10000, m=2)
    same("no reply", outcome(caller, 2)["status"], "TROUPE_E_NO_REPLY")
    same("which is no end", third.is_alive(), True)


@case("P20 a call right after a spawn over there waits for its init")
def a_call_waits_for_init(world):
    caller = world.n1.puppet()
    caller.do("spawn_on", to="n2", text="puppet.slow", m=1)
    pid = outcome(caller, 1)["pid"]
    caller.do("call", to=pid, text="count", n=10000, m=2)
    same("its answer", outcome(caller, 2)["text"], "1")


@case("P24 a pid survives a trip through three nodes and is good for an answer")
def a_pid_in_a_message(world):
    first, second, third = (node.puppet() for node in (world.n1, world.n2, world.n3))
    first.do("token", to=second)
    first.do("token", to=third)
    for one in (second, third):
        one.await_lines(f"^TOKEN {first.pid}$")
        first.await_lines(f"^MSG {one.pid} by the pid you sent$")


@case("a callee that ends in a call gives its reason, one whose node dies noconnection")
def a_callee_ends_in_a_call(world):
    extra = world.extra()
    caller, callee, far = world.n1.puppet(), world.n2.puppet(), extra.puppet()
    caller.do("call", to=callee, text="never", n=60000, m=1)
    caller.do("call", to=far, text="never", n=60000, m=2)
    until("it has the request", lambda: far.actor()["handled"] > 0, 15)
    world.n2.admin.ask(op="exit", to=callee.pid, reason="enough")
    found = outcome(caller, 1)
    same("the first", [found["status"], found["text"]], ["TROUPE_E_EXITED", "enough"])
    world.gone(extra)
    same("the second", outcome(caller, 2)["status"], "TROUPE_E_NOCONNECTION")
