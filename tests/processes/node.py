"""One trouped, and the puppets on it."""
import contextlib
import os
import re
import signal
import subprocess

from harness.wait import Wrong, until
from processes.admin import Admin, Refused
from processes.sandbox import die_with_parent

START_SECONDS = 40
CRASHES = (signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV)


class Node:
    """A node of a cluster. words come before the program: where it runs. It ends with the test, whatever happens."""

    def __init__(self, cluster, name, listen="127.0.0.1:0", words=(), **settings):
        self.cluster, self.name = cluster, name
        base = os.path.join(cluster.folder, name)
        self.log_path, self.admin_path = base + ".log", base + ".sock"
        self.command = [*words, f"{cluster.build}/bin/trouped", "--name", name, "--db", cluster.conninfo,
                        "--listen", listen, "--secret-file", cluster.secret, "--module",
                        f"{cluster.build}/modules/puppet.so", "--admin-socket", self.admin_path,
                        "--log-format", "logfmt", "--config", "/dev/null"]
        for key, value in settings.items():
            self.command += ["--" + key.replace("_", "-"), str(value)]
        self.admin = Admin(self.admin_path)
        self.process = None
        self.log_start = 0
        self.id = None

    # ---- life ----

    def start(self, wait=True):
        """Starts the process; waits until the node is a member, unless told otherwise."""
        self.admin.close()
        self.log_start = len(self.log())
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.cluster.environment, preexec_fn=die_with_parent)
        return self.wait_ready() if wait else self

    def wait_ready(self):
        until(f"{self.name} is ready", self.is_ready, START_SECONDS)
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.log()[-2000:]}")
        if not self.admin.ask(op="health").get("ready"):
            return False
        self.id = int(self.admin.ask(op="ping")["node_id"])
        return True

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """kill -9, and waits for the process to be gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.admin.close()

    def freeze(self):
        self.signal(signal.SIGSTOP)
        until(f"{self.name} is stopped", lambda: self.process_state() == "T", 10)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def process_state(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(") ", 1)[1][0]

    def leave(self, seconds=30):
        """SIGTERM; answers its exit status."""
        self.signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired as late:
            raise Wrong(f"{self.name} still runs {seconds} s after SIGTERM") from late
        self.admin.close()
        return status

    def complaint(self):
        """Answers how the process crashed, or what a sanitizer reported; None when all is well."""
        report = re.search(r"[^\n]*(Sanitizer|runtime error:|check failed)[^\n]*", self.log())
        if report:
            return f"{self.name}: {report.group(0)}"
        status = None if self.process is None else self.process.poll()
        if status is not None and -status in CRASHES:
            return f"{self.name} was ended by signal {-status}"
        return None

    def log(self):
        with contextlib.suppress(OSError), open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()
        return ""

    def logged(self, pattern):
        """How often its log has had that since its last start."""
        return len(re.findall(pattern, self.log()[self.log_start:]))

    def memory(self):
        """Bytes of memory that the process has now."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    # ---- looking ----

    def connected(self):
        """The names of the nodes that it is connected to."""
        nodes = self.admin.ask(op="members")["nodes"]
        return sorted(item["name"] for item in nodes if item["connected"] and item["name"] != self.name)

    def info(self):
        return self.admin.ask(op="info")

    def whereis(self, name):
        """The pid that holds a name, or None."""
        try:
            return self.admin.ask(op="whereis", to=name)["pid"]
        except Refused as refused:
            if refused.status in ("TROUPE_E_NOT_FOUND", "TROUPE_E_NOPROC"):
                return None
            raise

    # ---- puppets ----

    def puppet(self, name=None, behavior="puppet", trap=False, **options):
        request = dict(options, op="spawn", behavior=behavior)
        if name is not None:
            request["name"] = name
        found = Puppet(self, self.admin.ask(**request)["pid"])
        if trap:
            found.do("trap", n=1)
        return found

    def at(self, pid):
        """The puppet of this node with that pid."""
        return Puppet(self, pid)

    def puppets(self, count, trap=False):
        return [self.puppet(trap=trap) for _ in range(count)]


class Puppet:
    """An actor that does what the test says and notes what it sees."""

    def __init__(self, node, pid):
        self.node, self.pid = node, pid
        self.marks = 0

    def do(self, op, to="", text="", n=0, m=0, size=0, wanted="TROUPE_OK"):
        """Orders; answers the answer, whose status has to be the one wanted."""
        to = getattr(to, "pid", to)
        reply = self.node.admin.ask(op="call", to=self.pid, type="puppet.order",
                                    message={"op": op, "to": to, "text": text, "n": n, "m": m, "size": size})["message"]
        if reply["status"] != wanted:
            raise Wrong(f"{self.pid} {op} {to} {text}: {reply['status']}, not {wanted}")
        return reply

    def monitor(self, other):
        """Monitors another one that lives; returns its reference, as text, when the other has taken it in."""
        reference = self.do("monitor", to=other)["n"]
        other.settle(self)
        return str(reference)

    def link(self, other):
        """Links to another one that lives; returns when the other has taken it in."""
        self.do("link", to=other)
        other.settle(self)

    def order(self, op, to="", text="", n=0, m=0):
        """Orders without waiting for it to be done."""
        self.node.admin.ask(op="send", to=self.pid, type="puppet.order",
                            message={"op": op, "to": getattr(to, "pid", to), "text": text, "n": n, "m": m})

    def fail(self, text):
        """Ends it by an error."""
        self.order("fail", text=text)

    def stop(self, reason="normal"):
        self.do("stop", text=reason)

    def lines(self):
        """All that it has noted."""
        found, count = [], 1
        while len(found) < count:
            reply = self.node.admin.ask(op="call", to=self.pid, type="puppet.look", message={"from": len(found)})["message"]
            found += [item["text"] for item in reply["lines"]]
            count = int(reply["count"])
        return found

    def matching(self, pattern):
        return [line for line in self.lines() if re.search(pattern, line)]

    def await_lines(self, pattern, count=1, seconds=15):
        """Waits until it has noted so many lines like that; more are wrong."""
        def enough():
            found = self.matching(pattern)
            if len(found) < count:
                raise Wrong(f"{self.pid} has {len(found)} of {count} like {pattern}: {self.lines()[-8:]}")
            return found
        found = until(f"{count} like {pattern}", enough, seconds)
        self.has(pattern, count)
        return found

    def has(self, pattern, count):
        found = self.matching(pattern)
        if len(found) != count:
            raise Wrong(f"{self.pid} has {len(found)} like {pattern}, not {count}: {found[:8]}")

    def settle(self, other):
        """Returns when what `other` has said to it before has come: `other` sends a last word."""
        other.marks += 1
        word = f"mark {other.marks}"
        other.do("send", to=self.pid, text=word)
        self.await_lines(f"^MSG {other.pid} {word}$")

    def is_alive(self):
        try:
            self.node.admin.ask(op="call", to=self.pid, type="puppet.look", message={"from": 1 << 40})
            return True
        except Refused as refused:  # no connection: its node has another id now
            if refused.status in ("TROUPE_E_NOPROC", "TROUPE_E_NOT_FOUND", "TROUPE_E_EXITED", "TROUPE_E_NOCONNECTION"):
                return False
            raise

    def await_death(self, seconds=15):
        until(f"{self.pid} is gone", lambda: not self.is_alive(), seconds)

    def ledger(self, stream):
        reply = self.node.admin.ask(op="call", to=self.pid, type="puppet.ledger_get", message={"stream": stream})["message"]
        return {key: int(value) for key, value in reply.items()}

    def actor(self):
        return self.node.admin.ask(op="actor", to=self.pid)
