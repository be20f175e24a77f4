# `make help` lists the targets. Everything runs in .venv; nothing needs root, a cluster, Docker, Java or torch,
# except where a target says so.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := .constraints.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint $(CONSTRAINTS)
SRC := operator policies sim
export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint format generate verify train wheel clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## Run the main job: embedded cluster, operator, three jobs, a day of load in about a minute (TRACE=file.csv)
	$(BIN)/sparkiot demo $(if $(TRACE),--trace "$(TRACE)")

test: $(VENV)/.dev ## Run the tests (ARGS="-k envelope" narrows them)
	$(BIN)/python -m pytest $(ARGS)

bench: $(VENV)/.dev ## Run the benchmarks; they print ratios and assert nothing
	@for bench in tests/bench/bench_*.py; do echo "== $$bench"; PYTHONPATH=tests $(BIN)/python $$bench; done

lint: $(VENV)/.dev ## Check style, types and import rules
	$(BIN)/ruff format --check $(SRC) tests
	$(BIN)/ruff check $(SRC) tests
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format $(SRC) tests
	$(BIN)/ruff check --fix $(SRC) tests

generate: $(VENV)/.dev ## Write the generated files (CRD, reference pages)
	$(BIN)/python -m sparkiot_operator.generate

verify: $(VENV)/.dev ## Fail when a generated file is not current
	$(BIN)/python -m sparkiot_operator.generate --check

train: $(VENV)/.train ## Train the shipped policies from scratch (about 15 minutes on 2 cores)
	$(BIN)/python -m sparkiot_sim.training all

wheel: $(VENV)/.dev ## Build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## Remove everything that make created
	rm -rf $(VENV) dist .cache runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@echo "creating $(VENV)"
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip

$(VENV)/.runtime: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@echo "installing the operator and the simulator into $(VENV) (first run: about a minute)"
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "installing the development tools and the train extra into $(VENV) (first run: a few minutes)"
	$(PIP) torch
	$(PIP) --editable ".[train]" --group dev
	@touch $@

$(VENV)/.train: $(VENV)/.dev
	@touch $@
