"""A node that has no descriptors left."""
import contextlib
import os
import resource
import socket
import time

from harness.report import case
from harness.wait import Wrong, holds, same, until
from processes.admin import Admin

KNOCKS, LOOK_SECONDS = 20, 1.0


@contextlib.contextmanager
def none_left(node):
    """Nothing more can be opened by the node until this ends."""
    pid = node.process.pid
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    lowest = min(set(range(len(used) + 1)) - used)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def processor_seconds(node):
    with open(f"/proc/{node.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def port_of(world, node):
    return int(world.value(f"SELECT address FROM troupe.nodes WHERE node_id = {node.id}").rsplit(":", 1)[1])


def is_closed(connection):
    """Whether the other end has closed it; both ways to learn that are one."""
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@case("without descriptors a node takes no connection and closes who knocks; what there is goes on, and it recovers")
def descriptors_run_out(world):
    node = world.extra()
    caller, callee = world.n1.puppet(trap=True), node.puppet()
    caller.link(callee)
    port = port_of(world, node)
    late = Admin(node.admin_path)
    with none_left(node):
        knocks = [socket.create_connection(("127.0.0.1", port)) for _ in range(KNOCKS)]
        waits = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        waits.connect(node.admin_path)  # into the queue; nobody takes it
        for knock in knocks:
            knock.setblocking(False)
        until("all who knocked are closed", lambda: all(is_closed(knock) for knock in knocks), 20)
        until("it says so", lambda: node.logged("no connection can be accepted: too many open files"), 20)
        until("so does its admin socket", lambda: node.logged("admin socket: no connection can be accepted"), 20)
        caller.do("call", to=callee, text="echo", n=20000, m=1)
        caller.await_lines("^RESULT 1 TROUPE_OK ", seconds=30)
        before, start = processor_seconds(node), time.monotonic()
        until("some time passes", lambda: time.monotonic() - start > LOOK_SECONDS, 10)
        share = (processor_seconds(node) - before) / (time.monotonic() - start)
        holds(f"it does not spin: {share:.2f} of a processor", share < 0.7)
    waits.close()
    for knock in knocks:
        knock.close()
    holds("lines of the log are few", node.logged("no connection can be accepted") <= 8)
    until("its admin socket takes connections again", lambda: answers(late), 20)
    other = world.extra()  # which dials, or is dialled, and is connected to all
    until("they know each other", lambda: node.name in other.connected(), 20)
    caller.do("call", to=callee, text="echo", n=20000, m=2)
    caller.await_lines("^RESULT 2 TROUPE_OK ", seconds=30)
    caller.has("^EXIT ", 0)
    same("sessions lost", node.logged("session .* lost"), 0)
    world.gone(other)
    world.gone(node)


def answers(admin):
    try:
        return admin.ask(op="ping")["ok"]
    except Wrong:
        return False
