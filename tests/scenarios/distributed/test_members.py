"""Who is a member, and how one becomes one."""
import socket

from harness.report import case
from harness.wait import same, until


def rows_of(world, name):
    return world.sql(f"SELECT node_id, state FROM troupe.nodes WHERE name = '{name}' ORDER BY node_id")


@case("J1 M1 M2 nodes that know only the database see one another, both ways")
def members_form_a_mesh(world):
    for node in (world.n1, world.n2, world.n3):
        others = {"n1", "n2", "n3"} - {node.name}
        same(f"{node.name} is connected to", others <= set(node.connected()), True)


@case("M3 M4 a node that dies is one nodedown; started again it is a new node with a larger id, and one nodeup")
def a_node_that_dies_and_comes_back(world):
    watcher = world.n1.puppet()
    watcher.do("nodes", n=1)
    extra = world.extra()
    watcher.await_lines(f"^NODE up {extra.name} {extra.id} ")
    old = extra.id
    extra.kill()
    watcher.await_lines(f"^NODE down {extra.name} {old} ")
    extra.start()
    watcher.await_lines(f"^NODE up {extra.name} {extra.id} ")
    same("its id is larger", extra.id > old, True)
    same("its rows", rows_of(world, extra.name), [[str(old), "down"], [str(extra.id), "up"]])
    world.gone(extra)
    watcher.await_lines(f"^NODE down {extra.name} {extra.id} ")
    watcher.has(f"^NODE .* {extra.name} ", 4)


@case("M5 R8 PB P9 a node that leaves: its links and monitors fire shutdown, its names are free, its row says left, never down")
def a_node_that_leaves(world):
    extra = world.extra()
    watcher, target = world.n1.puppet(trap=True), extra.puppet("m5")
    watcher.do("nodes", n=1)
    watcher.link(target)
    watcher.monitor(target)
    same("exit status", extra.leave(), 0)
    watcher.await_lines(f"^EXIT {target.pid} shutdown ")
    watcher.await_lines(rf"^DOWN \d+ {target.pid} shutdown ")
    watcher.await_lines(f"^NODE down {extra.name} {extra.id} left$")
    world.await_state(extra.id, "left")
    until("its name is free", lambda: world.n2.whereis("m5") is None, 15)
    watcher.settle(world.n2.puppet())
    same("EXIT and DOWN", len(watcher.matching("^(EXIT|DOWN)")), 2)
    same("nobody sees it", [extra.name in node.connected() for node in (world.n1, world.n2, world.n3)], [False] * 3)


@case("M6 PC killed and started again at once under its name: the old one is down first, its pids lead nowhere")
def a_restart_at_once(world):
    extra = world.extra()
    watcher, target = world.n1.puppet(trap=True), extra.puppet()
    watcher.do("nodes", n=1)
    watcher.link(target)
    watcher.monitor(target)
    old = extra.id
    extra.kill()
    extra.start()
    new = extra.puppet()
    watcher.await_lines(f"^EXIT {target.pid} noconnection ")
    watcher.await_lines(rf"^DOWN \d+ {target.pid} noconnection ")
    watcher.await_lines(f"^NODE up {extra.name} {extra.id} ")
    watcher.do("send", to=target, text="to the old one")
    watcher.do("call", to=target, text="echo", n=10000, m=1)
    watcher.await_lines("^RESULT 1 TROUPE_E_NOCONNECTION ")
    new.settle(watcher)
    new.has("to the old one", 0)
    order = [line.split()[1:4] for line in watcher.matching(f"^NODE .* {extra.name} ")]
    same("what was seen of it", order, [["down", extra.name, str(old)], ["up", extra.name, str(extra.id)]])
    signals = [line.split()[0] for line in watcher.lines() if not line.startswith(("MSG", "RESULT"))]
    same("links and monitors fire before it is up again", signals.index("NODE") < len(signals) - 1
         and sorted(signals[:-1]) == ["DOWN", "EXIT", "NODE"] and signals[-1] == "NODE", True)
    world.gone(extra)


@case("M7 M9 roles of a node are seen by everybody, of several roles each")
def roles_are_seen(world):
    found = dict(world.sql("SELECT name, array_to_string(roles, ',') FROM troupe.nodes WHERE state = 'up' AND name IN ('n1', 'n2', 'n3')"))
    same("roles", found, {"n1": "web", "n2": "web,store", "n3": "store"})
    same("of an unknown role", world.sql("SELECT name FROM troupe.nodes WHERE 'nothing' = ANY (roles)"), [])


@case("M8 a wait for nodes ends when so many, those named and those roles are there, all of it, each wait by its own conditions")
def waits_for_nodes(world):
    waiting = world.n1.puppet()

    def wait(tag, nodes, names="", roles="", ms=60000):
        waiting.do("wait", n=nodes, to=names, text=roles, m=tag, size=ms)

    def ends(tag, status):
        waiting.await_lines(f"^RESULT {tag} {status} ", seconds=70)

    for tag, nodes, names, roles, status in ((1, 0, "", "", "OK"), (2, 3, "", "", "OK"), (3, 0, "n2,n3", "", "OK"),
                                             (4, 3, "n2", "store:2", "OK"), (5, 99, "n2", "", "E_TIMEOUT"),
                                             (6, 3, "nobody", "", "E_TIMEOUT"), (7, 99, "nobody", "", "E_TIMEOUT"),
                                             (8, 3, "n2", "nothing", "E_TIMEOUT")):
        wait(tag, nodes, names, roles, 60000 if status == "OK" else 50)
        ends(tag, "TROUPE_" + status)
    first, second = (world.node(name, start=False) for name in ("m8-1", "m8-2"))
    wait(10, 0, "m8-1")
    wait(11, 0, "m8-1,m8-2")
    first.start()
    ends(10, "TROUPE_OK")
    waiting.has("^RESULT 11 ", 0)
    same("it leaves", first.leave(), 0)
    until("n1 has seen that", lambda: "m8-1" not in world.n1.connected(), 20)
    second.start()
    wait(12, 0, "m8-2")
    ends(12, "TROUPE_OK")  # now the wait before has had its chance too
    waiting.has("^RESULT 11 ", 0)
    first.start()
    ends(11, "TROUPE_OK")
    for node in (first, second):
        world.gone(node)


