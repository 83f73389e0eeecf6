#!/usr/bin/env python3
"""Fails when a header of ours does not compile by itself, or a public one not in C++ either.

    tools/check_headers.py [BUILD_DIR]

Run it from the repository root. BUILD_DIR has the headers that the build makes. Each header stands alone in a C file; the public ones
also in C++17, through every C++ compiler that is there (g++, clang++), with warnings as errors.
"""
import concurrent.futures
import glob
import os
import shutil
import subprocess
import sys

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
OURS = ["-D_GNU_SOURCE", "-Iruntime/include", "-Iruntime", "-Iregistry", "-I.", "-Itests", "-Iexamples/bank"]
PUBLIC = "runtime/include/troupe"


def headers():
    for top in ("runtime", "registry", "daemon", "cli", "tests"):
        for directory, _, names in os.walk(top):
            yield from (os.path.join(directory, name) for name in names if name.endswith(".h"))


def library_flags():
    command = ["pkg-config", "--cflags", "libuv", "libpq", "libcjson", "libssl", "libcrypto"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def generated(build):
    """Answers -I for every folder called `generated` in a build."""
    return ["-I" + path for path in glob.glob(os.path.join(build, "**/generated"), recursive=True)]


def compile_alone(command, path):
    """Answers the compiler's complaint, or nothing."""
    source = f'#include "{os.path.abspath(path)}"\ntypedef int not_an_empty_file;\n'
    done = subprocess.run(command + ["-"], input=source, capture_output=True, text=True)
    return "" if done.returncode == 0 else f"{path} ({command[0]}):\n{done.stderr}"


def main():
    flags = WARNINGS + OURS + library_flags() + (generated(sys.argv[1]) if len(sys.argv) > 1 else [])
    paths = sorted(headers())
    jobs = [(["cc", "-std=c17", "-xc"] + flags, path) for path in paths]
    compilers = [name for name in ("g++", "clang++") if shutil.which(name)]
    for compiler in compilers:
        command = [compiler, "-std=c++17", "-xc++"] + WARNINGS + ["-Iruntime/include"]
        jobs += [(command, path) for path in paths if path.startswith(PUBLIC + "/")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = [error for error in pool.map(lambda job: compile_alone(*job), jobs) if error]
    print("\n".join(errors) or f"headers ok: {len(jobs)} compilations, C++ by {' and '.join(compilers)}")
    return 1 if errors or not compilers else 0


if __name__ == "__main__":
    sys.exit(main())
