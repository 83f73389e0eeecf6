"""What goes on in the cluster, round after round, and is counted exactly."""
import json
import os
import re

from harness.wait import holds, same, until

ACCOUNTS, PER_SECOND, OVERDRAFTS = 24, 150, 5
CALLS_MS = 30000


def ask_teller(node, name, what):
    return node.admin.ask(op="call", to=name, type=f"bank.{what}", message={}, seconds=30)["message"]


class Bank:
    """A teller on one node that plays a ledger of its own with durable accounts on all: every transfer is paid once or
    refused once, whoever is killed meanwhile."""

    def __init__(self, cluster, number, home, seconds, random):
        self.cluster, self.home = cluster, home
        self.name, self.prefix = f"teller/{number}", f"r{number}/"
        self.transfers = max(40, int(seconds * PER_SECOND))
        self.path = os.path.join(cluster.folder, f"ledger.{number}.txt")
        with open(self.path, "w", encoding="ascii") as file:
            file.write(self.ledger(random))

    def ledger(self, random):
        """Nobody pays more in all than he opened with, and an overdraft asks for more than there is: so the outcome does
        not depend on the order."""
        lines, each = [], 1000
        money = {account: each * (self.transfers // ACCOUNTS * 4 + 10) for account in range(1, ACCOUNTS + 1)}
        lines += [f"open {account} owner.{account} {cents}" for account, cents in money.items()]
        total, over = sum(money.values()), set(random.sample(range(1, self.transfers + 1), OVERDRAFTS))
        for number in range(1, self.transfers + 1):
            payer, payee = random.sample(list(money), 2)
            cents = total + 1 if number in over else random.randint(1, each)
            while number not in over and money[payer] < cents:
                payer = max((account for account in money if account != payee), key=money.get)
            money[payer] -= 0 if number in over else cents
            lines.append(f"transfer {number} {payer} {payee} {cents}")
        return "\n".join(lines) + "\n"

    def phase(self):
        progress = ask_teller(self.home, self.name, "get_progress")
        holds(f"the teller has not given up: {progress.get('error')}", progress["phase"] != "failed")
        return progress

    def open(self, names):
        self.home.admin.ask(op="spawn", behavior="bank.teller", name=self.name,
                            args={"ledger": self.path, "nodes": names, "per_second": PER_SECOND, "prefix": self.prefix})
        until("the accounts are open", lambda: self.phase()["phase"] == "ready", 60)
        ask_teller(self.home, self.name, "play")

    def acknowledged(self, part):
        """Waits until so much of the transfers is acknowledged."""
        until(f"{part:.0%} of the transfers are acknowledged",
              lambda: int(self.phase()["acknowledged"]) >= part * self.transfers, 120)

    def prove(self):
        until("every transfer has its outcome", lambda: self.phase()["phase"] == "finished", 120)
        report = json.dumps(ask_teller(self.home, self.name, "get_report"))
        with open(os.path.join(self.cluster.top, "examples/bank/verify.sql"), encoding="ascii") as file:
            rows = self.cluster.sql_with(file.read(), json=report, prefix=self.prefix)
        same("claims of the proof", len(rows), 14)
        same("claims that are not so", [row for row in rows if row[3] != "ok"], [])
        return self.transfers

    def close(self):
        """The accounts go, with all that the database has of them."""
        for account in range(1, ACCOUNTS + 1):
            self.home.admin.ask(op="send", to=f"{self.prefix}account/{account}", type="bank.close", message={})
        self.home.admin.ask(op="exit", to=self.name, reason="shutdown")
        like = f"name LIKE '{self.prefix}%'"
        until("the accounts are gone", lambda: self.cluster.value(f"SELECT count(*) FROM troupe.actors WHERE {like}") == "0", 60)
        os.remove(self.path)


class Talk:
    """One puppet sends numbers to another one on another node, and calls it."""

    def __init__(self, here, there):
        self.sender, self.receiver = here.puppet(trap=True), there.puppet(trap=True)
        self.sender.link(self.receiver)
        self.sender.do("stream", to=self.receiver, text="1", n=1 << 40, m=3, size=100)
        self.sender.do("stream", to=self.receiver, text="2", n=1 << 40, m=1, size=20000)
        self.calls = 0

    def call(self):
        self.calls += 1
        self.sender.do("call", to=self.receiver, text="echo", n=CALLS_MS, m=self.calls)

    def touches(self, node):
        return node in (self.sender.node, self.receiver.node)

    def check_whole(self):
        """Nobody was killed: everything has come, once and in order, and every call was answered."""
        total = 0
        for stream in (1, 2):
            sent = int(self.sender.do("halt", n=stream)["n"])
            until(f"all {sent} have come from {self.sender.pid}",
                  lambda sent=sent, stream=stream: self.receiver.ledger(stream)["got"] >= sent, 60)
            kept = self.receiver.ledger(stream)
            same(f"from {self.sender.pid} to {self.receiver.pid}: got, last, missing, again, bad",
                 [kept[key] for key in ("got", "last", "missing", "again", "bad")], [sent, sent, 0, 0, 0])
            total += sent
        self.sender.await_lines("^RESULT ", count=self.calls, seconds=60)
        self.sender.has("^RESULT [0-9]+ TROUPE_OK ", self.calls)
        self.sender.has("^EXIT ", 0)
        return total + self.calls

    def check_prefix(self, killed):
        """One of the two was on a node that was killed: the other has a prefix, and heard of it once."""
        if self.receiver.node is killed:
            self.sender.await_lines(f"^EXIT {self.receiver.pid} noconnection ", seconds=30)
            for stream in (1, 2):
                self.sender.do("halt", n=stream)
            # Each call has exactly one result, whatever it is.
            self.sender.await_lines("^RESULT ", count=self.calls, seconds=60)
            return 0
        self.receiver.await_lines(f"^EXIT {self.sender.pid} noconnection ", seconds=30)
        kept = [self.receiver.ledger(stream) for stream in (1, 2)]
        for one in kept:
            same(f"of what {self.sender.pid} had sent: last, missing, again, bad",
                 [one[key] for key in ("last", "missing", "again", "bad")], [one["got"], 0, 0, 0])
        return sum(one["got"] for one in kept)

    def stop(self, killed):
        for puppet in (self.sender, self.receiver):
            if puppet.node is not killed:
                puppet.stop()


class Births:
    """Actors that one node starts on another one, and ends again."""

    EACH = 10

    def __init__(self, here, there):
        self.parent, self.there = here.puppet(trap=True), there
        for tag in range(1, self.EACH + 1):
            self.parent.do("spawn_on", to=there.name, text="puppet", m=tag)

    def check(self):
        lines = self.parent.await_lines("^RESULT [0-9]+ TROUPE_OK ", count=self.EACH, seconds=30)
        for line in lines:
            child = self.there.at(re.search(r"<[0-9.]+>", line).group(0))
            child.stop()
            child.await_death()
        self.parent.stop()
        return self.EACH


class Group:
    """A member on each node; what is said to the group comes to each member once."""

    def __init__(self, nodes, number):
        self.name = f"soak.{number}"
        self.members = [node.puppet() for node in nodes]
        for member in self.members:
            member.do("join", text=self.name)
        self.wait(len(self.members))

    def wait(self, count):
        for member in self.members:
            until(f"{member.node.name} knows {count} members",
                  lambda member=member: int(member.do("members", text=self.name)["n"]) == count, 30)

    def say(self, text):
        speaker = self.members[0]
        same("members that it was sent to", int(speaker.do("broadcast", to=self.name, text=text)["n"]), len(self.members))
        for member in self.members:
            member.await_lines(f"^MSG {speaker.pid} {text}$")
        return len(self.members)

    def lose(self, node):
        self.members = [member for member in self.members if member.node is not node]
        self.wait(len(self.members))

    def stop(self):
        for member in self.members:
            member.stop()


