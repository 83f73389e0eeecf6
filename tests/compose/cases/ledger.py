"""The demo's ledger plays against the cluster while nodes and PostgreSQL are harmed in turn. Each fault has to bite while
transfers are left to be made; the demo itself proves at the end that each is in once and none twice."""
import os
import signal

from cases.accounts import accounts, check_recovered
from harness.report import case
from harness.wait import holds, same, until
from harness.world import health, name_of, running

PER_SECOND = 110
TRANSFERS = 5555  # of the ledger that are paid
LEFT = 1500       # of them, when a fault comes
MORE = 40         # paid after each fault before the next one comes


@case("the ledger begins to play on three nodes")
def begin(world):
    nodes = world.up()
    start_demo(world)
    found = {row.node for row in accounts(world, "bank-").values()}
    same("nodes with accounts", found, {name_of(item) for item in nodes})


def start_demo(world):
    world.compose("run", "-d", "-T", "-e", f"DEMO_PER_SECOND={PER_SECOND}", "demo")
    until("accounts of the ledger pay each other", lambda: paid(world) > 0, 60)


def last_demo(world):
    found = world.containers("demo", everything=True, oneoff=True)
    holds("a demo has been started", found)
    return found[-1]


def playing(world):
    """The demo's container, with many transfers left, or a fault would prove little. On a slow machine the ledger may be
    near its end: then it has to be exact, and is played again."""
    demo = last_demo(world)
    if paid(world) > TRANSFERS - LEFT or running(demo) != "running" or " finished " in world.logs(demo):
        check_exact(world)
        start_demo(world)
    return last_demo(world)


def paid(world):
    return int(world.value("SELECT coalesce(sum((state #>> '{sent,count}')::bigint), 0) FROM troupe.actors "
                           "WHERE behavior = 'bank.account' AND starts_with(name, 'bank-')"))


def goes_on(world, before):
    """Transfers are made again after the fault, or all that were left have been made."""
    def more():
        return paid(world) >= before + MORE or world.inspect(demo)["State"]["Status"] == "exited"
    demo = last_demo(world)
    until("the ledger goes on", more, 40)


def check_exact(world):
    demo = last_demo(world)
    until("the demo ends", lambda: running(world.inspect(demo)) == "exited", 150)
    logs, status = world.logs(demo), world.inspect(demo)["State"]["ExitCode"]
    holds(f"it ended with 0, not {status}:\n{logs[-6000:]}", status == 0)
    holds(f"it says that nothing is lost:\n{logs[-2000:]}", "none twice: nothing lost" in logs)
    same("its accounts are closed", accounts(world, "bank-"), {})


def healthy_with_demo(world):
    """Answers the three nodes, while the ledger plays."""
    own = {name_of(playing(world))}
    return until("three nodes healthy", lambda: world.all_healthy_but(3, own), 60)


def id_of(world, name):
    return int(world.value(f"SELECT max(node_id) FROM troupe.nodes WHERE name = '{name}'"))


def state_of(world, node_id):
    return world.sql(f"SELECT state, down_reason FROM troupe.nodes WHERE node_id = {node_id}")[0]


def joined_anew(world, name, old_id):
    rows = world.sql(f"SELECT node_id FROM troupe.nodes WHERE name = '{name}' AND state = 'up' AND node_id > {old_id}")
    return int(rows[0][0]) if rows else None


def others_alive(world, nodes, victim):
    """Where accounts may recover: on the other nodes, and on the demo's own."""
    return {name_of(item) for item in nodes + [last_demo(world)] if item["Id"] != victim["Id"]}


def held_by(world, node_id):
    return accounts(world, "bank-", f"a.node_id = {node_id}")


@case("a node killed with -9: its accounts recover elsewhere, and it comes back under its name as a new node")
def killed(world):
    nodes = healthy_with_demo(world)
    victim = nodes[0]
    count = paid(world)
    old_id, epoch = id_of(world, name_of(victim)), world.last_epoch()
    before = held_by(world, old_id)
    os.kill(victim["State"]["Pid"], signal.SIGKILL)
    until("its death is known", lambda: name_of(victim) in world.deaths(epoch), 15)
    same("who died", world.deaths(epoch), [name_of(victim)])
    same("its row", state_of(world, old_id)[0], "down")
    check_recovered(world, before, others_alive(world, nodes, victim) | {name_of(victim)})
    until("it is back as a new node", lambda: joined_anew(world, name_of(victim), old_id), 30)
    after = world.inspect(victim)
    same("starts by the engine", after["RestartCount"], victim["RestartCount"] + 1)
    same("hostname", name_of(after), name_of(victim))
    goes_on(world, count)


