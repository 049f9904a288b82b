# What a developer types. Needs make and a Python >= 3.11; everything else goes into .venv, in this tree.
# The first run makes .venv (about half a minute); it is made up to date again when pyproject.toml changes.

PYTHON ?= python3
ARGS ?=
MINUTES ?= 30

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Stamps: what has been installed into .venv, and when. The demo needs less than the tests do.
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint format simulate bench bench-quick bench-pages bench-growth profile guard soak clean

help: ## this list
	@echo "make TARGET [PYTHON=python3.13] [ARGS='...']"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## a cluster and a producer in one process, and what happens inside
	@$(BIN)/python -m aioproducer demo $(ARGS)

# What of the tests has to do with a loop; where ARGS name tests, they are run on asyncio's alone.
ON_UVLOOP := $(if $(ARGS),,tests/contract tests/producer tests/network tests/telemetry)

# Three at a time: the tests that start a real Kafka wait for it more than they compute, and mypy fits beside. What ran in
# the background is printed when it has ended. pytest's 5 means that ARGS left it no test of its kind.
test: $(READY_DEV) ## every check: ruff, mypy --strict, pytest (ARGS go to pytest); ends non-zero if one fails
	@failed=; reports=$$(mktemp -d); mypy=; kafka=; \
	trap 'rm -rf "$$reports"; for each in $$mypy $$kafka; do kill "$$each" 2>/dev/null; done' EXIT; \
	trap 'exit 130' INT TERM; \
	$(BIN)/python -m pytest -p no:cacheprovider -m kafka $(ARGS) >"$$reports/kafka" 2>&1 & kafka=$$!; \
	$(BIN)/mypy >"$$reports/mypy" 2>&1 & mypy=$$!; \
	echo "== ruff"; \
	$(BIN)/ruff check . || failed="$$failed ruff-check"; \
	$(BIN)/ruff format --check . || failed="$$failed ruff-format"; \
	echo "== pytest"; \
	$(BIN)/python -m pytest -m 'not kafka' $(ARGS) || test $$? = 5 || failed="$$failed pytest"; \
	echo "== pytest, on uvloop"; \
	test -z "$(ON_UVLOOP)" || $(BIN)/python -m pytest -m 'not kafka' --loop uvloop $(ON_UVLOOP) || failed="$$failed pytest-uvloop"; \
	echo "== mypy"; \
	wait "$$mypy" || failed="$$failed mypy"; mypy=; cat "$$reports/mypy"; \
	echo "== pytest, on a real Kafka"; \
	wait "$$kafka" || test $$? = 5 || failed="$$failed pytest-kafka"; kafka=; cat "$$reports/kafka"; \
	if test -n "$$failed"; then echo "make test: FAILED:$$failed"; exit 1; fi; \
	echo "make test: everything passed"

lint: $(READY_DEV) ## ruff and mypy, nothing is changed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY_DEV) ## put the sources into shape
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

simulate: $(READY_DEV) ## the producer under drawn faults in virtual time: SEEDS=100000 [FIRST=0] plays many, SEED=123 tells of one
	@PYTHONASYNCIODEBUG= $(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),$(if $(SEEDS),--seeds $(SEEDS)) $(if $(FIRST),--first $(FIRST))) $(ARGS)

bench: $(READY_DEV) ## this producer beside its peers in some five minutes, on a real Kafka and on a mock; result in benchmarks/results
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(READY_DEV) ## the main figures of it in about a minute, nothing kept
	@$(BIN)/python -m benchmarks --quick $(ARGS)

bench-pages: $(READY_DEV) ## docs/performance.md, docs/growth.md and their charts, from the newest results that are kept
	@$(BIN)/python -m benchmarks.pages $(ARGS)

bench-growth: $(READY_DEV) ## what grows with topics and partitions, beside aiokafka; result in benchmarks/results
	@$(BIN)/python -m benchmarks.growth $(ARGS)

profile: $(READY_DEV) ## where the time of a record goes: microseconds per stage, ARGS='--shape tasks-100' of another load
	@$(BIN)/python -m benchmarks.profile $(ARGS)

guard: $(READY_DEV) ## only the test that fails if a record costs over twice what it costs aiokafka
	@$(BIN)/python -m pytest tests/benchmarks/test_guard.py $(ARGS)

soak: $(READY_DEV) ## sends to real brokers that die, freeze and come back, for MINUTES; non-zero if a promise is broken
	@$(BIN)/python -m tests.kafka.soak --minutes $(MINUTES) $(ARGS)

clean: ## remove .venv and everything that was generated
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("$(PYTHON) is Python %d.%d; 3.11 or newer is needed: make PYTHON=python3.13" % sys.version_info[:2])'
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# Dependency groups are known to pip from 25.1 on; the one that came with Python is older more often than not.
$(READY): pyproject.toml | $(BIN)/python
	@echo "installing this package, from this tree, into $(VENV)"
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --editable .
	@touch $@

$(READY_DEV): $(READY)
	@echo "installing what the tests, linters and benchmarks need into $(VENV)"
	@$(PIP) install --group dev
	@touch $@
