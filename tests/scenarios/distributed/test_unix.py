"""Nodes of one host that listen in the file system."""
import os
import secrets
import socket
import subprocess

from harness.report import case
from harness.wait import holds, same, until
from test_secrets import ends_with, secret_file, with_secret


def at(world, name):
    return "unix:" + os.path.join(world.folder, name + ".peer")


def node_at(world, name, **settings):
    return world.node(name, start=False, listen=at(world, name), **settings)


def address_of(world, node):
    return world.value(f"SELECT address FROM troupe.nodes WHERE node_id = {node.id}")


def is_there(path):
    return os.path.lexists(path.removeprefix("unix:"))


@case("U1 three nodes by unix sockets, and one by TCP: messages, links and monitors pass between all of them")
def messages_and_links(world):
    nodes = world.start(*(node_at(world, name) for name in ("u1", "u2", "u3")))
    world.meshed(*nodes, world.n1)
    for node in nodes:
        same(f"the row of {node.name}", address_of(world, node), at(world, node.name))
        same("its mode", os.stat(at(world, node.name).removeprefix("unix:")).st_mode & 0o777, 0o600)
    actors = [node.puppet() for node in (*nodes, world.n1)]
    for left in actors:
        for right in actors:
            if left is not right:
                left.settle(right)
    doomed = nodes[1].puppet()
    watcher = nodes[2].puppet(trap=True)
    watcher.link(doomed)
    reference = watcher.monitor(doomed)
    doomed.fail("on purpose")
    watcher.await_lines(f"^EXIT {doomed.pid} .*on purpose")
    watcher.await_lines(f"^DOWN {reference} .*on purpose")
    watcher.stop()
    for node in nodes:
        same(f"{node.name} leaves", node.leave(), 0)
        holds("and takes its socket with it", not is_there(at(world, node.name)) and not is_there(at(world, node.name) + ".lock"))


@case("U2 kill -9 of a node by a unix socket is noticed at once; it starts again over what it has left, with its old path")
def killed_and_started_again(world):
    killed, other = world.start(node_at(world, "u4", lease_ttl="60s"), node_at(world, "u5"))
    world.meshed(killed, other, world.n1)
    watcher = other.puppet(trap=True)
    victim = killed.puppet()
    watcher.link(victim)
    first = killed.id
    killed.kill()
    watcher.await_lines(f"^EXIT {victim.pid} ")  # long before the lease of a minute is over
    watcher.stop()
    world.await_state(first, "down", "gone")
    holds("its socket is there still", is_there(at(world, "u4")))
    killed.start()
    holds("it is another node", killed.id != first)
    world.meshed(killed, other, world.n1)
    other.puppet().settle(killed.puppet())
    killed.leave()
    other.leave()


@case("U3 a path where somebody listens is refused, and so are one that is no socket, one too long, and one in no directory")
def paths_that_cannot_be(world):
    taken = node_at(world, "u6").start()
    second = world.node("u7", start=False, listen=at(world, "u6"))
    ends_with(second, 69)
    holds(f"it says who: {second.log()[-500:]}", second.logged("another process listens there") > 0)
    world.n1.puppet().settle(taken.puppet())
    taken.leave()
    plain = os.path.join(world.folder, "plain")
    with open(plain, "w", encoding="ascii") as file:
        file.write("precious")
    for path, status, words in ((plain, 69, "is no socket"), (os.path.join(world.folder, "none/x"), 69, "No such file"),
                                ("/" + "x" * 107, 78, "107 bytes"), ("relative", 78, "unix:/PATH")):
        node = world.node("u8", start=False, listen="unix:" + path)
        ends_with(node, status)
        holds(f"it says why, {words}: {node.log()[-500:]}", node.logged(words) > 0)
        holds(f"and names {path}", path in node.log())
    with open(plain, encoding="ascii") as file:
        same("what was there", file.read(), "precious")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(world.folder, "u9.peer"))
    listener.listen()
    ends_with(node_at(world, "u9"), 69)  # of another program, which has no lock
    listener.close()
    same("one that is dead", node_at(world, "u9").start().leave(), 0)


@case("U4 a node of another secret gets in by a unix socket no more than over TCP")
def another_secret(world):
    good = node_at(world, "u10").start()
    bad = with_secret(node_at(world, "u11"), secret_file(world, "other-" + secrets.token_hex(4), 32))
    bad.start(wait=False)
    until("it was refused", lambda: good.info()["peers_refused"] > 0, 40)
    until("and says so", lambda: bad.logged("(?i)refus|secret|prove") > 0, 40)
    same("whom the good one sees", "u11" in good.connected(), False)
    bad.leave()
    same("and sees still", world.meshed(good, world.n1) is not None, True)
    good.leave()


@case("U5 a node whose path is not on this host is told of in the log, and is met all the same when it can dial")
def a_path_of_another_host(world):
    elsewhere = os.path.join(world.folder, "not-here.peer")
    node = node_at(world, "u12", advertise="unix:" + elsewhere).start()
    world.meshed(node, world.n1)  # which n1, n2 and n3 owe to it, as the one with the higher id
    same("its row", address_of(world, node), "unix:" + elsewhere)
    later = node_at(world, "u13").start()  # has a higher id still, so it dials first, and fails
    until("it says why", lambda: later.logged(f"cannot be dialled at unix:{elsewhere}: no such socket here") == 1, 40)
    world.meshed(node, later)
    later.leave()
    node.leave()


@case("U6 a client finds the unix socket in the database, and needs the secret there too")
def a_client(world):
    node = node_at(world, "u14", lease_ttl="60s").start()  # clients ask the one that is good for longest
    target = node.puppet()
    words = ["troupe", "send", target.pid, "puppet.words", '{"text": "by a client"}', "--db", world.local, "--timeout", "60s",
             "--dir", world.folder]
    environment = dict(world.environment, TROUPE_CLUSTER_SECRET_FILE=world.secret)
    done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50, check=False)
    same(f"with the right one: {done.stderr}", done.returncode, 0)
    target.await_lines("by a client")
    environment["TROUPE_CLUSTER_SECRET_FILE"] = secret_file(world, "client-" + secrets.token_hex(4), 32)
    done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50, check=False)
    holds(f"it is refused: {done.stdout}{done.stderr}", done.returncode != 0)
    holds(f"and says where: {done.stderr}", f"u14 at {at(world, 'u14')} does not accept" in done.stderr)
    node.leave()
