#!/usr/bin/env python3
"""Runs clang-tidy over our C files, several at once, and remembers the files that were clean.

    tools/check_clang_tidy.py BUILD_DIR [--changed] [--jobs N]

BUILD_DIR has the compile_commands.json to go by. --changed looks only at files that differ from the
last commit. A clean file is remembered in build/tidy under a digest of all that could change the answer:
the tool, its configuration, the command, the file and every header of ours that it includes.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

CACHE = "build/tidy"


def tool():
    return next(name for name in ("clang-tidy-14", "clang-tidy") if shutil.which(name))


def digest_of(name, version, entry):
    """Answers the digest of one compilation, from what the compiler says it includes."""
    words = [word for word in shlex.split(entry["command"]) if not word.endswith("ccache")]
    output = words.index("-o")
    command = words[:output] + words[output + 2:]
    listed = subprocess.run(command + ["-E", "-MM", "-MT", "x"], cwd=entry["directory"],
                            capture_output=True, text=True)
    digest = hashlib.sha256(f"{name} {version} {words}".encode())
    headers = listed.stdout.replace("\\\n", " ").split()[1:] if listed.returncode == 0 else []
    for path in [os.path.abspath(".clang-tidy"), entry["file"]] + headers:
        with open(os.path.join(entry["directory"], path), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def look_at(name, version, build, entry):
    """Answers what clang-tidy has to say about one file; nothing when it is clean."""
    mark = os.path.join(CACHE, digest_of(name, version, entry))
    if os.path.exists(mark):
        return ""
    # The analyzer follows paths on which an assertion has failed and, for all it knows, the test went on.
    checks = ["--checks=-clang-analyzer-*"] if entry["file"].startswith(os.path.abspath("tests") + "/") else []
    done = subprocess.run([name, "--quiet", "-p", build] + checks + [entry["file"]], capture_output=True, text=True)
    if done.returncode == 0:
        with open(mark, "w", encoding="utf-8"):
            return ""
    return done.stdout or done.stderr


def findings(outputs):
    """Answers each finding once, though a header's comes again with every file that includes it."""
    pieces = (piece for output in outputs for piece in re.split(r"^(?=/[^\n:]+:\d+:\d+: error)", output, flags=re.M))
    return list(dict.fromkeys(piece.rstrip() for piece in pieces if piece.strip()))


def changed_files():
    command = ["git", "status", "--porcelain", "--untracked-files=all"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {os.path.abspath(line[3:].split(" -> ")[-1]) for line in lines}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--changed", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with open(os.path.join(options.build, "compile_commands.json"), encoding="utf-8") as file:
        entries = {entry["file"]: entry for entry in json.load(file)}
    inside = os.getcwd() + "/"
    ours = [path for path in sorted(entries)
            if path.startswith(inside) and not path.startswith(inside + "build/")]
    if options.changed:
        ours = [path for path in ours if path in changed_files()]
    os.makedirs(CACHE, exist_ok=True)
    name = tool()
    version = subprocess.run([name, "--version"], check=True, capture_output=True, text=True).stdout
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        errors = findings(pool.map(lambda path: look_at(name, version, options.build, entries[path]), ours))
    print("\n".join(errors) or f"clang-tidy ok: {len(ours)} files")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
