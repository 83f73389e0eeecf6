# The commands of this repository; `make help` lists them. What they do stands in CMakeLists.txt, tests/run and tools/.
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
BUILD := build/release
# The version that the format check asks for; others format differently.
CLANG_FORMAT := $(or $(shell command -v clang-format-14),clang-format)

.PHONY: all programs demo test quick lint format fuzz chaos soak bench install clean help
.DEFAULT_GOAL := all

all: ## build the library and the programs into build/release (programs in build/release/bin)
	@tools/install_dependencies.sh run
	@$(MAKE) --no-print-directory programs

programs:
	@tools/build.sh release $(JOBS)

demo: all ## three nodes, one private PostgreSQL, kill -9, nothing lost
	@examples/bank/demo.sh

test: ## install what is missing, build everything, pass every test
	@tools/install_dependencies.sh test
	@tests/run

quick: ## the tests that take seconds: unit and property tests of one build, lint of changed files
	@tools/install_dependencies.sh test
	@tests/run --quick

chaos: ## the long form of the tests in network namespaces: every cut of five nodes, 500 broken connections (root)
	@tools/install_dependencies.sh test
	@cmake --preset release -DBUILD_TESTING=ON >/dev/null
	@cmake --build $(BUILD) --parallel $(JOBS) --target trouped troupe_cli puppet delay >/dev/null
	@tests/chaos/run $(BUILD) --long

soak: ## a long campaign of four nodes under mixed load, with kills: SOAK_SECONDS of it (default 1800) (root)
	@tools/install_dependencies.sh test
	@cmake --preset release -DBUILD_TESTING=ON >/dev/null
	@cmake --build $(BUILD) --parallel $(JOBS) --target trouped troupe_cli puppet bank >/dev/null
	@tests/soak/run $(BUILD)

lint: ## layers, style rules, formatting, clang-tidy, cppcheck, shellcheck, documents
	@tools/install_dependencies.sh test
	@tests/run --only '^lint\.'

format: ## reformat our C files
	@git ls-files --cached --others --exclude-standard '*.c' '*.h' | xargs $(CLANG_FORMAT) -i

fuzz: ## any bytes as what comes from others: FUZZ_SECONDS for each target (default 60)
	@tools/install_dependencies.sh test
	@tests/fuzz/run --seconds $(or $(FUZZ_SECONDS),60)

bench: ## measure Troupe beside Erlang/OTP, CAF, ZeroMQ and bare C, alternating, with ratios
	@tools/install_dependencies.sh bench
	@$(MAKE) --no-print-directory programs
	@bench/run

install: programs ## install below PREFIX (default /usr/local): headers, libraries, programs, examples
	@cmake --install $(BUILD) --prefix "$(PREFIX)" >/dev/null
	@echo "installed below $(PREFIX)"

clean: ## remove everything that was built
	@rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
