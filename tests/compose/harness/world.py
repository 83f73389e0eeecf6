"""The cluster that the cases look at: what compose, docker and PostgreSQL say of it."""
import json
import os
import re
import shutil
import subprocess

from harness import images, mirror
from harness.wait import Wrong, same, until

UP_SECONDS = 60
# The names of the files of the tree, those that are deleted and not yet committed left out.
FILES = ("git ls-files -z --cached --others --exclude-standard | "
         "xargs -0 sh -c 'for f; do test ! -e \"$f\" || printf \"%s\\0\" \"$f\"; done' sh")


class World:
    """Commands run in a copy of the source tree, so that nothing can be left in the tree itself. The copy is named
    like the project, as in a newcomer's clone."""

    def __init__(self, folder, engine):
        self.folder, self.engine = folder, engine
        self.tree = os.path.join(folder, "troupe")
        self.scratch = os.path.join(folder, "scratch")
        self.remove()
        os.makedirs(self.tree)
        subprocess.run(f"{FILES} | tar --null -T - -cf - | tar -xf - -C '{self.tree}'", shell=True, check=True)
        os.makedirs(f"{self.scratch}/docker/cli-plugins")
        self.environment = dict(os.environ, HOME=self.scratch, DOCKER_CONFIG=f"{self.scratch}/docker", DOCKER_BUILDKIT="0",
                                COMPOSE_DOCKER_CLI_BUILD="0", TROUPE_POSTGRES_IMAGE=images.POSTGRES, LC_ALL="C.UTF-8",
                                COMPOSE_HTTP_TIMEOUT="120")
        self.has_v2 = os.path.exists(mirror.v2_path(folder))
        if self.has_v2:
            os.symlink(mirror.v2_path(folder), f"{self.scratch}/docker/cli-plugins/docker-compose")

    def remove(self):
        shutil.rmtree(self.scratch, ignore_errors=True)
        shutil.rmtree(self.tree, ignore_errors=True)

    # ---- commands ----

    def run(self, words, seconds=60, stdin=None, status=0, environment=None):
        """Runs a command; answers what it printed on stdout. One that ends with another status is wrong."""
        done = self.attempt(words, seconds, stdin, environment)
        if status is not None and done.returncode != status:
            raise Wrong(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def attempt(self, words, seconds=60, stdin=None, environment=None):
        try:
            return subprocess.run(words, cwd=self.tree, env=dict(self.environment, **(environment or {})), text=True,
                                  input=stdin or "", capture_output=True, timeout=seconds, errors="replace")
        except subprocess.TimeoutExpired as late:
            raise Wrong(f"{' '.join(words)} still runs after {seconds} s:\n{late.stdout}\n{late.stderr}") from late

    def docker(self, *words, **options):
        return self.run(["docker", *words], **options)

    def compose(self, *words, **options):
        return self.run(["docker-compose", "--ansi", "never", *words], **options)

    def compose_v2(self, *words, **options):
        return self.run(["docker", "compose", "--ansi", "never", *words], **options)

    def sql(self, text):
        """The rows that a query answers, as lists of strings."""
        out = self.docker("exec", self.container("db")["Id"], "psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", text)
        return [line.split("\t") for line in out.split("\n") if line]

    def value(self, text):
        rows = self.sql(text)
        return rows[0][0] if rows else None

    def troupe(self, container, *words, **options):
        """The command, in a node's container, through its admin socket."""
        return self.docker("exec", container["Id"], "troupe", *words, "--admin", "/run/troupe/admin.sock", **options)

    # ---- what there is ----

    def containers(self, service, everything=False, oneoff=False):
        """The containers of a service, the oldest first; those of `run` on request instead of those of `up`."""
        words = ["ps", "-q", "--no-trunc", "--filter", f"label=com.docker.compose.service={service}"]
        ids = self.docker(*words, *(["-a"] if everything else [])).split()
        found = json.loads(self.docker("inspect", *ids)) if ids else []
        return sorted((item for item in found if (item["Config"]["Labels"].get("com.docker.compose.oneoff") == "True") == oneoff),
                      key=lambda item: item["Created"])

    def container(self, service):
        found = self.containers(service)
        if not found:
            raise Wrong(f"no container of {service} runs")
        return found[0]

    def inspect(self, container):
        return json.loads(self.docker("inspect", container["Id"]))[0]

    def logs(self, container):
        done = self.attempt(["docker", "logs", container["Id"]])
        return done.stdout + done.stderr

    def members(self):
        """The names of the nodes that are up."""
        return sorted(row[0] for row in self.sql("SELECT name FROM troupe.nodes WHERE state = 'up'"))

    def all_healthy(self, count):
        return self.all_healthy_but(count, set())

    def all_healthy_but(self, count, others):
        """Answers the containers of so many nodes, all healthy; members are they and those others."""
        nodes = self.containers("node")
        same("containers of nodes", len(nodes), count)
        same("their health", sorted({health(item) for item in nodes}), ["healthy"])
        same("members", sorted(set(self.members()) - others), sorted(name_of(item) for item in nodes))
        return nodes

    def up(self, count=3):
        """Brings the cluster to so many nodes, all healthy, and answers their containers."""
        try:
            return self.all_healthy(count)
        except Wrong:  # not so yet
            self.compose("up", "-d", "--scale", f"node={count}", seconds=120)
            return self.wait_healthy(count)

    def wait_healthy(self, count, seconds=UP_SECONDS):
        return until(f"{count} nodes healthy", lambda: self.all_healthy(count), seconds)

    def last_epoch(self):
        return int(self.value("SELECT coalesce(max(epoch), 0) FROM troupe.events"))

    def deaths(self, epoch):
        """The names of the nodes that died after that epoch; those that left in order are not among them."""
        return [row[0] for row in self.sql(f"""SELECT node FROM troupe.events WHERE kind = 'node_down'
            AND detail IS DISTINCT FROM 'left' AND epoch > {epoch} ORDER BY epoch""")]

    def state(self):
        """For a failed case: what can be seen of the cluster."""
        pieces = [self.attempt(["docker", "ps", "-a", "--format", "{{.ID}} {{.Names}} {{.Status}}"]).stdout]
        for query in ("SELECT node_id, name, address, state, down_reason, declared_by, started_at, ended_at FROM troupe.nodes",
                      "SELECT epoch, at, kind, node, declared_by, detail FROM troupe.events ORDER BY epoch DESC LIMIT 20"):
            try:
                pieces.append("\n".join("  ".join(row) for row in self.sql(query)))
            except Wrong as wrong:
                pieces.append(str(wrong))
        try:
            for item in self.containers("node", everything=True) + self.containers("db") + self.containers("demo", True, True):
                pieces.append(f"--- {item['Name']}\n" + "\n".join(self.logs(item).split("\n")[-25:]))
        except Wrong as wrong:
            pieces.append(str(wrong))
        return "\n".join(pieces)


def name_of(container):
    """A node's name: the hostname of its container."""
    return container["Config"]["Hostname"]


def health(container):
    return container["State"].get("Health", {}).get("Status", "none")


def running(container):
    return container["State"]["Status"]


def number_in(text, pattern):
    found = re.search(pattern, text)
    if not found:
        raise Wrong(f"nothing like {pattern} in: {text[-500:]}")
    return int(found.group(1))
