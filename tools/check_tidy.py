#!/usr/bin/env python3
"""Fails when a file breaks a rule of the house that a machine can see.

Run from the repository root: tools/check_tidy.py. Sizes (function 70 lines, .c 600, header 200, public
header 400), banned calls, leftovers, white space, paths of one machine, SQL text built from data, and
files and tests that documents name but that are not there. There is no list of exceptions.
"""
import glob
import os
import re
import subprocess
import sys

FUNCTION_MAX, SOURCE_MAX, HEADER_MAX, PUBLIC_HEADER_MAX = 70, 600, 200, 400
C_FOLDERS = ("runtime/", "registry/", "daemon/", "cli/", "examples/", "bench/", "tests/")
LIBRARY_FOLDERS = ("runtime/", "registry/")
BANNED = ("strcpy strcat sprintf vsprintf strncpy strncat strtok atoi atol gets alloca localtime gmtime rand "
          "srand sleep usleep nanosleep system gethostbyname inet_ntoa ctime asctime")
BANNED_IN_LIBRARY = "setlocale setenv printf fprintf puts putchar perror getenv secure_getenv abort exit _exit popen"
# The places that end the process: a check that failed is a bug of ours, and a failed test must not go on.
MAY_ABORT = ("runtime/base/check.c", "runtime/kit/fail.c")
# The one place that runs a whole script: a migration, compiled in.
MAY_RUN_SCRIPTS = ("registry/pg/pg_script.c",)
LEFTOVERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(work|root|home)/")
SQL_WORDS = re.compile(r"\b((?i:SELECT\s|INSERT INTO|UPDATE\s+\w+\s+SET|DELETE FROM|CREATE (TABLE|ROLE|SCHEMA)|"
                       r"ALTER (ROLE|TABLE))|NOTIFY |LISTEN )")
DOC_PATH = re.compile(r"(?<![\w/.-])((?:runtime|registry|daemon|cli|tests|tools|examples|bench|docs|migrations|docker|"
                      r"cmake|\.ci)/[\w./-]*[\w/])")

# `test_call`: `one_test`, `another_test`
NAMED_TESTS = re.compile(r"`((?:test|prop|stress)_\w+)`: (`\w+`(?:, `\w+`)*)")
# How a test is run: a call of a C library's macro, or a case of a Python program.
RUNS = r"\b(?:\w+_TEST|cmocka_unit_test\w*)\(\s*{0}\b|^@case\(.*\)\ndef {0}\("

# The list of situations, by letter: each has a row of this document that names its test.
SCENARIOS = "tests/scenarios/README.md"
LETTERS = {"J": range(1, 4), "JL": range(1, 14), "W": range(1, 10), "L": range(1, 14), "H": range(1, 17), "M": range(1, 10),
           "R": range(1, 11), "F": range(1, 9), "S": range(1, 16), "A": range(1, 14), "N": range(1, 6), "U": range(1, 7),
           "P": [*range(1, 17), 18, *range(20, 25), "A", "B", "C", "D", "D2"]}


def tracked():
    """Files of the repository, those not committed yet included; not the inputs of fuzzers, which are any bytes."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")
    return sorted(name for name in set(names)
                  if name and os.path.isfile(name) and not name.startswith("tests/fuzz/corpus/"))


def blank(text, comments_only=False):
    """C text without comments and, unless told otherwise, without the insides of literals; lines stay."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def replace(match):
        piece = match.group(0)
        if piece[0] == "/":
            return " " + "\n" * piece.count("\n")
        return piece if comments_only else piece[0] * 2
    return re.sub(pattern, replace, text, flags=re.S)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def check_sizes(path, lines):
    if path.endswith(".h"):
        limit = PUBLIC_HEADER_MAX if path.startswith("runtime/include/") else HEADER_MAX
    else:
        limit = SOURCE_MAX
    if len(lines) > limit:
        yield f"{path}: {len(lines)} lines, {limit} at most"
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            if number - start + 1 > FUNCTION_MAX:
                yield f"{path}:{start}: a body of {number - start + 1} lines, {FUNCTION_MAX} at most"
            start = None


