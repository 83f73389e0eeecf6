"""docs/compose.md, command by command, with compose v2: the session that a newcomer would type."""
import os
import re

from harness.report import Case

PAGE = "docs/compose.md"
BLOCK = re.compile(r"^```sh compose\n(.*?)^```[ ]*$", re.S | re.M)
BLOCK_SECONDS = 240
# The ledger of the demo in a few seconds instead of a minute.
ENVIRONMENT = {"DEMO_PER_SECOND": "400"}


def sections():
    """The title and the blocks of each part of the page that has blocks to be run."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../..", PAGE)
    with open(path, encoding="utf-8") as file:
        parts = re.split(r"^#+ (.*)$", file.read(), flags=re.M)[1:]
    for title, text in zip(parts[::2], parts[1::2]):
        blocks = BLOCK.findall(text)
        if blocks:
            yield title, blocks


def run_section(number, blocks):
    def work(world):
        if not world.has_v2:
            return "compose v2 could not be fetched"
        if number == 0:
            world.compose("down", "-v", seconds=120)
        os.makedirs(f"{world.tree}/build", exist_ok=True)
        for block in blocks:
            world.run(["bash", "-euo", "pipefail", "-c", block], seconds=BLOCK_SECONDS, environment=ENVIRONMENT)
        return None
    return work


for place, (heading, commands) in enumerate(sections()):
    globals()[f"section_{place}"] = Case(f"{PAGE}, {heading}: each command works with compose v2", run_section(place, commands))
