"""Namespaces of our own, in which the engine and all that it starts live and end.

    outer --fork--> keeper --unshare, fork--> init (pid 1 there) --fork--> worker: engine and cases

Each of them is killed when the one before it dies, and with init the kernel ends every process of the namespace, its
mounts, its bridges and its iptables: nothing has to be put back, whatever happens. Only empty control groups stay
behind after a kill -9; the next run removes them. The network inside reaches nothing but the mirror's proxy, for which
the worker hands its listening socket out to the outer process (mirror.py).
"""
import contextlib
import ctypes
import fcntl
import glob
import os
import signal
import socket
import subprocess
import sys
import time
import traceback

from harness import mirror

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG = 1
GROUPS = "troupe-compose-"
END_SECONDS = 20

libc = ctypes.CDLL(None, use_errno=True)

# What the engine will need, tried in namespaces like its own. The last line that it prints is the reason.
PROBE = """
exec 2>&1
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
test -w /proc/sys/net/ipv4/ip_forward || { echo 'the settings of the kernel cannot be written'; exit 1; }
mkdir -p "$1/lower" "$1/upper" "$1/work" "$1/merged"
mount -t overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" overlay "$1/merged"
if command -v ip >/dev/null; then ip link add name troupe0 type bridge; fi
if command -v iptables >/dev/null; then iptables -t nat -n -L; fi
"""


@contextlib.contextmanager
def only_one(folder):
    """Waits for its turn: two engines cannot share a folder."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def obstacle(folder):
    """Answers why no engine can be started here, or None. It asks only what costs nothing; no package is needed."""
    if os.geteuid() != 0:
        return "only root may make namespaces and control groups"
    mounts = group_folders()
    if not mounts:
        return "no control groups are mounted"
    for mount in mounts:
        trial = os.path.join(mount, f"{GROUPS}{os.getpid()}")
        try:
            os.mkdir(trial)
            os.rmdir(trial)
        except OSError as error:
            return f"control groups cannot be made: {error}"
    scratch = os.path.join(folder, "probe")
    words = ["unshare", "--mount", "--pid", "--net", "--fork", "--mount-proc", "sh", "-c", PROBE, "sh", scratch]
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"namespaces cannot be made: {error}"
    finally:
        subprocess.run(["rm", "-rf", scratch], check=False)
    if done.returncode != 0:
        return (done.stdout.strip().split("\n")[-1] or "namespaces cannot be made").strip()
    return None


def group_folders():
    """The folders below which control groups are made: of each hierarchy, its root and this process's own group."""
    own, folders = {}, []
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            own[controllers] = path
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            fields, kind = line.split(" - ")
            kind, _, options = kind.split(" ", 2)
            if not kind.startswith("cgroup"):
                continue
            mount = fields.split()[4]
            folders.append(mount)
            for controllers, path in own.items():
                matches = kind == "cgroup2" if not controllers else set(controllers.split(",")) <= set(options.strip().split(","))
                if matches and path != "/" and os.path.isdir(mount + path):
                    folders.append(mount + path)
    return folders


def remove_groups():
    """Removes the control groups of runs that are over."""
    for mount in group_folders():
        for top in glob.glob(os.path.join(mount, GROUPS + "*")):
            pid = top.rsplit("-", 1)[1]
            if pid != str(os.getpid()) and os.path.exists(f"/proc/{pid}"):
                continue
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):  # not empty yet: the next run tries again
                    os.rmdir(folder)


def groups_are_empty():
    for mount in group_folders():
        for top in glob.glob(os.path.join(mount, f"{GROUPS}{os.getpid()}")):
            for folder, _, _ in os.walk(top):
                with contextlib.suppress(OSError), open(f"{folder}/cgroup.procs", encoding="utf-8") as file:
                    if file.read():
                        return False
    return True


def run(folder, work):
    """Runs work(network) in the namespaces and answers its exit status. network(listener) makes the proxy answer at
    a listening socket of the worker's."""
    remove_groups()
    ours, theirs = socket.socketpair()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.stdout.flush()
    keeper = os.fork()
    if keeper == 0:
        ours.close()
        os._exit(keep(lambda listener: socket.send_fds(theirs, [b"l"], [listener.fileno()]), work))
    theirs.close()
    try:
        mirror.serve(ours, folder)
        return os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1])
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.kill(keeper, signal.SIGKILL)
        os.waitpid(keeper, 0)
        return 130
    finally:
        deadline = time.monotonic() + END_SECONDS
        while not groups_are_empty() and time.monotonic() < deadline:
            time.sleep(0.05)
        remove_groups()


def system(answer):
    if answer == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def keep(network, work):
    """The keeper: makes the namespaces, and init in them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the outer process decides about all of us
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    system(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    group = f"{GROUPS}{os.getppid()}"
    system(libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET))
    init = os.fork()
    if init == 0:
        os._exit(be_init(lambda: work(network), group))
    return os.waitstatus_to_exitcode(os.waitpid(init, 0)[1]) & 0xff


def be_init(work, group):
    """Process 1: reaps what others leave, until the worker ends."""
    system(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    worker = os.fork()
    if worker == 0:
        os._exit(be_worker(work, group))
    while True:
        pid, status = os.wait()
        if pid == worker:
            return os.waitstatus_to_exitcode(status) & 0xff


def be_worker(work, group):
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.environ["TROUPE_COMPOSE_GROUP"] = group
        mount("--make-rprivate", "/")
        mount("-t", "proc", "proc", "/proc")
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        status = work()
    except BaseException:  # what is printed here is all that anybody will learn
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def mount(*words):
    subprocess.run(["mount", *words], check=True)
