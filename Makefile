# Everything runs in .venv, made from Python 3.11+, make and pip alone. `make demo` sets it up with what training needs;
# `make test` and `make check` add the tools and the extras.
PYTHON ?= python3
# TORCH_INDEX: an index of PyTorch builds, such as PyTorch's own of CPU builds (see README)
TORCH_INDEX ?=
BIN := .venv/bin
READY := .venv/ready
TOOLS := .venv/tools

.PHONY: demo check docs test test-slow clean

demo: $(READY)
	$(BIN)/unroll demo

check: $(TOOLS)
	$(BIN)/ruff check src tests benchmarks examples docs
	$(BIN)/ruff format --check src tests benchmarks examples docs
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation as a site, in build/site/index.html. A wrong link or anchor is an error.
docs: $(TOOLS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# Two tests at a time, each on one thread; tests that depend on the clock run alone.
TWO_AT_A_TIME = OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

test: check docs
	$(TWO_AT_A_TIME) -m "not slow and not gpu and not alone"
	$(BIN)/pytest -m "not slow and not gpu and alone"

test-slow: $(TOOLS)
	$(TWO_AT_A_TIME) -m "slow and not gpu and not alone"
	$(BIN)/pytest -m "slow and not gpu and alone"

clean:
	rm -rf .venv build

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "unrolled needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(TOOLS): $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