@case("a node that drains starts nothing for others and goes on itself, twice is once, and taken back it starts again")
def a_node_that_drains(world):
    extra = world.extra()
    caller, target = world.n1.puppet(), extra.puppet()
    tags = iter(range(1, 10000))

    def spawns(status):
        tag = next(tags)
        caller.do("spawn_on", to=extra.name, text="puppet", m=tag)
        return status in caller.await_lines(f"^RESULT {tag} ")[0].split()

    for op in ("drain", "drain"):
        extra.admin.ask(op=op)
    same("refused", spawns("TROUPE_E_CLOSED"), True)
    caller.do("call", to=target, text="echo", n=20000, m=0)
    caller.await_lines("^RESULT 0 TROUPE_OK ")
    extra.admin.ask(op="undrain")
    until("it starts again what others ask for", lambda: spawns("TROUPE_OK"), 20)
    same("it leaves", extra.leave(), 0)
    world.nodes.pop(extra.name)


@case("H14 H15 a node has one session with each other node and none with itself")
def one_session_each(world):
    others = [name for name in ("n2", "n3") if name in world.n1.connected()]
    same("the others", others, ["n2", "n3"])
    until("as many peers as members that are up", lambda: world.n1.info()["peers"] == int(
        world.value("SELECT count(*) FROM troupe.nodes WHERE state = 'up'")) - 1, 20)
    same("sessions begun with itself", world.n1.logged("session .* with node n1 .* begun"), 0)


@case("N5 a second node of a name is refused while the first lives, which is not harmed")
def a_second_node_of_a_name(world):
    extra = world.extra()
    target = extra.puppet()
    rival = world.node(f"{extra.name}", start=False)
    world.nodes[extra.name] = extra
    rival.admin_path = rival.admin.path = rival.admin_path + ".rival"
    rival.command[rival.command.index("--admin-socket") + 1] = rival.admin_path
    rival.start(wait=False)
    try:
        same("how it ends", rival.process.wait(timeout=60) != 0, True)
    finally:
        rival.kill()
    same("its word", rival.logged("(?i)in use|taken|lives|exists|already") > 0, True)
    same("the first one answers", target.is_alive(), True)
    same("its rows", rows_of(world, extra.name), [[str(extra.id), "up"]])
    world.gone(extra)


@case("N2 nodes that start at once dial each other at once: one session each, nothing lost or doubled")
def simultaneous_dials(world):
    for round_ in range(3):
        first, second = (world.node(f"{name}-{round_}", start=False) for name in ("left", "right"))
        world.start(first, second)
        world.meshed(first, second)
        here, there = first.puppet(), second.puppet()
        here.do("stream", to=there, text="1", n=500, m=100)
        there.do("stream", to=here, text="2", n=500, m=100)
        for one, stream in ((there, 1), (here, 2)):
            until("all came", lambda one=one, stream=stream: one.ledger(stream)["got"] >= 500, 30)
            kept = one.ledger(stream)
            same("its ledger", [kept["got"], kept["missing"], kept["again"]], [500, 0, 0])
        same("sessions begun", first.logged(f"with node {second.name} .* begun"), 1)
        for node in (first, second):
            same("it leaves", node.leave(), 0)
            world.nodes.pop(node.name)


@case("N3 garbage, a giant length, and silence at a node's port end that connection and harm nobody")
def garbage_at_the_port(world):
    host, port = world.value("SELECT address FROM troupe.nodes WHERE name = 'n1' AND state = 'up'").rsplit(":", 1)
    target, other = world.n1.puppet(), world.n2.puppet()
    for data in (b"GET / HTTP/1.1\r\n\r\n" * 20, b"\xff" * 64, b"\xff\xff\xff\xff\x10\x01\0\0", b"\0\0\0\0\x01\x02\0\0"):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(data)
            closed = connection.recv(65536)
            while closed:
                closed = connection.recv(65536)
    target.settle(other)
    same("its session goes on", world.n1.logged("session .* with node n2 .* lost"), 0)


@case("R10 starting and leaving again and again leaves nothing behind, after a crash too")
def again_and_again(world):
    for round_ in range(3):
        extra = world.extra()
        extra.puppet(f"r10/{round_}")
        if round_ == 2:
            extra.kill()
            world.await_state(extra.id, "down")
        else:
            same("it leaves", extra.leave(), 0)
        world.nodes.pop(extra.name)
    until("no name of theirs is held", lambda: world.sql(
        "SELECT name FROM troupe.names WHERE name LIKE 'r10/%' AND status = 'running'") == [], 15)
    same("leases of the dead", world.sql("SELECT n.name FROM troupe.nodes n WHERE state <> 'up' AND lease_left_seconds > 0"), [])
