"""Namespaces of our own for processes, mounts and network, in which a test and all that it starts live and end.

    outer --fork--> keeper --unshare, fork--> init (pid 1 there) --fork--> worker: the test

Each is killed when the one before it dies, and with init the kernel ends every process in there, its mounts, its
interfaces, its iptables and its inner network namespaces. So nothing has to be put back, whatever happens, and what
the test does to its network is not seen outside. /run is a file system in memory of the test's own.
"""
import ctypes
import os
import signal
import subprocess
import sys
import traceback

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


def obstacle():
    """Answers why namespaces cannot be made here, or None."""
    if os.geteuid() != 0:
        return "only root may make namespaces"
    words = ["unshare", "--mount", "--pid", "--net", "--fork", "--mount-proc", "sh", "-ec",
             "mount --make-rprivate / && mount -t tmpfs tmpfs /run && ip link set lo up"]
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else (done.stdout.strip() or "namespaces cannot be made")


def run(work):
    """Runs work() in the namespaces; answers its exit status."""
    sys.stdout.flush()
    outer = os.getpid()
    keeper = os.fork()
    if keeper == 0:
        os._exit(keep(work, outer))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os.kill(keeper, signal.SIGKILL))
    return os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1]) & 0xff


def die_with_parent(parent=None):
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def keep(work, outer):
    die_with_parent(outer)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) != 0:
        print(os.strerror(ctypes.get_errno()))
        return 1
    init = os.fork()
    if init == 0:
        os._exit(be_init(work))
    return os.waitstatus_to_exitcode(os.waitpid(init, 0)[1]) & 0xff


def be_init(work):
    """Process 1: reaps what others leave, until the worker ends."""
    die_with_parent()
    worker = os.fork()
    if worker == 0:
        os._exit(be_worker(work))
    while True:
        pid, status = os.wait()
        if pid == worker:
            return os.waitstatus_to_exitcode(status) & 0xff


def be_worker(work):
    status = 1
    try:
        mount("--make-rprivate", "/")
        mount("-t", "proc", "proc", "/proc")
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        os.environ["TMPDIR"] = "/run/tmp"
        os.mkdir("/run/tmp", 0o755)
        status = work()
    except BaseException:  # what is printed here is all that anybody will learn
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def mount(*words):
    subprocess.run(["mount", *words], check=True)
