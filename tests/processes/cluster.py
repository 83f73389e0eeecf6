"""A private PostgreSQL and the nodes of a cluster on it."""
import os
import re
import secrets
import shutil
import subprocess
import tempfile

from harness.wait import Wrong, until
from processes.node import Node

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))


class Cluster:
    """words come before the programs of the database: where it runs, and address is where it then listens."""

    def __init__(self, build, words=(), address=None):
        self.build = os.path.abspath(build)
        self.folder = tempfile.mkdtemp(prefix="troupe-processes.")
        self.words = list(words)
        self.secret = os.path.join(self.folder, "secret")
        with open(os.open(self.secret, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        self.nodes = {}
        self.started = []  # those too that are gone
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "TROUPE_"))}
        self.environment.update(LC_ALL="C", PATH=f"{self.build}/bin:" + os.environ["PATH"])
        if "TROUPE_SANITIZE:STRING=a" in cmake_cache(self.build):  # the leak checker looks into its own process
            self.environment["TROUPE_CORE_DUMPS"] = "on"
            # What is freed is kept for a while, which is no memory of the node's.
            self.environment["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=16"
        self.home = self.conninfo = self.local = None
        self.start_postgres(address)

    # ---- PostgreSQL ----

    def start_postgres(self, address):
        self.local = self.postgres("start").strip()
        self.home = re.search(r"host=(\S+)", self.local).group(1)
        self.conninfo = self.local
        if address is not None:
            with open(f"{self.home}/data/postgresql.conf", "a", encoding="ascii") as file:
                file.write(f"listen_addresses = '{address}'\n")
            with open(f"{self.home}/data/pg_hba.conf", "a", encoding="ascii") as file:
                file.write("host all all samenet trust\n")
            self.postgres("stop")
            self.postgres("start")
            self.conninfo = f"host={address} port=5432 dbname=troupe user=troupe"
        self.run(["troupe", "db", "migrate", "--db", self.local])

    def postgres(self, word):
        return self.run([*self.words, f"{TOP}/tools/private_postgres.sh", word, f"{self.folder}/postgres"])

    def sql(self, text):
        """The rows that a query answers, as lists of strings."""
        out = self.run(["psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", self.local, "-c", text])
        return [line.split("\t") for line in out.split("\n") if line]

    def value(self, text):
        rows = self.sql(text)
        return rows[0][0] if rows else None

    def run(self, words, seconds=60, status=0):
        done = subprocess.run(words, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds, errors="replace", check=False)
        if status is not None and done.returncode != status:
            raise Wrong(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    # ---- nodes ----

    def node(self, name, start=True, **options):
        """A new node; it waits until it is a member, unless told not to start."""
        self.nodes[name] = Node(self, name, **options)
        self.started.append(self.nodes[name])
        return self.nodes[name].start() if start else self.nodes[name]

    def start(self, *nodes):
        """Starts several at once, and waits for them."""
        for node in nodes:
            node.start(wait=False)
        for node in nodes:
            node.wait_ready()
        return nodes

    def meshed(self, *nodes, seconds=30):
        """Waits until each of them is connected to each other one."""
        for node in nodes:
            others = {other.name for other in nodes if other is not node}
            until(f"{node.name} is connected to {sorted(others)}",
                  lambda node=node, others=others: others <= set(node.connected()), seconds)
        return nodes

    def state_of(self, node_id):
        """State and reason of a start of a node: up, left or down, and why."""
        return self.sql(f"SELECT state, coalesce(down_reason, '') FROM troupe.nodes WHERE node_id = {node_id}")[0]

    def await_state(self, node_id, *wanted, seconds=30):
        until(f"node {node_id} is {wanted}", lambda: self.state_of(node_id)[:len(wanted)] == list(wanted), seconds)

    def deaths(self):
        """Node ids that were ever declared dead."""
        return [int(row[0]) for row in self.sql("SELECT node_id FROM troupe.nodes WHERE state = 'down' ORDER BY 1")]

    def complaints(self):
        """Of all nodes that ever ran: crashes and reports of sanitizers."""
        return [text for text in (node.complaint() for node in self.started) if text is not None]

    def end(self):
        for node in self.nodes.values():
            node.kill()
        if self.home is not None:
            self.postgres("remove")
        shutil.rmtree(self.folder, ignore_errors=True)

    def state(self):
        """For a failed case: what can be seen."""
        pieces = []
        for query in ("SELECT node_id, name, address, state, down_reason, declared_by FROM troupe.nodes ORDER BY node_id DESC LIMIT 12",
                      "SELECT epoch, at, kind, node, declared_by, detail FROM troupe.events ORDER BY epoch DESC LIMIT 12"):
            try:
                pieces.append("\n".join("  ".join(row) for row in self.sql(query)))
            except Wrong as wrong:
                pieces.append(str(wrong))
        for node in self.nodes.values():
            if node.process is not None and node.process.poll() is None:
                pieces.append(f"--- {node.name}\n" + "\n".join(node.log().rstrip().split("\n")[-12:]))
        return "\n".join(pieces)


def cmake_cache(build):
    try:
        with open(f"{build}/CMakeCache.txt", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
