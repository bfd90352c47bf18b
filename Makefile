# Every target sets up what it needs; the second time that costs nothing.
PYTHON ?= python3
ARGS ?=
SECONDS ?= 3600
BIN := .venv/bin
# Tests start hundreds of short processes; where bytecode may not be kept, each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test long soak check bench evaluate docs lock

setup:
	@PYTHON=$(PYTHON) scripts/setup.sh

demo: setup
	@$(BIN)/tocsin demo $(ARGS)

check: setup
	@scripts/check.sh

test: setup
	@scripts/check.sh
	@$(BIN)/pytest -n auto --dist loadgroup -m "not long" $(ARGS)

long: setup
	@$(BIN)/pytest -n auto --dist loadgroup -m long $(ARGS)

soak: setup
	@TOCSIN_SOAK=$(SECONDS) $(BIN)/pytest -q -s -m long tests/tocsin/test_soak.py $(ARGS)

bench: setup
	@$(BIN)/tocsin bench $(ARGS)

evaluate: setup
	@$(BIN)/tocsin evaluate $(ARGS)

docs: setup
	@$(BIN)/python -m scripts.docs

lock: setup
	@scripts/lock.sh
