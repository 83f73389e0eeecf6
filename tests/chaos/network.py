"""A network of our own: a bridge, and namespaces joined to it, which can be cut, slowed and broken.

It is made inside the namespaces of processes/sandbox.py, so it ends with the test. Packets are dropped where they come in
(INPUT): dropped where they go out, a program's send would fail, which no broken network does.
"""
import itertools
import os
import subprocess

from harness.wait import Wrong, holds

PREFIX = "10.77.0."
DELAYED = "10.78.0."  # the same namespaces, through delay.c
PORT = 7700


class Network:
    def __init__(self, names):
        self.hosts = {name: number for number, name in enumerate(names, 1)}
        run("ip", "link", "add", "name", "br0", "type", "bridge")
        run("ip", "link", "set", "br0", "up")
        for name in names:
            self.join(name)

    def join(self, name):
        run("ip", "netns", "add", name)
        run("ip", "link", "add", f"v-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", f"v-{name}", "master", "br0", "up")
        self.inside(name, "ip", "address", "add", f"{self.address(name)}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            self.inside(name, "ip", "link", "set", device, "up")

    def address(self, name):
        return f"{PREFIX}{self.hosts[name]}"

    def delayed_address(self, name):
        return f"{DELAYED}{self.hosts[name]}"

    @staticmethod
    def words(name):
        """What comes before a command that is to run in a namespace."""
        return ["ip", "netns", "exec", name]

    def inside(self, name, *words):
        return run(*self.words(name), *words)

    # ---- cuts ----

    def cut_way(self, sender, receiver):
        """Nothing of the sender's reaches the receiver any more."""
        self.inside(receiver, "iptables", "-w", "-A", "INPUT", "-s", self.address(sender), "-j", "DROP")

    def cut(self, *names):
        """Cuts every pair of these, both ways."""
        for sender, receiver in itertools.permutations(names, 2):
            self.cut_way(sender, receiver)

    def cut_from(self, name, others):
        for other in others:
            self.cut(name, other)

    def heal(self):
        """Ends all cuts; answers how many packets they have dropped."""
        dropped = self.dropped()
        for name in self.hosts:
            self.inside(name, "iptables", "-w", "-F", "INPUT")
        return dropped

    def heal_pair(self, one, other):
        for sender, receiver in ((one, other), (other, one)):
            self.inside(receiver, "iptables", "-w", "-D", "INPUT", "-s", self.address(sender), "-j", "DROP")

    def dropped(self):
        """Packets dropped by the cuts there are, as {pair of names: packets of both ways}."""
        names = {self.address(name): name for name in self.hosts}
        found = {}
        for receiver in self.hosts:
            for line in self.inside(receiver, "iptables", "-w", "-vnxL", "INPUT").split("\n"):
                fields = line.split()
                if len(fields) > 7 and fields[2] == "DROP":
                    pair = tuple(sorted((names[fields[7]], receiver)))
                    found[pair] = found.get(pair, 0) + int(fields[0])
        return found

    def heal_bitten(self):
        """Ends all cuts. One that has dropped nothing was none, and the round did not run."""
        dropped = self.heal()
        holds(f"each cut has dropped something: {dropped}", dropped and all(dropped.values()))

    def break_sessions(self, one, other):
        """Breaks the connections between two nodes as a lost route with a reset does; answers how many."""
        out = self.inside(one, "ss", "-KHtn", "state", "established", "dst", self.address(other), "and",
                          "(", "sport", "=", f":{PORT}", "or", "dport", "=", f":{PORT}", ")")
        return len([line for line in out.split("\n") if line.strip()])

    # ---- slow, and off ----

    def slow(self, name, rate):
        self.inside(name, "tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "128kb", "latency", "200ms")

    def slowed(self, name):
        """How often the slow link had to wait."""
        out = self.inside(name, "tc", "-s", "qdisc", "show", "dev", "eth0")
        words = out.split()
        return int(words[words.index("overlimits") + 1])

    def fast(self, name):
        self.inside(name, "tc", "qdisc", "del", "dev", "eth0", "root")

    def unplug(self, name):
        run("ip", "link", "set", f"v-{name}", "down")

    def plug(self, name):
        run("ip", "link", "set", f"v-{name}", "up")


class Delay:
    """The router of delay.c: every packet between the delayed addresses goes through it."""

    def __init__(self, build, network, names, *faults):
        """A fault is words as delay.c reads them: delay_ms jitter_ms loss_percent reorder_percent, for all pairs."""
        self.network = network
        ends = [f"{name}={network.delayed_address(name)}" for name in names]
        self.process = subprocess.Popen([f"{build}/bin/delay", *(str(fault) for fault in faults), *ends],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.process.wait()
            raise Wrong("the router for delays does not start")
        for name in names:
            network.inside(name, "ip", "address", "add", f"{network.delayed_address(name)}/24", "dev", "delay0")
            network.inside(name, "ip", "link", "set", "delay0", "up")

    def counts(self):
        """Packets passed, lost, reordered."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return [int(word) for word in self.process.stdout.readline().split()]

    def end(self):
        self.process.kill()
        self.process.wait()


def can_delay():
    return os.path.exists("/dev/net/tun")


def run(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Wrong(f"{' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout
