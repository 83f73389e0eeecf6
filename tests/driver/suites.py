"""What `make test` consists of: builds, checks of the sources, and the tests in each build."""
import glob
import json
import os
import re
import shutil
import subprocess

from driver.schedule import Command, Job, Result, run
from driver.tally import Tally, count, count_junit

SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:check_initialization_order=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}
SHELL = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.sh", ".ci/run"]


def lines_of(words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


class Build:
    """Configures and builds one preset with its tests."""

    def __init__(self, preset):
        self.preset = preset

    def __call__(self):
        output, status = run(["cmake", "--preset", self.preset, "-DBUILD_TESTING=ON"], 120, {})
        if status == 0:
            words = ["cmake", "--build", f"build/{self.preset}", "--parallel", str(os.cpu_count())]
            output, status = run(words, 900, {})
        return Result(count(output, status), re.sub(r"^\[ *\d+%\] .*\n", "", output, flags=re.M))


class Ctest:
    """Runs the tests of one build that have (or have not) a label. A sanitizer's report anywhere, also in a
    program that a test started and whose exit status nobody looked at, is a failure."""

    def __init__(self, preset, select, jobs=1, seconds=900):
        self.preset, self.select, self.jobs, self.seconds = preset, select, jobs, seconds

    def __call__(self):
        name = "".join(letter for letter in "".join(self.select) if letter.isalpha())
        folder = os.path.abspath(f"build/{self.preset}/results-{name}")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        os.chmod(folder, 0o1777)  # programs that gave up root write their reports here too
        junit = os.path.join(folder, "junit.xml")
        words = ["ctest", "--test-dir", f"build/{self.preset}", "--no-tests=ignore", "--output-junit", junit,
                 "--test-output-size-passed", "4000000", "--test-output-size-failed", "4000000",
                 "-j", str(self.jobs)] + self.select
        environment = {"ASAN_OPTIONS": "", "UBSAN_OPTIONS": "", "TSAN_OPTIONS": ""}
        if self.preset in ("asan", "tsan"):
            environment = {name: f"{options}:log_path={folder}/report" for name, options in SANITIZER_ENVIRONMENT.items()}
            words = without_random_addresses(self.preset) + words
        output, status = run(words, self.seconds, environment)
        if not os.path.exists(junit):
            return Result(Tally(failed=1), output)
        tally, shown = count_junit(junit)
        if (status != 0 or tally == Tally()) and not tally.failed:
            tally.failed, shown = 1, output or "no test has such a label"
        for report in sorted(glob.glob(f"{folder}/report.*")):
            with open(report, encoding="utf-8", errors="replace") as file:
                shown += f"\n--- a sanitizer's report\n{file.read()}"
            tally.failed = max(tally.failed, 1)
        return Result(tally, shown)


def without_random_addresses(preset):
    """Some kernels place programs at addresses that gcc 12's ThreadSanitizer cannot work with: it then says
    `unexpected memory mapping` and ends. There, tests run with fixed addresses."""
    if preset != "tsan":
        return []
    probe = os.path.abspath("build/tsan/probe")
    subprocess.run(["cc", "-fsanitize=thread", "-xc", "-", "-o", probe], input=b"int main(void) { return 0; }", check=True)
    for prefix in ([], ["setarch", "-R"]):
        if all(subprocess.run(prefix + [probe], stderr=subprocess.DEVNULL).returncode == 0 for _ in range(10)):
            return prefix
    raise RuntimeError("ThreadSanitizer does not run here, with or without random addresses")


class Format:
    """clang-format of the pinned version over every C file of ours; others format differently."""

    def __call__(self):
        tool = next((name for name in ("clang-format-14", "clang-format") if shutil.which(name)), None)
        version = " ".join(lines_of([tool, "--version"])) if tool else "none"
        if " 14." not in version:
            return Result(Tally(skipped=1), f"clang-format 14 is not here ({version})")
        files = lines_of(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.c", "*.h"])
        files = [name for name in files if os.path.exists(name)]
        output, status = run([tool, "--dry-run", "-Werror"] + files, 120, {})
        lines = re.findall(r"^([^:\n]+:\d+):\d+: error", output, re.M)
        return Result(count(output, status), "not as clang-format wants it (make format):\n" + "\n".join(lines))


class Shellcheck:
    def __call__(self):
        return Command(["shellcheck"] + [name for name in lines_of(SHELL) if os.path.exists(name)])()


class Cppcheck:
    """cppcheck over what is no test: tests are left to the compilers and the sanitizers. What is suppressed is wrong here:
    it trips over compound literals in ?:, and takes arrays that a call fills for uninitialized."""

    def __init__(self, build):
        self.build = build

    def __call__(self):
        folder = os.path.abspath("build/cppcheck")
        os.makedirs(folder, exist_ok=True)
        with open(f"{self.build}/compile_commands.json", encoding="utf-8") as file:
            entries = json.load(file)
        outside = tuple(os.path.abspath(name) + "/" for name in ("tests", "build"))
        with open(f"{folder}/compile_commands.json", "w", encoding="utf-8") as file:
            json.dump([entry for entry in entries if not entry["file"].startswith(outside)], file)
        words = ["cppcheck", "--quiet", f"--project={folder}/compile_commands.json", f"--cppcheck-build-dir={folder}",
                 "--enable=warning,performance,portability", "--inline-suppr", "--error-exitcode=1", "--std=c11"]
        return Command(words + [f"--suppress={name}" for name in (
            "missingIncludeSystem", "internalAstError", "ctuuninitvar", "legacyUninitvar")])()


UNITS = ["-L", "^(unit|prop)$"]
UNITS_AND_STRESS = ["-L", "^(unit|prop|stress)$"]
SCENARIO = ["-L", "^scenario$"]
SQL = ["-L", "^sql$"]
OTHERS = ["-LE", "^(unit|prop|sql)$"]


def lint(build):
    """Checks of the sources; they go by the compile commands of one build."""
    after = (f"build.{build}",)
    return [
        Job("lint.layers", Command(["tools/check_layers.py"])),
        Job("lint.tidy", Command(["tools/check_tidy.py"])),
        Job("lint.format", Format()),
        Job("lint.shell", Shellcheck()),
        Job("lint.headers", Command(["tools/check_headers.py", f"build/{build}"]), after),
        Job("lint.cppcheck", Cppcheck(f"build/{build}"), after),
        Job("lint.clang-tidy", Command(["tools/check_clang_tidy.py", f"build/{build}", "--jobs", "1"], 900), after),
    ]


def full():
    """Everything: builds first, then the long lint in one lane and the rest beside it. What comes from the network comes
    while the compilers work; the containers have the other lane before the suites that look at times."""
    builds = [Job(f"build.{preset}", Build(preset), cost=2, build=True) for preset in ("release", "asan", "tsan")]
    release, asan, tsan = ((job.name,) for job in builds)
    linted = lint("asan")
    fetched = Job("compose.base", Command(["tests/compose/run", "--prepare"], 900), cost=0, build=True)
    unit = Job("unit", Ctest("release", UNITS, jobs=2), release, cost=2)
    return [fetched, builds[0], unit] + builds[1:] + linted[-1:] + [
        Job("compose", Command(["tests/compose/run"], 1800), (fetched.name,)),
        Job("sql", Ctest("release", SQL, jobs=4), release),
        Job("others", Ctest("release", OTHERS, jobs=3, seconds=1500), release),
        Job("unit.asan", Ctest("asan", UNITS), asan),
        Job("unit.tsan", Ctest("tsan", UNITS_AND_STRESS), tsan),
        Job("scenario.asan", Ctest("asan", SCENARIO), asan),
        Job("scenario.tsan", Ctest("tsan", SCENARIO), tsan),
        Job("model", Command(["build/release/bin/model_local", "100000"]), release),
        Job("model.supervision", Command(["build/release/bin/model_supervision", "20000"]), release),
        Job("fuzz", Command(["tests/fuzz/run"], 1200), release),
        Job("sim", Command(["build/release/bin/simulate", "2000"], 600), release),
        Job("spin", Command(["tests/spin/run"], 300)),
        Job("bugs", Command(["tests/bugs/run", "build/release"]), release),
        Job("tools", Command(["tests/tools/test_checks.py"])),
        Job("scenarios", Command(["tests/scenarios/distributed/run", "build/release"]), release),
        Job("chaos", Command(["tests/chaos/run", "build/release"]), release),
        Job("soak", Command(["tests/soak/run", "build/release", "--seconds", "10"]), release),
        Job("package", Command(["tests/package/run.sh"]), release),
        Job("docs", Command(["tools/check_docs.py"]), release),
    ] + linted[:-1]


def quick():
    """What a change should pass before it is committed, in seconds."""
    jobs = [Job("build.dev", Build("dev"), cost=2, build=True), Job("unit", Ctest("dev", UNITS, jobs=2), ("build.dev",), cost=2)]
    jobs += [job for job in lint("dev") if job.name not in ("lint.cppcheck", "lint.clang-tidy")]
    changed = Command(["tools/check_clang_tidy.py", "build/dev", "--changed"])
    return jobs + [Job("lint.clang-tidy", changed, ("build.dev",), cost=2)]
