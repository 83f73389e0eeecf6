"""The images of a run: the stand-in for the base image, PostgreSQL's, and ours, with the builder's layers of runs before."""
import os
import socket
import subprocess

from harness import mirror
from harness.report import step

POSTGRES = "troupe-compose-postgres:15"


def build_images(world, network):
    """Builds what changed. network gives the proxy our listening socket: nothing else leads out."""
    listener = socket.create_server(("0.0.0.0", mirror.PROXY_PORT))
    network(listener)
    listener.close()
    with step("base image into the engine"):
        import_base(world)
    with step("image of PostgreSQL"):
        world.docker("build", "-q", "-t", POSTGRES, "tests/compose/postgres", seconds=300)
    with step("image of Troupe"):
        world.compose("build", "migrate", "demo", seconds=600)


def import_base(world):
    """The builder's layers stay good as long as the base is the same image: it is imported once for each archive."""
    path = mirror.base_path(world.folder)
    stamp = f"{os.stat(path).st_mtime_ns}.{os.stat(path).st_size}"
    have = subprocess.run(["docker", "inspect", "-f", '{{index .Config.Labels "troupe.base"}}', mirror.BASE],
                          capture_output=True, text=True, check=False).stdout.strip()
    if have != stamp:
        world.docker("import", "--change", f"LABEL troupe.base={stamp}", "--change", 'CMD ["bash"]', path, mirror.BASE)
