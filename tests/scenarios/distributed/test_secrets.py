"""The cluster secret: who gets in, and who does not."""
import os
import secrets
import signal
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


# ---- rotation: docs/operations.md, "A new cluster secret" ----

class Rotation:
    """Three nodes of a secret of their own, that get another one in steps."""

    def __init__(self, world, prefix):
        self.world = world
        self.old, self.new = (secret_file(world, f"{prefix}-{word}", 32) for word in ("old", "new"))
        self.secret, self.accepted = (os.path.join(world.folder, f"{prefix}-{word}") for word in ("secret", "accepted"))
        self.put(self.old, None)
        self.nodes = [self.node(f"{prefix}{i + 1}") for i in range(3)]
        world.start(*self.nodes)
        world.meshed(*self.nodes)

    def node(self, name, secret=None):
        return with_secret(self.world.node(name, start=False, secret_accepted_file=self.accepted), secret or self.secret)

    def put(self, secret, accepted):
        """Both files in their place, each at once."""
        for path, source in ((self.secret, secret), (self.accepted, accepted)):
            if source is not None:
                with open(source, "rb") as file:
                    data = file.read()
                with open(os.open(path + ".next", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                    file.write(data)
                os.rename(path + ".next", path)
            elif os.path.exists(path):
                os.unlink(path)

    def step(self, secret, accepted):
        """All nodes read them, one after the other."""
        self.put(secret, accepted)
        for node in self.nodes:
            self.reread(node, "cluster secret read again")

    def reread(self, node, word):
        before = node.logged(word)
        node.signal(signal.SIGHUP)
        until(f"{node.name} says: {word}", lambda: node.logged(word) > before, 20)

    def rotate(self, between=lambda: None):
        for secret, accepted in ((self.old, self.new), (self.new, self.old), (self.new, None)):
            self.step(secret, accepted)
            between()

    def end(self):
        for node in self.nodes:
            same(f"{node.name} leaves", node.leave(), 0)
            self.world.nodes.pop(node.name)


def answers(caller, tags):
    """What the calls of those tags were answered, when all were."""
    def all_of_them():
        found = {int(line.split()[1]): line.split() for line in caller.matching("^RESULT ")}
        return [found[tag] for tag in tags] if set(tags) <= set(found) else None
    return until(f"{len(tags)} answers", all_of_them, 40)


@case("A11 a new secret is accepted, used, and the old one forgotten, on all nodes; calls before and after work, and one with the new one joins")
def a_new_secret(world):
    rotation = Rotation(world, "a11")
    first, second, _ = rotation.nodes
    target, caller = first.puppet(), second.puppet()
    for tag in (1, 2):
        caller.do("call", to=target, text="echo", n=20000, m=tag)
        same("its status", answers(caller, [tag])[0][2], "TROUPE_OK")
        if tag == 1:
            rotation.rotate()
    late = rotation.node("a11-late", secret=rotation.new).start()
    world.meshed(late, *rotation.nodes)
    rotation.nodes.append(late)
    same("sessions lost", [node.logged(r"session .* with node a11\S* .* lost") for node in rotation.nodes], [0] * 4)
    rotation.end()


@case("A12 what is sent and called while the secret changes comes once, all of it")
def nothing_is_lost_while_it_changes(world):
    rotation = Rotation(world, "a12")
    first, second, third = rotation.nodes
    target, tags = first.puppet(), []
    callers = [second.puppet(), third.puppet()]
    callers[0].do("stream", to=target, text="1", n=3000, m=10)
    callers[1].do("stream", to=target, text="2", n=3000, m=10)

    def calls():
        for _ in range(5):
            tags.append(len(tags) + 1)
            for caller in callers:
                caller.do("call", to=target, text="count", n=30000, m=tags[-1])

    calls()
    rotation.rotate(calls)
    calls()
    found = [answer for caller in callers for answer in answers(caller, tags)]
    same("statuses", {answer[2] for answer in found}, {"TROUPE_OK"})
    same("each was handled once", sorted(int(answer[5]) for answer in found), list(range(1, len(found) + 1)))
    for stream in (1, 2):
        until("all came", lambda stream=stream: target.ledger(stream)["got"] >= 3000, 40)
        kept = target.ledger(stream)
        same("its ledger", [kept["got"], kept["missing"], kept["again"], kept["bad"]], [3000, 0, 0, 0])
    rotation.end()


@case("A13 the same step twice is nothing, a wrong one is refused and changes nothing, and who has the forgotten one is refused")
def wrong_steps(world):
    rotation = Rotation(world, "a13")
    first = rotation.nodes[0]
    short = secret_file(world, "a13-short", 31)
    for secret, accepted in ((short, None), (rotation.old, short)):
        rotation.put(secret, accepted)
        rotation.reread(first, "TRP-1004")
    rotation.step(rotation.old, rotation.new)
    rotation.step(rotation.old, rotation.new)
    rotation.step(rotation.new, rotation.old)
    rotation.step(rotation.new, None)
    rotation.step(rotation.new, None)
    first.puppet().settle(rotation.nodes[1].puppet())
    refused = first.info()["peers_refused"]
    late = rotation.node("a13-late", secret=rotation.old)
    late.start(wait=False)
    until("it was refused", lambda: first.info()["peers_refused"] > refused, 40)
    until("and says so", lambda: late.logged("(?i)refus|secret|prove") > 0, 40)
    same("whom it sees", [name for name in late.connected() if name.startswith("a13")], [])
    late.leave()
    world.nodes.pop("a13-late")
    rotation.end()
