"""What a campaign must not use up: memory and descriptors of the nodes; tables, locks and news of the database."""
import os
import statistics

from harness.wait import Wrong

MIB = 1024 * 1024
# Between the second and the last third of a campaign. An allocator that is asked from many threads takes its time to
# come to rest; what leaks does so in each round.
RSS_GROWTH_MAX = 12 * MIB
DESCRIPTORS_GROWTH_MAX = 8
TABLES_GROWTH_MAX = 24 * MIB
ROUNDS_MIN = 6  # below that there is nothing to compare

TABLES = """SELECT relname, n_live_tup, n_dead_tup, pg_total_relation_size(relid) FROM pg_stat_user_tables
            WHERE schemaname = 'troupe' ORDER BY relname"""
# What one statement of a watcher sees of others.
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
OLDEST = """SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::int FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"""
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
NEWS = "SELECT pg_notification_queue_usage()"


def descriptors(node):
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))


class Watch:
    def __init__(self, cluster):
        self.cluster = cluster
        self.rounds = []

    def look(self, nodes):
        """At the end of a round, when nothing of it is left."""
        found = {
            "rss": {node.name: (node.process.pid, node.memory()) for node in nodes},
            "descriptors": {node.name: descriptors(node) for node in nodes},
            "tables": {row[0]: [int(word) for word in row[1:]] for row in self.cluster.sql(TABLES)},
            "waiting": int(self.cluster.value(WAITING)),
            "oldest": int(self.cluster.value(OLDEST)),
            "sessions": int(self.cluster.value(SESSIONS)),
            "news": float(self.cluster.value(NEWS)),
        }
        self.rounds.append(found)
        return found

    def line(self):
        now = self.rounds[-1]
        memory = " ".join(f"{name} {size / MIB:.1f}" for name, (_, size) in now["rss"].items())
        size = sum(row[2] for row in now["tables"].values()) / MIB
        dead = sum(row[1] for row in now["tables"].values())
        return (f"MiB: {memory}; descriptors {max(now['descriptors'].values())}; database {size:.1f} MiB, {dead} dead rows, "
                f"{now['sessions']} sessions, oldest transaction {now['oldest']} s, news {now['news']:.4f}")

    # ---- the verdict ----

    def growth(self, of):
        """From the second third of the rounds to the last one, by their medians."""
        third = len(self.rounds) // 3
        before, after = (statistics.median(of(item) for item in part) for part in (self.rounds[third:2 * third], self.rounds[2 * third:]))
        return after - before

    def steady(self):
        """Names of nodes that were never killed: their memory is one story."""
        first = self.rounds[0]["rss"]
        return [name for name in first if all(item["rss"].get(name, (0,))[0] == first[name][0] for item in self.rounds)]

    def verdict(self):
        """Lines of what was found; raises Wrong with what is too much."""
        lines, wrong = [], []

        def judge(what, found, most, unit=1, name=""):
            lines.append(f"{what}: {found / unit:.1f}{name}, at most {most / unit:.1f}{name}")
            if found > most:
                wrong.append(lines[-1])

        judge("locks that were waited for at the end of a round", max(item["waiting"] for item in self.rounds[-3:]), 2)
        judge("oldest transaction", max(item["oldest"] for item in self.rounds), 60, name=" s")
        judge("news that nobody has fetched, of the queue", max(item["news"] for item in self.rounds), 0.01)
        if len(self.rounds) >= ROUNDS_MIN:
            for node in self.steady():
                judge(f"memory of {node}, growth", self.growth(lambda item, node=node: item["rss"][node][1]), RSS_GROWTH_MAX, MIB, " MiB")
            judge("descriptors of a node, growth", self.growth(lambda item: max(item["descriptors"].values())), DESCRIPTORS_GROWTH_MAX)
            judge("sessions of the database, growth", self.growth(lambda item: item["sessions"]), DESCRIPTORS_GROWTH_MAX)
            judge("tables and indexes, growth", self.growth(lambda item: sum(row[2] for row in item["tables"].values())),
                  TABLES_GROWTH_MAX, MIB, " MiB")
        if wrong:
            raise Wrong("; ".join(wrong))
        return lines
