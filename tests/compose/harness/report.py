"""Named cases, run in order, a line for each, and the totals last."""
import contextlib
import re
import time
import traceback
from dataclasses import dataclass

from harness.wait import Wrong


@dataclass
class Case:
    name: str
    work: object


def cases_of(module):
    """The cases of a module, in the order in which they are written."""
    return [item for item in vars(module).values() if isinstance(item, Case)]


def case(name):
    """Makes a function of the world a case. The name is a sentence of what holds."""
    return lambda work: Case(name, work)


@contextlib.contextmanager
def step(name):
    start = time.monotonic()
    yield
    print(f"# {name}: {time.monotonic() - start:.1f} s", flush=True)


class Report:
    def __init__(self, cases, pattern):
        self.chosen = [item for item in cases if re.search(pattern, item.name)]

    def run(self, world):
        """Runs the cases. One that answers a text was skipped for that reason."""
        failed = skipped = 0
        for number, item in enumerate(self.chosen, 1):
            start = time.monotonic()
            reason = problem = None
            try:
                reason = item.work(world)
            except Wrong as wrong:
                problem = str(wrong)
            except Exception:  # a mistake in the case itself
                problem = traceback.format_exc()
            seconds = f"({time.monotonic() - start:.1f} s)"
            if problem is not None:
                failed += 1
                print(f"not ok {number} - {item.name} {seconds}", flush=True)
                show(problem)
                show(world.state())
            elif reason is not None:
                skipped += 1
                print(f"ok {number} - {item.name} # SKIP {reason}", flush=True)
            else:
                print(f"ok {number} - {item.name} {seconds}", flush=True)
        print(f"{len(self.chosen) - failed - skipped} passed, {failed} failed, {skipped} skipped")
        return 1 if failed or not self.chosen else 0


def show(text):
    print("    " + text.rstrip().replace("\n", "\n    "), flush=True)
