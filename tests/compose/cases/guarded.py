"""What the containers may not do, and what nobody may see."""
import glob
import json
import os
import shutil

from cases.accounts import open_account
from harness.report import case
from harness.wait import holds, same, until
from harness.world import name_of

OUR_USER = 10001
STATUS = ("Uid", "Gid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")


def status_of(text):
    """The fields of /proc/PID/status that matter here."""
    fields = dict(line.split(":", 1) for line in text.split("\n") if ":" in line)
    return {name: fields[name].split() for name in STATUS}


@case("nodes, command and migration run as nobody in particular, without a capability, on a root that is read-only")
def harmless(world):
    nodes = world.up()
    texts = {name_of(item): world.docker("exec", item["Id"], "cat", "/proc/1/status") for item in nodes}
    texts["trouped"] = world.docker("exec", nodes[0]["Id"], "sh", "-c", "cat /proc/$(pgrep trouped || grep -l ^trouped "
                                    "/proc/[0-9]*/comm | head -n 1 | cut -d/ -f3)/status")
    for service in ("cli", "migrate"):
        texts[service] = world.compose("run", "--rm", "-T", "--no-deps", "--entrypoint", "cat", service, "/proc/self/status")
    for who, text in texts.items():
        found = status_of(text)
        same(f"{who}: user", found["Uid"] + found["Gid"], [str(OUR_USER)] * 8)
        same(f"{who}: capabilities", {int(found[name][0], 16) for name in STATUS if name.startswith("Cap")}, {0})
        same(f"{who}: no new privileges, seccomp", found["NoNewPrivs"] + found["Seccomp"], ["1", "2"])
    for item in nodes:
        for path in ("/x", "/usr/local/bin/x", "/usr/local/lib/troupe/modules/x.so", "/etc/passwd", "/tmp/x", "/var/x"):
            done = world.attempt(["docker", "exec", "-u", "0", item["Id"], "sh", "-c", f"echo >>{path}"])
            holds(f"even root cannot write {path}: {done.stderr}", done.returncode != 0 and "Read-only" in done.stderr)
        world.docker("exec", item["Id"], "sh", "-c", "echo >/run/troupe/x && rm /run/troupe/x")
        holds("the folder of the modules is root's",
              world.docker("exec", item["Id"], "stat", "-c", "%u %a", "/usr/local/lib/troupe/modules") == "0 755\n")


@case("no secret is in inspect, logs, processes, the database's sessions, the files of compose, or the image")
def no_secret_seen(world):
    world.up()
    secrets = secrets_of(world)
    holds(f"there are secrets to look for: {sorted(secrets)}", len(secrets) >= 4)
    holds("each is long enough not to stand anywhere by chance", min(len(text) for text in secrets.values()) >= 32)
    everything = world.docker("ps", "-aq").split()
    places = {
        "inspect of containers": world.docker("inspect", *everything),
        "inspect of volumes": world.docker("volume", "inspect", *world.docker("volume", "ls", "-q").split()),
        "inspect of networks": world.docker("network", "inspect", "troupe_default"),
        "config of compose": world.compose("config"),
        "sessions": world.compose("exec", "-T", "db", "psql", "-c", "TABLE pg_stat_activity"),
        "events and nodes": world.compose("exec", "-T", "db", "psql", "-c", "TABLE troupe.nodes", "-c", "TABLE troupe.events"),
        "the engine's log": read(world.engine.log),
        "ps": world.run(["ps", "-eo", "args"]),
    }
    for item in everything:
        done = world.attempt(["docker", "logs", item])
        places[f"logs of {item}"] = done.stdout + done.stderr
        places[f"top of {item}"] = world.attempt(["docker", "top", item, "-eo", "args"]).stdout
    for image in images(world):
        places[f"history of {image}"] = world.docker("history", "--no-trunc", image)
        places[f"inspect of {image}"] = world.docker("inspect", image)
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        places[path] = read(path)
    for where, text in places.items():
        for what, secret in secrets.items():
            holds(f"{what} is not in {where}", secret not in text)
    holds("the processes of the nodes were among those looked at", any("trouped" in text for text in places.values()))
    look_into_images(world, secrets)


def secrets_of(world):
    """What was made at the first start: passwords and the secret of the cluster, by who reads it."""
    found = {}
    for path in glob.glob(f"{world.engine.data}/volumes/troupe_secrets-*/_data/*"):
        text = read(path).strip()
        if "password=" in text:
            text = text.split("password=")[1].split()[0]
        elif text.count(":") == 4:
            text = text.rsplit(":", 1)[1]
        elif "passfile=" in text:  # it only says where the password is
            continue
        found[f"{path.split('/')[-3]}/{os.path.basename(path)}"] = text
    return found


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except OSError:  # the process has ended
        return ""


def images(world):
    return world.docker("images", "-q", "--filter", "reference=troupe").split()


def look_into_images(world, secrets):
    """All layers of our images, byte by byte. A word that is in there shows that they can be read."""
    with open(f"{world.scratch}/secrets", "w", encoding="utf-8") as file:
        file.write("".join(f"{text}\n" for text in secrets.values()) + "Erlang-style actors\n")
    words = f"set -o pipefail; docker save {' '.join(images(world))} | grep -aoF -f '{world.scratch}/secrets' | sort -u"
    found = world.run(["bash", "-c", words], seconds=120)
    same("what is found of the secrets, and of a word to be found", found, "Erlang-style actors\n")


@case("a node with another secret is refused by all others, which say so and go on")
def wrong_secret(world):
    nodes = world.up()
    epoch = world.last_epoch()
    folder = f"{world.scratch}/wrong"
    os.makedirs(folder)
    with open(f"{folder}/cluster", "w", encoding="utf-8") as file:
        file.write("0123456789abcdef" * 4)
    for path, mode in ((f"{folder}/cluster", 0o400), (folder, 0o500)):
        os.chmod(path, mode)
        os.chown(path, OUR_USER, OUR_USER)
    stranger = world.compose("run", "-d", "--no-deps", "-v", f"{folder}:/run/secrets/wrong:ro",
                             "-e", "TROUPE_CLUSTER_SECRET_FILE=/run/secrets/wrong/cluster", "node").strip().split("\n")[-1]
    try:
        name = json.loads(world.docker("inspect", stranger))[0]["Config"]["Hostname"]
        until("each other node says that it refused", lambda: all(refusals(world, item) for item in nodes), 30)
        for number, item in enumerate(nodes):
            open_account(world, item, f"unharmed/{number}", 1, node=nodes[(number + 1) % 3])
        done = world.attempt(["docker", "exec", nodes[0]["Id"], "troupe", "spawn", "bank.account", "--name", "harmed", "--node",
                              name, '{"owner": "Mallory"}', "--admin", "/run/troupe/admin.sock", "--timeout", "3s"])
        holds("nothing can be started on the stranger", done.returncode != 0)
        same("nodes that died", [node for node in world.deaths(epoch) if node != name], [])
        world.all_healthy_but(3, {name})
    finally:
        world.docker("rm", "-f", stranger)
        shutil.rmtree(folder, ignore_errors=True)
    until("the stranger is dead", lambda: name not in world.members(), 20)


def refusals(world, node):
    """Lines of a node's log in which it says that somebody does not know the secret."""
    found = []
    for line in world.logs(node).split("\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("level") == "warning" and "could not prove who it is" in entry.get("msg", ""):
            found.append(entry)
    return found
