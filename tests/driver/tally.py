"""How many cases passed in a program's output, whichever test library printed it."""
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self):
        words = [f"{self.passed} passed"]
        words += [f"{self.failed} FAILED"] if self.failed else []
        words += [f"{self.skipped} skipped"] if self.skipped else []
        return ", ".join(words)


CLOSING = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


def count_cmocka(output):
    """A case that began and never ended counts as failed: the program crashed in it."""
    tally = Tally()
    for piece in output.split("[ RUN      ] ")[1:]:
        case = piece.split("[==========]")[0]
        if "[       OK ] " in case:
            tally.passed += 1
        elif "[  SKIPPED ] " in case:
            tally.skipped += 1
        else:
            tally.failed += 1
    return tally


def count_tap(output):
    skipped = len(re.findall(r"^ok .*# SKIP", output, re.M | re.I))
    return Tally(len(re.findall(r"^ok ", output, re.M)) - skipped, len(re.findall(r"^not ok ", output, re.M)), skipped)


def count_unittest(output):
    ran = sum(int(number) for number in re.findall(r"^Ran (\d+) tests? in", output, re.M))
    failed = sum(int(number) for number in re.findall(r"(?:failures|errors)=(\d+)", output))
    skipped = sum(int(number) for number in re.findall(r"skipped=(\d+)", output))
    return Tally(max(ran - failed - skipped, 0), failed, skipped)


def count(output, status):
    """Answers the tally of one program. One that ended badly has at least one failure; one that prints no
    cases that we know is itself the case."""
    closing = CLOSING.findall(output)
    if "[ RUN      ] " in output:
        tally = count_cmocka(output)
    elif closing:
        tally = Tally(*(int(number or 0) for number in closing[-1]))
    elif re.search(r"^Ran \d+ tests? in", output, re.M):
        tally = count_unittest(output)
    elif re.search(r"^(not )?ok ", output, re.M):
        tally = count_tap(output)
    else:
        return Tally(passed=1) if status == 0 else Tally(failed=1)
    if status != 0 and tally.failed == 0:
        tally.failed = 1
    return tally


def count_junit(path):
    """Answers the tally of a ctest run, and the output of the programs that failed or skipped something."""
    total, shown = Tally(), []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        ran = case.get("status") == "run"
        tally = count(output, 0 if ran else 1)
        if case.get("status") in ("disabled", "notrun"):
            tally = Tally(failed=1)
        if tally.failed or tally.skipped:
            shown.append(f"--- {case.get('name')} ({case.get('status')}, {case.get('time')} s): {tally}\n{output}")
        total += tally
    return total, "\n".join(shown)
