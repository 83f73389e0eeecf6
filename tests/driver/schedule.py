"""Runs jobs in the order given, several at once while the processors suffice, and prints a line for each."""
import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field

from driver.tally import Tally, count


LOGS = "build/test-logs"
LINES_SHOWN = 200


@dataclass
class Result:
    tally: Tally
    output: str = ""


@dataclass
class Job:
    """A named piece of work. cost is how many processors it keeps busy, 0 when it waits for the network; after names
    jobs that must have succeeded; work answers a Result. A build is no test: it counts only when it fails."""
    name: str
    work: object
    after: tuple = ()
    cost: int = 1
    build: bool = False


@dataclass
class Command:
    """Work that runs one command and counts the cases in its output, or takes it as one case."""
    words: list
    seconds: int = 600
    environment: dict = field(default_factory=dict)

    def __call__(self):
        output, status = run(self.words, self.seconds, self.environment)
        return Result(count(output, status), output)


def run(words, seconds, environment):
    """Runs a command in a process group of its own; answers what it printed and its exit status. What is left
    of the group at the end is killed, also when the time is up."""
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as file:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                   env=dict(os.environ, **environment), start_new_session=True)
        groups.add(process)
        try:
            status, late = process.wait(timeout=seconds), ""
        except subprocess.TimeoutExpired:
            status, late = 124, f"\nstill running after {seconds} s: killed\n"
        kill_group(process)
        groups.discard(process)
        file.seek(0)
        return file.read() + late, status


groups = set()  # the processes whose groups are to be killed when the driver is interrupted


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Schedule:
    """Jobs in waiting, running and done; the main thread starts them, a thread each waits for them."""

    def __init__(self, jobs, processors):
        self.waiting = list(jobs)
        self.free = self.processors = processors
        self.results = {}
        self.running = 0
        self.changed = threading.Condition()
        self.total = Tally()

    def run(self):
        """Runs all jobs and answers their tally. Interrupted, it kills what runs."""
        try:
            self.start_all()
        finally:
            for process in list(groups):
                kill_group(process)
        return self.total

    def start_all(self):
        with self.changed:
            while self.waiting or self.running:
                self.drop_unreachable()
                job = self.next_job()
                if job is None:
                    if self.running:
                        self.changed.wait()
                    continue
                self.waiting.remove(job)
                self.running += 1
                self.free -= self.cost(job)
                threading.Thread(target=self.work, args=(job,), daemon=True).start()

    def cost(self, job):
        return min(job.cost, self.processors)

    def next_job(self):
        """The first job that may start. One that needs more processors than are free holds back those after it,
        so that it is not starved."""
        for job in self.waiting:
            if all(name in self.results for name in job.after):
                return job if self.cost(job) <= self.free else None
        return None

    def drop_unreachable(self):
        for job in list(self.waiting):
            failed = [name for name in job.after if name in self.results and self.results[name].tally.failed]
            if failed:
                self.waiting.remove(job)
                self.finish(job, Result(Tally(failed=1), f"not run: {failed[0]} failed"), 0)

    def work(self, job):
        start = time.monotonic()
        try:
            result = job.work()
        except Exception as error:  # the driver itself went wrong: that is a failure of the job, said plainly
            result = Result(Tally(failed=1), f"{type(error).__name__}: {error}")
        with self.changed:
            self.running -= 1
            self.free += self.cost(job)
            self.finish(job, result, time.monotonic() - start)
            self.changed.notify()

    def finish(self, job, result, seconds):
        self.results[job.name] = result
        good = not result.tally.failed
        if job.build and good:
            words = "built"
        else:
            words = str(result.tally)
            self.total += result.tally
        print(f"{'ok  ' if good else 'FAIL'} {job.name:<18} {words:<40} {seconds:6.1f} s", flush=True)
        if result.output and (not good or result.tally.skipped):
            self.show(job, result.output.rstrip().split("\n"))

    def show(self, job, lines):
        """Prints the end of an output; all of it is kept in a file."""
        os.makedirs(LOGS, exist_ok=True)
        with open(os.path.join(LOGS, job.name + ".log"), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        if len(lines) > LINES_SHOWN:
            lines = [f"(the last {LINES_SHOWN} of {len(lines)} lines; all are in {file.name})"] + lines[-LINES_SHOWN:]
        print("     " + "\n     ".join(lines), flush=True)