@case("a node paused past its lease: declared dead, its accounts recover, and resumed it fences itself and joins anew")
def paused(world):
    nodes = healthy_with_demo(world)
    victim = nodes[1]
    old_id, epoch = id_of(world, name_of(victim)), world.last_epoch()
    before = held_by(world, old_id)
    count = paid(world)
    world.docker("pause", victim["Id"])
    try:
        same("the engine says", running(world.inspect(victim)), "paused")
        until("it is declared dead", lambda: name_of(victim) in world.deaths(epoch), 20)
        same("who died", world.deaths(epoch), [name_of(victim)])
        same("its row", state_of(world, old_id), ["down", "expired"])
        check_recovered(world, before, others_alive(world, nodes, victim))
    finally:
        world.docker("unpause", victim["Id"])
    until("it joins as a new node", lambda: joined_anew(world, name_of(victim), old_id), 30)
    same("the process is the same", world.inspect(victim)["State"]["Pid"], victim["State"]["Pid"])
    holds("it says that it was declared dead", "declared dead" in world.logs(victim) or "fenced" in world.logs(victim))
    goes_on(world, count)


@case("a node cut off from the network: declared dead, its accounts recover, and connected again it joins anew")
def disconnected(world):
    nodes = healthy_with_demo(world)
    victim = nodes[2]
    old_id, epoch = id_of(world, name_of(victim)), world.last_epoch()
    before = held_by(world, old_id)
    count = paid(world)
    world.docker("network", "disconnect", "troupe_default", victim["Id"])
    try:
        same("its networks", world.inspect(victim)["NetworkSettings"]["Networks"], {})
        until("it is declared dead", lambda: name_of(victim) in world.deaths(epoch), 20)
        same("who died", world.deaths(epoch), [name_of(victim)])
        check_recovered(world, before, others_alive(world, nodes, victim))
    finally:
        world.docker("network", "connect", "troupe_default", victim["Id"])
    until("it joins as a new node", lambda: joined_anew(world, name_of(victim), old_id), 30)
    same("the process is the same", world.inspect(victim)["State"]["Pid"], victim["State"]["Pid"])
    address = world.inspect(victim)["NetworkSettings"]["Networks"]["troupe_default"]["IPAddress"]
    same("the address that it tells", world.value(f"SELECT address FROM troupe.nodes WHERE state = 'up' AND name = "
                                                  f"'{name_of(victim)}'"), address + ":7700")
    goes_on(world, count)


@case("PostgreSQL restarted in order under load: no node is declared dead, and the ledger goes on")
def database_restarted(world):
    nodes = healthy_with_demo(world)
    epoch, starts = world.last_epoch(), nodes_starts(world)
    before = world.container("db")["State"]["StartedAt"]
    count = paid(world)
    world.docker("restart", world.container("db")["Id"], seconds=90)
    unharmed(world, nodes, before, epoch, starts, count)


@case("PostgreSQL killed with -9 under load: no node is declared dead, and the ledger goes on")
def database_killed(world):
    nodes = healthy_with_demo(world)
    epoch, starts = world.last_epoch(), nodes_starts(world)
    before = world.container("db")["State"]["StartedAt"]
    count = paid(world)
    os.kill(world.container("db")["State"]["Pid"], signal.SIGKILL)
    until("the engine has started it again", lambda: world.containers("db") and
          world.container("db")["State"]["StartedAt"] != before, 30)
    unharmed(world, nodes, before, epoch, starts, count)
    holds("PostgreSQL says that it was interrupted", "was interrupted" in world.logs(world.container("db")))


def nodes_starts(world):
    return [(item["Id"], item["State"]["StartedAt"], item["RestartCount"]) for item in world.containers("node")]


def unharmed(world, nodes, before, epoch, starts, count):
    until("PostgreSQL is healthy", lambda: world.containers("db") and health(world.container("db")) == "healthy", 60)
    holds("it was started again", world.container("db")["State"]["StartedAt"] != before)
    goes_on(world, count)
    same("nodes that died", world.deaths(epoch), [])
    same("starts of nodes", nodes_starts(world), starts)
    same("members", set(world.members()) >= {name_of(item) for item in nodes}, True)


@case("the ledger is exact: each acknowledged transfer is in once and none twice, after all that")
def exact(world):
    demos = world.containers("demo", everything=True, oneoff=True)
    check_exact(world)
    told = "".join(world.logs(item) for item in demos)
    holds(f"it told of the three deaths:\n{told}", told.count(" is down") >= 3)
    world.docker("rm", *[item["Id"] for item in demos])
