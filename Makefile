# Each target works where there is only Python 3.11+ and make: it makes its own virtual environment, .venv, and needs
# no database. Another Python: make PYTHON=python3.13 test. More for pytest: make PYTEST_ARGS='-k lineage' test
SHELL := /bin/sh
BIN := .venv/bin
INSTALL := $(BIN)/python scripts/install.py
PYTEST := $(BIN)/python -m pytest --quiet
# Each worker has a server of its own.
WORKERS ?= 2

export PYTHON
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help demo test test-unit test-slow bench lint clean

help:
	@echo "make demo       the whole migration on a private Postgres, step by step"
	@echo "make test       the tests (5 to 6 minutes on 2 processors)"
	@echo "make test-unit  those that need no server (within a minute)"
	@echo "make test-slow  the tests that run for minutes"
	@echo "make bench      the benchmark"
	@echo "make lint       ruff, mypy, import contracts"
	@echo "make clean      remove .venv and the caches"

demo: .venv/demo.stamp
	@$(BIN)/llamactl demo

# Sharing the processors is no loss, but for the tests that compare times.
test: .venv/dev.stamp
	@memory=$$(sh scripts/memory_dir.sh); TMPDIR=$${memory:-/tmp} \
	$(PYTEST) -m 'not slow' --numprocesses $(WORKERS) --dist worksteal $(PYTEST_ARGS)

test-unit: .venv/dev.stamp
	@$(PYTEST) -m 'not slow' --numprocesses $(WORKERS) --dist worksteal $(PYTEST_ARGS) tests/unit

test-slow: .venv/dev.stamp
	@failed=0; \
	$(PYTEST) -m 'slow and timed' $(PYTEST_ARGS) || failed=$$?; \
	memory=$$(sh scripts/memory_dir.sh); TMPDIR=$${memory:-/tmp} \
	$(PYTEST) -m 'slow and not timed' --numprocesses $(WORKERS) --dist worksteal $(PYTEST_ARGS) || failed=$$?; \
	exit $$failed

bench: .venv/dev.stamp
	@$(BIN)/python benchmarks/bench.py $(BENCH_ARGS)

lint: .venv/dev.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

clean:
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist \
		llamactl-demo.html

.venv/venv.stamp:
	@echo "Creating the virtual environment .venv"
	@sh scripts/make_venv.sh .venv
	@touch $@

.venv/demo.stamp: .venv/venv.stamp pyproject.toml
	@echo "Installing llamactl and a private Postgres into .venv"
	@$(INSTALL) --editable '.[demo]'
	@touch $@

.venv/dev.stamp: .venv/venv.stamp pyproject.toml
	@echo "Installing llamactl, a private Postgres and the development tools into .venv"
	@$(INSTALL) --editable '.[demo,dev]'
	@touch $@ .venv/demo.stamp
