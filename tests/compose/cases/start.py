"""Bringing the cluster up, asking it, making it larger and smaller."""
import time

from cases.accounts import accounts, open_account, pay
from harness.report import case
from harness.wait import holds, same, until
from harness.world import UP_SECONDS, name_of, running


@case("three nodes are healthy within 60 s of the first up")
def first_up(world):
    start = time.monotonic()
    world.compose("up", "-d", seconds=120)
    nodes = world.wait_healthy(3)
    seconds = time.monotonic() - start
    holds(f"{seconds:.1f} s are at most {UP_SECONDS}", seconds <= UP_SECONDS)
    addresses = [row[0] for row in world.sql("SELECT address FROM troupe.nodes WHERE state = 'up' ORDER BY address")]
    own = sorted(item["NetworkSettings"]["Networks"]["troupe_default"]["IPAddress"] + ":7700" for item in nodes)
    same("each node has told its container's address", sorted(addresses), own)
    same("nothing is published to the machine", [item["NetworkSettings"]["Ports"].get("7700/tcp") for item in nodes], [None] * 3)


@case("a second up changes nothing")
def second_up(world):
    before = [(item["Id"], item["State"]["StartedAt"]) for item in world.up()]
    world.compose("up", "-d", seconds=120)
    same("containers and their starts", [(item["Id"], item["State"]["StartedAt"]) for item in world.wait_healthy(3)], before)


@case("the command in a container of its own lists the nodes, and starts and asks an actor")
def command_line(world):
    nodes = world.up()
    listed = world.compose("run", "--rm", "-T", "cli", "node", "list")
    for item in nodes:
        holds(f"{name_of(item)} is in:\n{listed}", name_of(item) in listed)
    world.compose("run", "--rm", "-T", "cli", "spawn", "bank.account", "--name", "account/grace", "--durable",
                  '{"owner": "Grace", "cents": 4200}')
    told = world.compose("run", "--rm", "-T", "cli", "call", "account/grace", "bank.get", "{}")
    holds(f"4200 cents are in:\n{told}", "4200" in told)


@case("psql in the container of db shows troupe.nodes and troupe.actors")
def psql_shows(world):
    nodes = world.up()
    open_account(world, nodes[0], "account/edsger", 700, node=nodes[1])
    shown = world.compose("exec", "-T", "db", "psql", "-c", "TABLE troupe.nodes")
    for item in nodes:
        holds(f"{name_of(item)} is in:\n{shown}", name_of(item) in shown)
    shown = world.compose("exec", "-T", "db", "psql", "-c", "SELECT name, node, state->>'cents' AS cents FROM troupe.actors")
    line = next((line for line in shown.split("\n") if "account/edsger" in line), "")
    holds(f"account/edsger is on {name_of(nodes[1])} with 700 cents in:\n{shown}", name_of(nodes[1]) in line and "700" in line)


@case("scaled to five and back: two nodes leave, none dies, and their actors go on elsewhere")
def scale(world):
    three = world.up(3)
    epoch = world.last_epoch()
    five = world.up(5)
    kept = {item["Id"] for item in three}
    holds("the three are still there", kept <= {item["Id"] for item in five})
    for number, item in enumerate(five):
        open_account(world, three[0], f"scale/{number}", 1000 + number, node=item)
    for number in range(5):
        pay(world, three[0], f"scale/{number}", f"scale/{(number + 1) % 5}", 1, number + 1)
    before = until("all five paid and were paid", lambda: paid(world), 20)
    world.compose("up", "-d", "--scale", "node=3", seconds=120)
    nodes = world.wait_healthy(3)
    gone = sorted(name_of(item) for item in five if item["Id"] not in {item["Id"] for item in nodes})
    rows = world.sql("SELECT name, state, down_reason FROM troupe.nodes WHERE state <> 'up' ORDER BY node_id DESC LIMIT 2")
    same("those that went left", sorted((row[0], row[1]) for row in rows), [(name, "left") for name in gone])
    same("nodes that died", world.deaths(epoch), [])
    alive = {name_of(item) for item in nodes}
    after = until("all five run on the three", lambda: running_on(world, alive), 30)
    for name, row in before.items():
        same(f"the state of {name}", after[name].state, row.state)
        if row.node in gone:
            holds(f"{name} changed its holder: epoch {row.epoch} to {after[name].epoch}", after[name].epoch > row.epoch)
        else:
            same(f"{name} stayed", (after[name].node, after[name].epoch), (row.node, row.epoch))
    same("containers that exited are gone too", {running(item) for item in world.containers("node", True)}, {"running"})


def paid(world):
    found = accounts(world, "scale/")
    return found if len(found) == 5 and all(row.sent == 1 and row.received == 1 for row in found.values()) else None


def running_on(world, alive):
    found = accounts(world, "scale/")
    return found if len(found) == 5 and all(row.status == "running" and row.node in alive for row in found.values()) else None
