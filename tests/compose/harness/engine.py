"""A docker engine of our own, inside the namespaces that sandbox.py makes.

Images and the builder's layers are kept between runs in build/compose/data. Volumes and networks are in memory and
end with the run; containers that a killed run left are removed at the start. A data folder with which the engine does
not start is thrown away once.
"""
import os
import shutil
import subprocess
import time

START_SECONDS = 40
KEEP_BYTES = 8 << 30
SOCKET = "unix:///run/engine/docker.sock"
BRIDGE, POOL = "10.230.0.1", "base=10.230.128.0/17,size=24"
IN_MEMORY = ("volumes", "network")
# dockerd writes a key there, whatever it is told.
SYSTEM_FOLDER = "/etc/docker"


class Engine:
    def __init__(self, folder):
        self.data = os.path.join(folder, "data")
        self.log = os.path.join(folder, "dockerd.log")
        self.process = None

    def start(self):
        os.environ["DOCKER_HOST"] = SOCKET
        os.makedirs("/run/engine", exist_ok=True)
        with open("/run/engine/daemon.json", "w", encoding="utf-8") as file:
            file.write("{}")
        mount_memory(SYSTEM_FOLDER)
        if os.path.isdir(self.data) and size_of(self.data) > KEEP_BYTES:
            shutil.rmtree(self.data)
        if not self.comes_up():
            print("# the engine does not start with the data of the run before; they are thrown away")
            shutil.rmtree(self.data)
            if not self.comes_up():
                with open(self.log, encoding="utf-8", errors="replace") as file:
                    raise RuntimeError("dockerd does not start:\n" + file.read()[-4000:])
        self.remove_containers()

    def comes_up(self):
        os.makedirs(self.data, mode=0o711, exist_ok=True)
        # Or dockerd would mount the folder over itself, without what is mounted in it.
        subprocess.run(["mount", "--bind", self.data, self.data], check=True)
        for name in IN_MEMORY:
            os.makedirs(f"{self.data}/{name}", mode=0o711, exist_ok=True)
            mount_memory(f"{self.data}/{name}")
        words = ["dockerd", "--config-file", "/run/engine/daemon.json", "--data-root", self.data,
                 "--exec-root", "/run/engine/exec", "--pidfile", "/run/engine/dockerd.pid", "--host", SOCKET,
                 "--bip", f"{BRIDGE}/24", "--default-address-pool", POOL, "--storage-driver", "overlay2",
                 "--cgroup-parent", os.environ["TROUPE_COMPOSE_GROUP"]]
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0:
                return True
            time.sleep(0.1)
        self.process.kill()
        self.process.wait()
        subprocess.run(["umount", "--recursive", self.data], check=False)
        return False

    def remove_containers(self):
        left = subprocess.run(["docker", "ps", "-aq"], capture_output=True, text=True, check=True).stdout.split()
        if left:
            subprocess.run(["docker", "rm", "-f", "-v"] + left, stdout=subprocess.DEVNULL, check=True)

    def stop(self):
        """Ends the engine in order, so that its data can be used again."""
        if self.process.poll() is None:
            self.remove_containers()
            self.process.terminate()
            try:
                self.process.wait(timeout=START_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def mount_memory(folder):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=711", "tmpfs", folder], check=True)


def size_of(folder):
    return int(subprocess.run(["du", "-sxB1", folder], capture_output=True, text=True, check=False).stdout.split()[0])
