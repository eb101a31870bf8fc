# `make demo` and `make test` do all their own set-up: a .venv with pip, installed once.
PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup demo test lint bench

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "gaitlab needs Python 3.11 or newer, not $$($(PYTHON) --version 2>&1); type: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
	@echo "installing into .venv (2 GB, about two minutes)"
	$(BIN)/python -m pip install -q --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib || true  # on all cores, pip uses one; some packages hold templates that do not compile
	@touch $@

demo: setup
	$(BIN)/python pipelines/cod2.py

test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	@for name in feed storage walkers startup train_step; do $(BIN)/python -m tests.benchmarks $$name || exit 1; done
