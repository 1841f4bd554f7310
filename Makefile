# `make` alone lists the targets. Each does its own set-up, and skips it when nothing changed.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready
PACKAGES = $(shell grep -c == requirements.lock)
export PYTHONDONTWRITEBYTECODE := # empty is unset: without bytecode every process of a test would compile 2000 modules again
export PROGRESS = /^(Collecting|Requirement already)/ && ++seen % 20 == 0 {print "  " seen " fetched"; fflush()} /^Installing/ {print "  unpacking"; fflush()}

.DEFAULT_GOAL := help
.PHONY: help setup demo picture check test test-slow fuzz e2e cluster cluster-down lint format generate lock bench benchmark clean

PARALLEL := -n auto --maxprocesses 4 --dist worksteal
SCHEDULES ?= 2000

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Create .venv from the hashed lock (about 40 s the first time)

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11 or newer, or run make PYTHON=python3.12" >&2; exit 1; }
	@echo "set-up 1/3: creating .venv" >&2 # stdout is for what `make cluster` prints for a shell to evaluate
	@$(PYTHON) -m venv .venv
	@echo "set-up 2/3: installing $(PACKAGES) packages (30 s; minutes on a slow machine or network)" >&2
	@bash -o pipefail -c '$(BIN)/python -m pip install --disable-pip-version-check --no-compile --no-deps --require-hashes -r $< | awk "$$PROGRESS"' >&2
	@echo "set-up 3/3: installing outrider itself" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## Watch the live controller scale ahead of a traffic trace (about 90 s)
	@$(BIN)/outrider demo $(DEMO)

picture: $(READY) ## Write docs/demo.svg, a still of the demo
	@$(BIN)/python -m replay.commands.still docs/demo.svg

check: $(READY) ## Check format, style, layers and types, and run the fast tests: one line each
	@.ci/part format $(BIN)/ruff format --check --quiet .
	@.ci/part style $(BIN)/ruff check --quiet .
	@.ci/part layers $(BIN)/lint-imports --no-logo
	@.ci/part types $(BIN)/mypy
	@.ci/part tests $(MAKE) --no-print-directory test

test: $(READY) ## Run the fast tests (ONLY=tests/policies: some of them)
	$(BIN)/python -m pytest $(or $(ONLY),$(PARALLEL))

test-slow: $(READY) ## Run the slow tests, and search for counter-examples with fixed seeds (minutes)
	OUTRIDER_HYPOTHESIS=thorough $(BIN)/python -m pytest $(PARALLEL) -m "(slow or hypothesis) and not realtime and not e2e"
	$(BIN)/python -m pytest -m realtime

fuzz: $(READY) ## Search for counter-examples: SCHEDULES=2000 faults in the twin, and examples of each property (ONLY=tests/twin); KILLS=30 schedules of kills on a real control plane
ifneq ($(filter tests tests/twin,$(or $(ONLY),tests)),)
	$(BIN)/python -m tests.twin --schedules $(SCHEDULES)
endif
ifeq ($(filter tests/twin tests/e2e,$(ONLY)),)
	OUTRIDER_HYPOTHESIS=explore OUTRIDER_SCHEDULES=$(SCHEDULES) $(BIN)/python -m pytest $(PARALLEL) -m hypothesis $(ONLY)
endif
ifdef KILLS
	OUTRIDER_KILLS=$(KILLS) OUTRIDER_FIRST=$(FIRST) $(BIN)/python -m pytest -m e2e -rP tests/e2e/test_kills.py
endif

e2e: $(READY) ## Run the tests on a real control plane (needs Go; the first build takes about 25 min)
	$(BIN)/python -m tests.e2e.build
	$(BIN)/python -m pytest -m e2e -rP tests/e2e $(E2E)

cluster: $(READY) ## Start a real cluster that keeps running, and print the variables for a shell to eval
	@$(BIN)/python -m tests.e2e up

cluster-down: $(READY) ## Stop that cluster
	@$(BIN)/python -m tests.e2e down

lint: $(READY) ## Check format, style, types, layers and generated files
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory generate
	@git diff --exit-code --stat -- deploy docs/reference autoscaler/scaler \
	  || { echo "generated files are out of date: run make generate and commit the changes" >&2; exit 1; }

format: $(READY) ## Format the code and fix what ruff can
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .

generate: $(READY) ## Write the generated files: CRD, RBAC, admission policies, protobuf code, reference pages
	$(BIN)/python -m autoscaler.scaler.generate
	$(BIN)/python -m crds.build
	$(BIN)/python -m autoscaler.actuators.admission_policies
	$(BIN)/python -m autoscaler.reference

COMPILE := uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-annotate
lock: $(READY) ## Write the locks from pyproject.toml: all of it, what runs, that with traces, and what builds (needs uv)
	$(COMPILE) --extra replay --extra otel --extra dev --group build --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --output-file requirements-runtime.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --extra otel --output-file requirements-otel.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --group build --output-file requirements-build.lock

bench: $(READY) ## Measure speed beside its goals, about 7 min (BENCH=--long: larger fleets and traces; BENCH=kernel: one of them)
	$(BIN)/python -m benchmarks $(BENCH)

benchmark: $(READY) ## Play Outrider and its peers on real traffic, and write docs/benchmark.md (40 min; QUICK=1: an hour's subset, 1 min)
	$(BIN)/python -m benchmarks.decisions $(if $(QUICK),--quick) $(BENCHMARK)

clean: ## Remove what the other targets created
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
