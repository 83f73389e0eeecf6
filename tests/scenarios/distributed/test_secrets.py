"""The cluster secret: who gets in, and who does not."""
import os
import secrets
import subprocess

from harness.report import case
from harness.wait import Wrong, holds, same, until


def secret_file(world, name, size):
    path = os.path.join(world.folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secrets.token_bytes(size))
    return path


def with_secret(node, path):
    """Gives a node that does not run yet another secret, or none."""
    at = node.command.index("--secret-file")
    node.command[at:at + 2] = ["--secret-file", path] if path else []
    return node


def ends_with(node, status):
    node.start(wait=False)
    try:
        found = node.process.wait(timeout=60)
    except subprocess.TimeoutExpired as late:
        raise Wrong(f"{node.name} runs:\n{node.log()[-500:]}") from late
    finally:
        node.kill()
    same("exit status", found, status)


@case("A1 a secret of less than 32 bytes is refused, an empty one too, one of exactly 32 is taken")
def the_size_of_a_secret(world):
    for size in (0, 31):
        ends_with(with_secret(world.node(f"a1-{size}", start=False), secret_file(world, "short", size)), 78)
    same("of 32", os.path.getsize(world.secret), 32)


@case("A2 A7 nodes of one secret find each other, also when a variable names its file")
def one_secret_by_a_variable(world):
    node = with_secret(world.node("a7", start=False), None)
    world.environment["TROUPE_SECRET_FILE"] = world.secret
    try:
        node.start()
    finally:
        del world.environment["TROUPE_SECRET_FILE"]
    world.meshed(node, world.n1, world.n2)
    same("it leaves", node.leave(), 0)


@case("A3 A4 nodes of another secret, and of none, are connected to nobody, and are told so at once")
def another_secret_is_refused(world):
    refused = world.n1.info()["peers_refused"]
    target = world.n1.puppet()
    for name, path in (("a3", secret_file(world, "other", 32)), ("a4", None)):
        node = with_secret(world.node(name, start=False), path)
        node.start(wait=False)
        until("it is in the table", lambda name=name: world.value(f"SELECT state FROM troupe.nodes WHERE name = '{name}'") == "up", 40)
        until("it was refused", lambda: world.n1.info()["peers_refused"] > refused, 40)
        until("and says so", lambda node=node: node.logged("(?i)refus|secret|prove") > 0, 40)
        refused = world.n1.info()["peers_refused"]
        same("whom n1 sees", name in world.n1.connected(), False)
        same("whom it sees", [other for other in node.connected() if other in ("n1", "n2", "n3")], [])
        node.leave()
    target.settle(world.n2.puppet())


@case("A8 without a secret a node listens on loopback or not at all")
def no_secret_no_network(world):
    node = with_secret(world.node("a8", start=False, listen="0.0.0.0:0"), None)
    ends_with(node, 78)
    holds("it says why", node.logged("(?i)loopback|secret") > 0)


@case("A9 a client of another secret is refused at once, not after a timeout")
def a_client_is_refused_at_once(world):
    words = ["troupe", "send", world.n1.puppet("a9").pid, "puppet.words", '{"text": "by a client"}', "--db", world.local,
             "--timeout", "60s", "--dir", world.folder]
    environment = dict(world.environment, TROUPE_CLUSTER_SECRET_FILE=secret_file(world, "client", 32))
    done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50, check=False)
    holds(f"it fails: {done.stdout}{done.stderr}", done.returncode != 0)
    environment["TROUPE_CLUSTER_SECRET_FILE"] = world.secret
    done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50, check=False)
    same(f"with the right one: {done.stderr}", done.returncode, 0)
