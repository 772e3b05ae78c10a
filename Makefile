# One command for each thing one does with this repository; `make` lists them.
SHELL := /bin/bash
PREFIX ?= /usr/local
LANE ?= fast
AREA ?=
PIPELINE ?= examples/digits/pipeline.yaml
# The project's Python (with scikit-learn, matplotlib, onnx beside Debian's torch) comes first.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup build run test bench bench-report lint format fuzz install deb wheel clean

help: ## Lists these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Installs what building and testing needs (apt, .venv, node); nothing twice
	@tools/setup.sh

build: setup ## Builds the program (release)
	@tools/build.sh release program

run: build ## Runs the main job; PIPELINE=file.yaml runs another
	@build/release/bin/regatta run $(PIPELINE)

test: ## Builds and runs every test; LANE=asan|tsan|crash|… (docs/ci.md) runs a heavy lane
	@tools/lane.sh $(LANE)

bench: setup ## Measures us beside the peers; AREA=flow|server|eccl for one area, QUICK=1 to smoke-test
	@tools/build.sh release program
	@.venv/bin/python -m bench.harness run $(AREA)

bench-report: setup ## Renders docs/benchmarks.md from bench/results
	@.venv/bin/python -m bench.harness report

lint: setup ## Checks format and style; clang-tidy on what changed since LINT_BASE
	@tools/lint.sh

format: setup ## Formats C++ and Python sources in place
	@git ls-files --cached --others --exclude-standard -- '*.cc' '*.h' '*.c' | xargs -r clang-format-19 -i
	@ruff check --quiet --fix --exit-zero . && ruff format --quiet .

fuzz: ## Builds the fuzzers (clang) and runs each for FUZZ_SECONDS (60)
	@tools/lane.sh fuzz

install: build ## Installs under PREFIX (/usr/local); DESTDIR is honoured
	@cmake --install build/release --prefix $(PREFIX) >/dev/null && echo "install: done, under $(DESTDIR)$(PREFIX)"

deb: build ## Makes a Debian package in dist/
	@tools/package.sh deb

wheel: setup ## Makes a Python wheel in dist/
	@tools/package.sh wheel

clean: ## Removes what was built; keeps .venv and the caches
	@rm -rf build dist
