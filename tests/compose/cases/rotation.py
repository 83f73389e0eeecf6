"""Other secrets for a cluster that runs."""
import os
import shutil
import threading

from cases.accounts import accounts, open_account, pay
from cases.guarded import OUR_USER, secrets_of
from harness.report import case
from harness.wait import Wrong, holds, same, until

STATE_ESTABLISHED = "01"


def rotate(world, *words, status=0, seconds=None):
    environment = {"COMPOSE": "docker-compose --ansi never"}
    if seconds is not None:
        environment["ROTATE_WAIT_SECONDS"] = str(seconds)
    world.run(["docker/rotate.sh", *words], seconds=400, status=status, environment=environment)


def connections(world, nodes):
    """Both ends of each connection between nodes: the same ones later means that none was made anew."""
    found = set()
    for item in nodes:
        for line in world.docker("exec", item["Id"], "cat", "/proc/net/tcp").split("\n")[1:]:
            words = line.split()
            ports = [word.split(":")[1] for word in words[1:3]] if words else []
            if f"{7700:04X}" in ports and words[3] == STATE_ESTABLISHED:
                found.add((words[1], words[2]))
    return found


class Payments:
    """Somebody who pays again and again, and counts what was acknowledged."""

    def __init__(self, world, through, payer, payee):
        self.paid, self.wrong, self.ends = 0, None, threading.Event()
        self.thread = threading.Thread(target=self.work, args=(world, through, payer, payee))
        self.thread.start()

    def work(self, *who):
        try:
            while not self.ends.is_set():
                pay(*who, 1, self.paid + 1)
                self.paid += 1
        except Wrong as wrong:
            self.wrong = wrong

    def end(self):
        self.ends.set()
        self.thread.join()
        if self.wrong is not None:
            raise self.wrong
        return self.paid


def with_secret(world, text, *words):
    """The command in a container of its own, with that cluster secret."""
    folder = f"{world.scratch}/rotated"
    os.makedirs(folder)
    try:
        with open(f"{folder}/cluster", "w", encoding="utf-8") as file:
            file.write(text)
        for path, mode in ((f"{folder}/cluster", 0o400), (folder, 0o500)):
            os.chmod(path, mode)
            os.chown(path, OUR_USER, OUR_USER)
        return world.attempt(["docker-compose", "--ansi", "never", "run", "--rm", "-T", "--no-deps", "-v",
                              f"{folder}:/run/secrets/rotated:ro", "-e",
                              "TROUPE_CLUSTER_SECRET_FILE=/run/secrets/rotated/cluster", "cli", *words])
    finally:
        shutil.rmtree(folder)


@case("secrets are rotated under load: no node stops, no connection breaks, no payment is lost, and the old ones are of no use")
def rotated(world):
    nodes = world.up()
    open_account(world, nodes[0], "rotated/payer", 100000, node=nodes[1])
    open_account(world, nodes[0], "rotated/payee", 0, node=nodes[2])
    before, starts, epoch = secrets_of(world), [item["State"]["Pid"] for item in nodes], world.last_epoch()
    made = until("each node has a session with each other one",
                 lambda: len(found := connections(world, nodes)) == 6 and found, 20)
    payments = Payments(world, nodes[0], "rotated/payer", "rotated/payee")
    try:
        rotate(world)
    finally:
        paid = payments.end()
    holds("there were payments", paid > 0)
    same("connections", connections(world, nodes), made)
    same("processes", [item["State"]["Pid"] for item in world.all_healthy(3)], starts)
    same("epoch of the members", world.last_epoch(), epoch)
    until("the payee has it all", lambda: accounts(world, "rotated/")["rotated/payee"].state["cents"] == paid, 20)
    after = secrets_of(world)
    same("the same files", sorted(after), sorted(before))
    same("files that are as they were", [name for name in before if before[name] == after[name]], [])
    old_and_new_secret(world, before, after)
    new_password_and_new_start(world, nodes)


def old_and_new_secret(world, before, after):
    name = "troupe_secrets-node/cluster"
    done = with_secret(world, before[name], "call", "rotated/payee", "bank.get", "{}")
    same(f"who has the old secret is refused: {done.stderr}", (done.returncode, "TRP-3003" in done.stderr), (77, True))
    done = with_secret(world, after[name], "call", "rotated/payee", "bank.get", "{}")
    same(f"who has the new one is not: {done.stderr}", done.returncode, 0)


def new_password_and_new_start(world, nodes):
    """Nodes find the new password when they connect again, and one that is started again the new secret."""
    sessions = "FROM pg_stat_activity WHERE usename = 'troupe_node'"
    ended = {row[0] for row in world.sql(f"SELECT pid, pg_terminate_backend(pid) {sessions}")}
    holds("connections to PostgreSQL were ended", ended)
    until("others were made in their place", lambda: len(now := {row[0] for row in world.sql(f"SELECT pid {sessions}")}) >= 3
          and not now & ended, 30)
    world.docker("restart", "-t", "20", nodes[2]["Id"], seconds=60)
    nodes = world.wait_healthy(3)
    for number, item in enumerate(nodes):
        open_account(world, item, f"rotated/{number}", 1, node=nodes[(number + 1) % 3])


@case("a rotation that goes wrong half way says where, harms nobody, and goes on when it is mended")
def rotation_goes_wrong(world):
    nodes = world.up()
    before = secrets_of(world)
    with open(f"{world.scratch}/secret", "w", encoding="utf-8") as file:
        file.write("too short")
    rotate(world, f"{world.scratch}/secret", status=75, seconds=2)
    same("the secret in use", secrets_of(world)["troupe_secrets-node/cluster"], before["troupe_secrets-node/cluster"])
    open_account(world, nodes[0], "rotated/unharmed", 1, node=nodes[1])
    with open(f"{world.scratch}/secret", "w", encoding="utf-8") as file:
        file.write("my own secret, " * 4)
    rotate(world, f"{world.scratch}/secret")
    same("the secret in use", secrets_of(world)["troupe_secrets-node/cluster"], ("my own secret, " * 4).strip())
    world.compose("run", "--rm", "-T", "cli", "call", "rotated/unharmed", "bank.get", "{}")
    world.all_healthy(3)
