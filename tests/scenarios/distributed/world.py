"""The cluster that the cases share."""
from processes.cluster import Cluster


class World(Cluster):
    """n1, n2 and n3 live as long as the cases; whoever is to die is an extra one."""

    def __init__(self, build):
        super().__init__(build)
        try:
            self.n1, self.n2, self.n3 = self.start(*(self.node(name, start=False, roles=roles) for name, roles in (
                ("n1", "web"), ("n2", "web,store"), ("n3", "store"))))
            self.meshed(self.n1, self.n2, self.n3)
        except BaseException:
            self.end()
            raise
        self.extras = 0

    def extra(self, **settings):
        """A node of its own for a case, connected to the three."""
        self.extras += 1
        node = self.node(f"x{self.extras}", **settings)
        self.meshed(node, self.n1, self.n2, self.n3)
        return node

    def gone(self, node):
        """Ends an extra node that the case does not need any more."""
        node.kill()
        self.nodes.pop(node.name, None)