def check_calls(path, text):
    code = blank(text)
    banned = BANNED
    if path.startswith(LIBRARY_FOLDERS) and path not in MAY_ABORT:
        banned += " " + BANNED_IN_LIBRARY
    for match in re.finditer(r"(?<![\w.>])(" + "|".join(banned.split()) + r")\s*\(", code):
        yield f"{path}:{line_of(code, match.start())}: {match.group(1)} is banned"


def check_sql(path, text):
    """No SQL text is built from data: parameters only."""
    code = blank(text, comments_only=True)
    for match in re.finditer(r"\bPQ(?:send)?(?:exec|Query)\s*\(([^;]*?)\)\s*[;)]", code):
        if '"' not in match.group(1).split(",", 1)[-1][:3]:
            yield f"{path}:{line_of(code, match.start())}: a query whose text is no literal"
    for match in re.finditer(r"\b(?:v?snprintf|v?asprintf)\s*\(([^;]*);", code):
        if SQL_WORDS.search(match.group(1)):
            yield f"{path}:{line_of(code, match.start())}: SQL text built by printing"


def check_text(path, lines):
    makefile = os.path.basename(path) == "Makefile"
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            yield f"{path}:{number}: space at the end of the line"
        if "\t" in line and not (makefile and line.startswith("\t")):
            yield f"{path}:{number}: a tab"
        if LEFTOVERS.search(line):
            yield f"{path}:{number}: a leftover ({LEFTOVERS.search(line).group(0)})"
        if MACHINE_PATH.search(line) and path != "tools/check_tidy.py":
            yield f"{path}:{number}: a path of one machine"


def check_document(path, lines):
    """Files and folders that a document names exist."""
    for number, line in enumerate(lines, 1):
        for match in DOC_PATH.finditer(line):
            name = match.group(1)
            if line[match.end():match.end() + 1] == "*":
                continue  # stands for several files
            if not os.path.exists(name.rstrip("/")):
                yield f"{path}:{number}: names {name}, which is not there"
        for match in re.finditer(r"\]\(([^)#:]+)(?:#[^)]*)?\)", line):
            if not os.path.exists(os.path.join(os.path.dirname(path), match.group(1))):
                yield f"{path}:{number}: links to {match.group(1)}, which is not there"


def check_named_tests(path, lines):
    """Tests that a document names, after the name of their program, are there and run."""
    for number, line in enumerate(lines, 1):
        for match in NAMED_TESTS.finditer(line):
            text = ""
            for source in glob.glob(f"tests/**/{match.group(1)}.*", recursive=True):
                with open(source, encoding="utf-8") as file:
                    text += file.read()
            for name in re.findall(r"\w+", match.group(2)):
                if not re.search(RUNS.format(name), text, re.M):
                    yield f"{path}:{number}: names {name} of {match.group(1)}, which does not run"


def check_letters(path, lines):
    """Each situation of the list is in a row that names a test."""
    rows = [line.split("|") for line in lines if line.startswith("| ") and len(line.split("|")) == 5]
    found = {letter for row in rows if NAMED_TESTS.search(row[3]) for letter in row[1].split()}
    wanted = [f"{letter}{number}" for letter, numbers in LETTERS.items() for number in numbers]
    for letter in wanted:
        if letter not in found:
            yield f"{path}: no row with a test for {letter}"
    for letter in sorted(found - set(wanted)):
        yield f"{path}: {letter} is not in the list"


def check(path):
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except UnicodeDecodeError:
        return
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    elif text:
        yield f"{path}: no line break at its end"
    if path.endswith((".c", ".h")) and path.startswith(C_FOLDERS):
        yield from check_sizes(path, lines)
        yield from check_calls(path, text)
        if not path.startswith("tests/") and path not in MAY_RUN_SCRIPTS:
            yield from check_sql(path, text)
    if path.endswith(".md"):
        yield from check_document(path, lines)
        yield from check_named_tests(path, lines)
    if path == SCENARIOS:
        yield from check_letters(path, lines)
    if path.endswith((".c", ".h", ".md", ".sql", ".py", ".sh", ".txt", ".cmake", ".in")) or "Makefile" in path:
        yield from check_text(path, lines)


def main():
    paths = tracked()
    errors = [error for path in paths for error in check(path)]
    print("\n".join(errors) or f"tidy ok: {len(paths)} files")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
