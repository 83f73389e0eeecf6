"""Waiting for conditions, each with a deadline."""
import time

POLL_SECONDS = 0.1


class Wrong(Exception):
    """What a case found not to be so."""


def until(what, condition, seconds):
    """Waits until condition() answers something true, and answers that. A condition that raises Wrong is not met yet;
    its words are in the error when time is up."""
    deadline = time.monotonic() + seconds
    last = ""
    while True:
        try:
            found = condition()
            if found:
                return found
            last = ""
        except Wrong as wrong:
            last = f": {wrong}"
        if time.monotonic() > deadline:
            raise Wrong(f"not within {seconds} s: {what}{last}")
        time.sleep(POLL_SECONDS)


def same(what, found, wanted):
    if found != wanted:
        raise Wrong(f"{what}: {found!r}, not {wanted!r}")


def holds(what, condition):
    if not condition:
        raise Wrong(f"not so: {what}")
