"""Accounts of the bank, the durable actors that the cases watch."""
import json
from dataclasses import dataclass

from harness.wait import Wrong, holds, until
from harness.world import name_of


@dataclass
class Row:
    node: str
    status: str
    epoch: int
    seq: int
    state: dict

    @property
    def sent(self):
        return self.state["sent"]["count"]

    @property
    def received(self):
        return self.state["received"]["count"]


def accounts(world, prefix, where="true"):
    """By name, the accounts whose names begin with prefix, as the database has them."""
    rows = world.sql(f"""SELECT json_build_object('name', a.name, 'node', a.node, 'status', a.status, 'epoch', n.epoch,
        'seq', coalesce(a.seq, 0), 'state', a.state) FROM troupe.actors a JOIN troupe.names n ON n.name = a.name
        WHERE a.behavior = 'bank.account' AND starts_with(a.name, '{prefix}') AND {where}""")
    found = [json.loads(row[0]) for row in rows]
    return {row.pop("name"): Row(**row) for row in found}


def open_account(world, through, name, cents, node=None):
    words = ["--node", name_of(node)] if node else []
    world.troupe(through, "spawn", "bank.account", "--name", name, "--durable", *words,
                 json.dumps({"owner": "Nobody", "cents": cents}))


def pay(world, through, payer, payee, cents, number):
    told = world.troupe(through, "call", payer, "bank.transfer", json.dumps({"id": number, "to": payee, "cents": cents}))
    holds(f"paid: {told}", '"ok"' in told)


def check_recovered(world, before, alive):
    """Each account runs on one of these nodes, under a later epoch, and with nothing of its state undone."""
    if not before:
        raise Wrong("there was no account that could recover")
    return until(f"{len(before)} accounts are recovered", lambda: recovered(world, before, alive), 40)


def recovered(world, before, alive):
    after = accounts(world, "")
    for name, old in before.items():
        new = after.get(name)
        if new is None or new.status != "running" or new.node not in alive:
            raise Wrong(f"{name} does not run on {sorted(alive)}: {new}")
        if new.epoch <= old.epoch:
            raise Wrong(f"{name} has the epoch {new.epoch}, and had {old.epoch}")
        if new.seq < old.seq or new.sent < old.sent or new.received < old.received:
            raise Wrong(f"{name} went back: {old} to {new}")
        if (new.sent, new.received, new.state["refused_count"]) == (old.sent, old.received, old.state["refused_count"]) \
                and new.state["cents"] != old.state["cents"]:
            raise Wrong(f"{name} was not paid, did not pay, and changed: {old} to {new}")
    return after
