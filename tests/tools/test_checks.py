#!/usr/bin/env python3
"""The checks notice what they are there for: each test plants one mistake in a small tree and runs the tool."""
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(TOP, "tests"))
sys.dont_write_bytecode = True

from driver.schedule import Command, Job, Result, Schedule, run  # noqa: E402 the path has to be set first
from driver.tally import Tally, count  # noqa: E402


def alive(pid):
    """Whether the process runs; one that was killed may stay in the table as a zombie until its parent looks."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Tree(unittest.TestCase):
    """A git repository in a temporary folder, with the given files."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = folder.name
        subprocess.run(["git", "init", "-q", self.top], check=True)

    def write(self, path, text):
        path = os.path.join(self.top, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def tool(self, name, *words):
        done = subprocess.run([os.path.join(TOP, "tools", name), *words], cwd=self.top, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def assert_refused(self, tool, words):
        status, output = self.tool(tool)
        self.assertEqual(status, 1, output)
        self.assertIn(words, output)

    def assert_accepted(self, tool):
        status, output = self.tool(tool)
        self.assertEqual(status, 0, output)


class Tidy(Tree):
    def refused(self, text, words, path="runtime/core/a.c"):
        self.write(path, text)
        self.assert_refused("check_tidy.py", words)

    def test_a_clean_file_is_accepted(self):
        self.write("runtime/core/a.c", 'int a(void)\n{\n    return troupe_exit("system(sleep) /* strcpy */");\n}\n')
        self.assert_accepted("check_tidy.py")

    def test_a_function_of_71_lines_is_refused(self):
        self.refused("int a(void)\n{\n" + "    a();\n" * 69 + "}\n", "71 lines")

    def test_a_function_of_70_lines_is_accepted(self):
        self.write("runtime/core/a.c", "int a(void)\n{\n" + "    a();\n" * 68 + "}\n")
        self.assert_accepted("check_tidy.py")

    def test_a_long_source_is_refused(self):
        self.refused("int a;\n" * 601, "601 lines")

    def test_a_long_header_is_refused(self):
        self.refused("int a;\n" * 201, "201 lines", "runtime/core/a.h")

    def test_a_public_header_may_be_longer(self):
        self.write("runtime/include/troupe/a.h", "int a;\n" * 400)
        self.assert_accepted("check_tidy.py")

    def test_a_banned_call_is_refused(self):
        self.refused("int a = sprintf(b, c);\n", "sprintf is banned")

    def test_a_sleep_in_a_test_is_refused(self):
        self.refused("int a = sleep(1);\n", "sleep is banned", "tests/unit/test_a.c")

    def test_printing_in_the_library_is_refused(self):
        self.refused('int a = printf("b");\n', "printf is banned")

    def test_a_leftover_is_refused(self):
        self.refused("/* TO" "DO: later */\n", "a leftover")

    def test_a_tab_and_a_space_at_the_end_are_refused(self):
        self.refused("int a; \n", "space at the end")
        self.refused("\tint a;\n", "a tab")

    def test_a_path_of_one_machine_is_refused(self):
        self.refused("/* see /wo" "rk/notes */\n", "a path of one machine")

    def test_a_query_that_is_no_literal_is_refused(self):
        self.refused("int a = PQexec(c, text);\n", "no literal", "registry/pg/a.c")

    def test_sql_built_by_printing_is_refused(self):
        self.refused('int a = snprintf(b, n, "select %s", name);\n', "built by printing", "registry/pg/a.c")

    def test_a_document_that_names_a_missing_test_is_refused(self):
        self.write("tests/unit/test_a.c", "    cmocka_unit_test(it_holds),\n    A_TEST(\n        it_holds_too),\n/* it_ran */\n")
        self.write("README.md", "| a | `test_a`: `it_holds`, `it_holds_too` |\n")
        self.assert_accepted("check_tidy.py")
        self.refused("| a | `test_a`: `it_holds`, `it_ran` |\n", "names it_ran", "README.md")
        self.refused("| a | `test_b`: `it_holds` |\n", "names it_holds of test_b", "README.md")

    def test_a_document_that_names_a_missing_case_of_a_program_is_refused(self):
        self.write("tests/a/b/test_c.py", '@case("it holds")\ndef it_holds(world):\n    pass\n\n\ndef helps(world):\n    pass\n')
        self.write("README.md", "| a | `test_c`: `it_holds` |\n")
        self.assert_accepted("check_tidy.py")
        self.refused("| a | `test_c`: `helps` |\n", "names helps of test_c", "README.md")

    def test_a_situation_without_a_test_is_refused(self):
        with open(f"{TOP}/tests/scenarios/README.md", encoding="utf-8") as file:
            text = file.read()
        for old, new, says in (("| S9 |", "| |", "no row with a test for S9"), ("`test_links`: `a_normal_end`", "nobody", "test for L3"),
                               ("| S9 |", "| S9 S99 |", "S99 is not in the list")):
            self.assertEqual(text.count(old), 1)
            self.refused(text.replace(old, new), says, "tests/scenarios/README.md")

    def test_a_document_that_names_a_missing_file_is_refused(self):
        self.refused("Read `runtime/core/none.c`.\n", "which is not there", "docs/a.md")


class Layers(Tree):
    def setUp(self):
        super().setUp()
        self.write("runtime/base/b.h", "int b;\n")
        self.write("runtime/core/c.h", '#include "base/b.h"\n')

    def test_an_include_downwards_is_accepted(self):
        self.assert_accepted("check_layers.py")

    def test_an_include_upwards_is_refused(self):
        self.write("runtime/base/a.h", '#include "core/c.h"\n')
        self.assert_refused("check_layers.py", "is not below")

    def test_a_cycle_is_refused(self):
        self.write("runtime/base/a.h", '#include "base/z.h"\n')
        self.write("runtime/base/z.h", '#include "base/a.h"\n')
        self.assert_refused("check_layers.py", "include cycle")

    def test_a_library_outside_its_fence_is_refused(self):
        for header in ("uv.h", "libpq-fe.h", "pthread.h", "stdatomic.h", "openssl/evp.h", "cjson/cJSON.h"):
            self.write("runtime/core/a.h", f"#include <{header}>\n")
            self.assert_refused("check_layers.py", "belongs to")


class Docs(Tree):
    def refused(self, text, words):
        self.write("README.md", text)
        self.assert_refused("check_docs.py", words)

    def test_blocks_that_hold_are_accepted(self):
        self.write("a.c", "int a;\n")
        self.write("README.md", "```c file=a.c\nint a;\n```\n```sh run\necho b; echo c\n```\n```text output\n...\nc\n```\n")
        self.assert_accepted("check_docs.py")

    def test_a_block_without_a_proof_is_refused(self):
        self.refused("```sh\nmake a\n```\n", "nothing says how")

    def test_code_that_does_not_compile_is_refused(self):
        self.refused("```c\nint a(void) { return b; }\n```\n", "undeclared")

    def test_a_command_that_fails_is_refused(self):
        self.refused("```sh run\nfalse\ntrue\n```\n", "ended with 1")

    def test_another_output_is_refused(self):
        self.refused("```sh run\necho a\n```\n```text output\nb\n```\n", "expected")

    def test_code_that_left_its_file_is_refused(self):
        self.write("a.c", "int a;\n")
        self.refused("```c file=a.c\nint b;\n```\n", "not in a.c")

    def test_the_mark_of_the_compose_tests_counts_only_in_the_file_that_they_run(self):
        self.refused("```sh compose\ntrue\n```\n", "nothing says how this block is proved")


class Commands(unittest.TestCase):
    """What the commands of the README come to. Demo and tests themselves are run by suites of their own."""
    MEANING = {
        "make": ["tools/install_dependencies.sh run", "tools/build.sh release"],
        "make demo": ["tools/install_dependencies.sh run", "tools/build.sh release", "examples/bank/demo.sh"],
        "make test": ["tools/install_dependencies.sh test", "tests/run"],
        "make bench": ["tools/install_dependencies.sh bench", "tools/build.sh release", "bench/run"],
        "make install PREFIX=/p": ["tools/build.sh release", 'cmake --install build/release --prefix "/p"'],
    }

    def test_each_command_does_what_it_says_in_that_order(self):
        for command, steps in self.MEANING.items():
            words = command.split()
            done = subprocess.run(words + ["-n"], cwd=TOP, capture_output=True, text=True, check=True)
            places = [done.stdout.find(step) for step in steps]
            self.assertEqual(places, sorted(places), f"{command}: {done.stdout}")
            self.assertNotIn(-1, places, f"{command}: {done.stdout}")


class Images(unittest.TestCase):
    """What stands in two places about the images, because no place can read the other."""
    def read(self, path):
        with open(os.path.join(TOP, path), encoding="utf-8") as file:
            return file.read()

    def test_they_have_the_version_of_the_project(self):
        version = re.search(r"project\(troupe VERSION (\S+)", self.read("CMakeLists.txt")).group(1)
        dockerfile, compose = self.read("docker/Dockerfile"), self.read("docker-compose.yml")
        self.assertIn(f'org.opencontainers.image.version="{version}"', dockerfile)
        for image in (f"troupe:{version}", f"troupe:{version}-demo", f"troupe:{version}-sdk"):
            self.assertIn(image, dockerfile)
        self.assertIn(f":-troupe:{version}}}", compose)
        self.assertIn(f":-troupe:{version}-demo}}", compose)
        self.assertIn(f"FROM troupe:{version}\n", self.read("examples/module/Dockerfile"))

    def test_the_user_of_the_image_owns_the_secrets_and_the_memory(self):
        user = re.search(r"^USER (\d+):", self.read("docker/Dockerfile"), re.M).group(1)
        self.assertIn(f"node_uid={user} ", self.read("docker/secrets.sh"))
        self.assertEqual(set(re.findall(r"uid=(\d+),gid=(\d+)", self.read("docker-compose.yml"))), {(user, user)})

    def test_every_folder_that_cmake_reads_is_sent_to_the_builder(self):
        sent = set(re.findall(r"^!(.*)", self.read(".dockerignore"), re.M))
        needed = set(re.findall(r"^add_subdirectory\((\w+)", self.read("CMakeLists.txt"), re.M)) - {"tests"}
        self.assertLessEqual(needed | {"migrations", "tools", "CMakeLists.txt"}, sent)


class Driver(unittest.TestCase):
    CMOCKA = "[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\n[  FAILED  ] b\n[ RUN      ] c\n[  SKIPPED ] c\n[ RUN      ] d\n"

    def schedule(self, jobs, processors=2):
        schedule = Schedule(jobs, processors)
        schedule.finish = lambda job, result, seconds: schedule.results.__setitem__(job.name, result)
        schedule.run()
        return schedule.results

    def test_a_cmocka_case_that_never_ended_counts_as_failed(self):
        self.assertEqual(count(self.CMOCKA, 1), Tally(1, 2, 1))

    def test_a_program_that_crashes_after_its_cases_counts_as_failed(self):
        self.assertEqual(count("[ RUN      ] a\n[       OK ] a\n", -11), Tally(1, 1, 0))

    def test_tap_unittest_and_closing_lines_are_counted(self):
        self.assertEqual(count("ok a\nnot ok b\nok c # SKIP no\n", 1), Tally(1, 1, 1))
        self.assertEqual(count("Ran 5 tests in 1 s\n\nFAILED (failures=1, errors=1, skipped=1)\n", 1), Tally(2, 2, 1))
        self.assertEqual(count("a\n3 passed, 1 failed, 0 skipped\n", 1), Tally(3, 1, 0))

    def test_a_program_without_cases_is_the_case(self):
        self.assertEqual((count("", 0), count("", 1)), (Tally(1), Tally(0, 1)))

    def test_a_command_that_takes_too_long_is_killed_and_failed(self):
        result = Command(["sh", "-c", "tail -f /dev/null"], seconds=1)()
        self.assertEqual(result.tally, Tally(0, 1))
        self.assertIn("still running", result.output)

    def test_what_a_command_left_running_is_killed(self):
        output, status = run(["sh", "-c", "tail -f /dev/null & echo $!"], 10, {})
        self.assertEqual(status, 0)
        deadline = time.monotonic() + 10
        while alive(int(output)):
            self.assertLess(time.monotonic(), deadline)
            os.sched_yield()

    def test_jobs_after_a_failed_one_fail_without_running(self):
        ran = []
        jobs = [Job("a", lambda: Result(Tally(failed=1))), Job("b", lambda: ran.append(1) or Result(Tally(1)), ("a",))]
        self.assertEqual(self.schedule(jobs)["b"].tally, Tally(failed=1))
        self.assertEqual(ran, [])

    def test_a_job_that_raises_is_a_failure(self):
        self.assertEqual(self.schedule([Job("a", lambda: 1 // 0)])["a"].tally, Tally(failed=1))

    def test_more_processors_than_there_are_are_never_used(self):
        schedule = Schedule([], 2)
        seen = []
        work = lambda: seen.append(schedule.free) or Result(Tally(1))  # noqa: E731
        schedule.waiting = [Job(name, work, cost=cost) for name, cost in (("a", 2), ("b", 1), ("c", 9), ("d", 1))]
        schedule.finish = lambda job, result, seconds: schedule.results.__setitem__(job.name, result)
        schedule.run()
        self.assertEqual(len(seen), 4)
        self.assertGreaterEqual(min(seen), 0)


if __name__ == "__main__":
    unittest.main()
