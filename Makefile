# `make run` sets everything up and runs the demo network; `make test` passes the tests. Either may be typed first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
NETWORK ?= demo
READY := $(VENV)/.ready

.PHONY: run test lint ui bench lock clean

run: $(READY)
	@test -f $(NETWORK)/network.yaml || $(BIN)/concord demo $(NETWORK)
	@$(BIN)/concord run --network $(NETWORK)

test: $(READY)
	@$(BIN)/python -m pytest -q --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

ui: $(READY)
	@$(BIN)/concord ui --network $(NETWORK)

bench: $(READY)
	@$(BIN)/python -m benchmarks.run_demo

# One environment, from the lock file; byte code is compiled and dbt's manifest parsed now, so that no run pays for it.
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Concord needs Python 3.11 ($(PYTHON) was not found); name yours: make PYTHON=..." >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what requirements.lock pins (once, about two minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m assets.warehouse.build
	@touch $@

# Needs uv (pip install uv) and a network; the lock names no host.
lock:
	uv pip compile requirements.in --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock

clean:
	rm -rf $(VENV) demo build *.egg-info dbt_project/target
