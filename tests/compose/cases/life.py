"""Health, stopping, restarting, and taking the cluster down and up."""
import json
import subprocess
import time

from cases.accounts import accounts, open_account, pay
from harness.report import case
from harness.wait import holds, same, until
from harness.world import health, name_of

GRACE_SECONDS = 20


@case("without PostgreSQL a node is live and not ready: unhealthy, never restarted, and healthy when it is back")
def database_away(world):
    nodes = world.up()
    starts = [(item["State"]["Pid"], item["RestartCount"]) for item in nodes]
    epoch = world.last_epoch()
    world.compose("stop", "db", seconds=90)
    until("all three are unhealthy", lambda: {health(item) for item in world.containers("node")} == {"unhealthy"}, 40)
    for item in nodes:
        world.docker("exec", item["Id"], "troupe", "health", "--live")
        same("ready", world.attempt(["docker", "exec", item["Id"], "troupe", "health", "--ready"]).returncode, 1)
    world.compose("start", "db", seconds=60)
    nodes = world.wait_healthy(3)
    same("processes and restarts", [(item["State"]["Pid"], item["RestartCount"]) for item in nodes], starts)
    same("nodes that died", world.deaths(epoch), [])
    for item in nodes:
        world.docker("exec", item["Id"], "troupe", "health", "--ready")


@case("stop drains a node within its grace: exit status 0, its row is left, and its actor goes on elsewhere")
def stopped(world):
    nodes = world.up()
    victim = nodes[0]
    open_account(world, nodes[1], "stopped/one", 10, node=victim)
    epoch, start = world.last_epoch(), time.monotonic()
    world.docker("stop", "-t", str(GRACE_SECONDS), victim["Id"])
    seconds = time.monotonic() - start
    holds(f"within its grace: {seconds:.1f} s", seconds < GRACE_SECONDS)
    same("exit status", world.inspect(victim)["State"]["ExitCode"], 0)
    row = world.sql(f"SELECT state, down_reason FROM troupe.nodes WHERE name = '{name_of(victim)}' ORDER BY node_id DESC LIMIT 1")
    same("its row", row, [["left", "left"]])
    same("nodes that died", world.deaths(epoch), [])
    others = {name_of(item) for item in nodes[1:]}
    until("its actor runs elsewhere", lambda: accounts(world, "stopped/")["stopped/one"].node in others and
          accounts(world, "stopped/")["stopped/one"].status == "running", 30)
    world.docker("start", victim["Id"])
    world.wait_healthy(3)


@case("restarted containers keep their hostnames and are new nodes under the same names")
def restarted(world):
    nodes = world.up()
    ids = dict(world.sql("SELECT name, node_id FROM troupe.nodes WHERE state = 'up'"))
    epoch = world.last_epoch()
    world.compose("restart", "node", seconds=120)
    after = world.wait_healthy(3)
    same("hostnames", sorted(name_of(item) for item in after), sorted(name_of(item) for item in nodes))
    for name, node_id in world.sql("SELECT name, node_id FROM troupe.nodes WHERE state = 'up'"):
        holds(f"{name} has a new id", int(node_id) > int(ids[name]))
    same("nodes that died", world.deaths(epoch), [])


def migrate_at_once(world, *command):
    """Runs four migrations at once, each of which has to end with 0; answers what each printed."""
    words = ["docker-compose", "--ansi", "never", "run", "--rm", "-T", "--no-deps", "migrate", *command]
    several = [subprocess.Popen(words, cwd=world.tree, env=world.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = []
    for one in several:
        output, problems = one.communicate(timeout=90)
        holds(f"it ends with 0: {output}{problems}", one.returncode == 0)
        outputs.append(output)
    return outputs


@case("the migration may be repeated, and several at once do no harm")
def migrations(world):
    world.up()
    epoch = world.last_epoch()
    rows = world.sql("SELECT * FROM troupe.migrations ORDER BY 1")
    migrate_at_once(world)
    same("applied migrations", world.sql("SELECT * FROM troupe.migrations ORDER BY 1"), rows)
    same("nodes that died", world.deaths(epoch), [])


@case("down and up again with the data kept: the same names with the same states, on new nodes")
def down_and_up(world):
    nodes = world.up()
    for number, item in enumerate(nodes):
        open_account(world, nodes[0], f"kept/{number}", 500 + number, node=item)
    for number in range(3):
        pay(world, nodes[0], f"kept/{number}", f"kept/{(number + 1) % 3}", 7 + number, number + 1)
    before = until("all paid and were paid", lambda: settled(world), 20)
    world.compose("down", seconds=120)
    same("containers that are left", world.docker("ps", "-aq", "--filter", "label=com.docker.compose.project=troupe"), "")
    world.compose("up", "-d", seconds=120)
    nodes = world.wait_healthy(3)
    after = until("all run again", lambda: settled(world, {name_of(item) for item in nodes}), 30)
    for name, row in before.items():
        same(f"the state of {name}", after[name].state, row.state)
        holds(f"{name} has a later epoch", after[name].epoch > row.epoch)
    pay(world, nodes[0], "kept/0", "kept/1", 1, 10)
    until("they go on", lambda: accounts(world, "kept/")["kept/1"].received == 2, 20)


def settled(world, alive=None):
    found = accounts(world, "kept/")
    if len(found) != 3 or any(row.sent != 1 or row.received != 1 or row.status != "running" for row in found.values()):
        return None
    return found if alive is None or {row.node for row in found.values()} <= alive else None


@case("down -v leaves nothing, and of several migrations that make the schema at once each file is applied once")
def from_nothing(world):
    world.compose("down", "-v", seconds=120)
    for words in (["ps", "-aq"], ["volume", "ls", "-q"], ["network", "ls", "-q"]):
        same(" ".join(words), world.docker(*words, "--filter", "label=com.docker.compose.project=troupe"), "")
    same("volumes without a name", world.docker("volume", "ls", "-q"), "")
    world.compose("up", "-d", "db", seconds=60)
    until("the database is healthy", lambda: health(world.container("db")) == "healthy", 60)
    applied = [int(json.loads(output)["applied"]) for output in migrate_at_once(world, "troupe", "db", "migrate", "-o", "json")]
    same("applied by all together", sum(applied), int(world.value("SELECT count(*) FROM troupe.migrations")))
    world.up()
