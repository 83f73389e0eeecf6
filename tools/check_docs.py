#!/usr/bin/env python3
"""Fails when a code block of README.md, CONTRIBUTING.md or docs/*.md is not true.

    tools/check_docs.py [--prefix DIR] [FILE...]

The language line of a block says how it is proved:

    ```c                 a whole C file: it must compile, warnings as errors
    ```c part            a piece of the body of a file: it must compile after #include <troupe/troupe.h>
    ```c file=PATH       what stands here is in that file, word for word
    ```sh run            each line is run in order by one shell at the root of the repository, with the built
                         programs on PATH and DIR (a fresh temporary folder) as $PREFIX; must end with 0
    ```text output       what the ```sh run block before it printed; a line `...` stands for any lines
    ```sh tested=PATH    the commands are run elsewhere: each line stands in that file, word for word
    ```sh compose        run by tests/compose against a container engine, all of them in order; docs/compose.md only
    ```text ```sql ...   not looked at

A ```sh or ```c block without one of these words after it is an error, so that nothing is shown that nobody
tries. The result is one line `ok NAME` or `not ok NAME` for each block.
"""
import argparse
import glob
import os
import re
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```[ ]*$", re.S | re.M)
COMPILE = ["cc", "-std=c17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-unused", "-fsyntax-only",
           "-Iruntime/include", "-xc", "-"]
RUN_SECONDS = 300


class Wrong(Exception):
    pass


def compile_c(text, part):
    source = "#include <troupe/troupe.h>\n" + text if part else text
    done = subprocess.run(COMPILE, input=source, capture_output=True, text=True)
    if done.returncode != 0:
        raise Wrong(done.stderr)


def stands_in(path, pieces):
    try:
        with open(path, encoding="utf-8") as file:
            whole = file.read()
    except OSError as error:
        raise Wrong(str(error)) from error
    for piece in pieces:
        if piece not in whole:
            raise Wrong(f"not in {path}:\n{piece}")


def run_shell(text, prefix):
    environment = dict(os.environ, PREFIX=prefix, PATH=os.path.abspath("build/release/bin") + ":" + os.environ["PATH"])
    try:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], env=environment, text=True, timeout=RUN_SECONDS,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired as error:
        raise Wrong(f"still running after {RUN_SECONDS} s\n{error.output}") from error
    if done.returncode != 0:
        raise Wrong(f"ended with {done.returncode}\n{done.stdout}")
    return done.stdout


def compare(expected, printed):
    pattern = "".join(".*" if line == "...\n" else re.escape(line) for line in expected.splitlines(True))
    if printed is None:
        raise Wrong("there is no `sh run` block before it")
    if not re.fullmatch(pattern, printed, re.S):
        raise Wrong(f"expected:\n{expected}\nprinted:\n{printed}")


def prove(language, words, text, state):
    """Proves one block, or raises Wrong. Answers False for a block that claims nothing."""
    word, _, value = words.partition("=")
    if (language, word) == ("c", "file"):
        stands_in(value, [text])
    elif language == "c" and words in ("", "part"):
        compile_c(text, words == "part")
    elif (language, words) == ("sh", "run"):
        state["printed"] = run_shell(text, state["prefix"])
    elif (language, words) == ("text", "output"):
        compare(text, state["printed"])
    elif (language, word) == ("sh", "tested"):
        stands_in(value, [line.split("#")[0].strip() for line in text.splitlines() if line.split("#")[0].strip()])
    elif (language, words) == ("sh", "compose") and state["path"] == "docs/compose.md":
        return False
    elif language in ("sh", "c"):
        raise Wrong("nothing says how this block is proved; see tools/check_docs.py")
    else:
        return False
    return True


def check(path, prefix):
    """Proves the blocks of one document; answers how many failed."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    failed, state = 0, {"prefix": prefix, "printed": None, "path": path}
    for match in BLOCK.finditer(text):
        name = f"{path}:{text.count(chr(10), 0, match.start()) + 1} {match.group(1)} {match.group(2).strip()}".strip()
        try:
            if prove(match.group(1), match.group(2).strip(), match.group(3), state):
                print(f"ok {name}")
        except Wrong as wrong:
            failed += 1
            print(f"not ok {name}\n{wrong}")
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*")
    parser.add_argument("--prefix")
    options = parser.parse_args()
    files = options.files or [path for path in ["README.md", "CONTRIBUTING.md"] if os.path.exists(path)]
    files += [] if options.files else sorted(glob.glob("docs/*.md") + glob.glob("examples/*/README.md"))
    with tempfile.TemporaryDirectory(prefix="troupe-docs-") as directory:
        failed = sum(check(path, options.prefix or directory) for path in files)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
