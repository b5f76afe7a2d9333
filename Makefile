# `make help` says what there is. Everything runs in a virtual environment of its own, made with plain venv and pip.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
DATA ?= data
DATA_BUILDER ?= ../shared/datasets/build
KILLS ?= 50
COUNT ?= 20
SEED ?= 0
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# One thread a process: two test processes share the machine, and sums keep one order.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
# Tests start hundreds of processes: each would compile all of the source anew where nothing may be kept of it.
export PYTHONDONTWRITEBYTECODE :=
# Tests on the full datasets run where `make data` has put them, and are skipped with a reason elsewhere.
export HYPERADAM_TEST_DATA ?= $(if $(wildcard $(DATA)/MNIST/raw),$(abspath $(DATA)))

.PHONY: help
help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP)  ## Make the virtual environment (every other target does it when needed).

# torch goes first and alone, by its exact version: that takes the CPU build where the package index offers one.
# What requirements.lock has a digest of is installed by it, the rest by version.
$(STAMP): pyproject.toml client/pyproject.toml constraints.txt requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ./client -e '.[dev,docs]'
	touch $@

.PHONY: demo
demo: $(STAMP)  ## Meta-train, pull and evaluate a small optimizer on a service of its own: the whole path.
	$(BIN)/python -m examples.demo

# A file keeps to one process, which makes its servers and clusters once. What kills, or waits for what kills do, is alone.
.PHONY: test
test: test-fast  ## Run all tests, the quick ones first.
	$(PYTEST) -m 'slow and not alone' -n 2 --dist loadfile --no-loadscope-reorder --durations 10
	$(PYTEST) -m 'slow and alone' --durations 10

.PHONY: test-fast
test-fast: $(STAMP)  ## Run the quick tests, under a minute.
	$(PYTEST) -m 'not slow' -n 2 --dist loadfile --durations 5

# Their libraries are large and tied to each other's versions: they have an environment of their own.
INTEGRATIONS := build/integrations
.PHONY: test-integrations
test-integrations:  ## Run recipes and callbacks with the real Lightning, Transformers and Accelerate.
	test -x $(INTEGRATIONS)/bin/python || $(PYTHON) -m venv $(INTEGRATIONS)
	$(INTEGRATIONS)/bin/python -m pip install --quiet "$$(grep '^torch==' constraints.txt)"
	$(INTEGRATIONS)/bin/python -m pip install --quiet -e 'client[hub,test]' pytest-xdist -r tests/integrations/requirements.txt
	OMP_NUM_THREADS=1 $(INTEGRATIONS)/bin/python -m pytest tests/integrations

# Figures that stand somewhere: made again from their data, and a sample of their runs made again from Θ.
REPRODUCTION := docs/reproduction
CLAIMING := README.md docs/model-card.md $(REPRODUCTION)/README.md
REPORTS := $(patsubst %/results.json,%,$(wildcard $(REPRODUCTION)/*/results.json))
RACE := table1-v9+table1-v4 sigmoid
REPORTING := $(BIN)/python -m meta_trainer.evaluation.reporting

.PHONY: claims
claims: $(STAMP)  ## Recompute README's tables and every report from their data, and a sample of the runs (make data first).
	$(REPORTING) rebuild --check --page README.md $(REPORTS)
	$(REPORTING) fill --check --results $(REPRODUCTION) $(CLAIMING)
	OMP_NUM_THREADS=1 $(BIN)/python -m meta_trainer.evaluation repeat $(REPRODUCTION) $(if $(HYPERADAM_TEST_DATA),--data-dir $(HYPERADAM_TEST_DATA))

.PHONY: pages
pages: $(STAMP)  ## Write README's tables and every report's page and pictures anew from their data.
	$(REPORTING) rebuild --page README.md $(REPORTS)
	$(REPORTING) fill --results $(REPRODUCTION) $(CLAIMING)
	$(BIN)/python -m guide.race $(REPRODUCTION) $(RACE) docs/race.svg

.PHONY: lint
lint: $(STAMP)  ## Check style, types and import layers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: bench
bench: $(STAMP)  ## Measure every speed of docs/performance.md; prints a table, writes build/bench.json.
	$(BIN)/python -m benchmarks --json build/bench.json

.PHONY: load
load: $(STAMP)  ## Put load on a real service: downloads, 10,000 jobs, time to the first update; writes build/load.json.
	$(BIN)/python -m benchmarks.load --json build/load.json

.PHONY: openapi
openapi: $(STAMP)  ## Write docs/openapi.json and docs/specs.md anew, after a deliberate change of the REST API.
	$(BIN)/python -m services.api_document docs/openapi.json
	$(BIN)/python -m meta_trainer.specs.reference docs/specs.md

.PHONY: docs
docs: $(STAMP)  ## Build the documentation into services/guide/site, where /guide has it, and check its links.
	$(BIN)/python -m mkdocs build --strict --quiet
	$(BIN)/python -m guide.check services/guide/site

.PHONY: chaos
chaos: $(STAMP)  ## Kill workers, nodes, drivers and services 50 times (KILLS=, SEED=) while jobs run; writes docs/chaos.md.
	$(BIN)/python -m tests.chaos --kills $(KILLS) --seed $(SEED) --page docs/chaos.md

.PHONY: mutants
mutants: $(STAMP)  ## Put faults into the source, one by one, and show which no test notices (COUNT=, SEED=).
	$(BIN)/python -m tests.mutation --count $(COUNT) --seed $(SEED)

.PHONY: data
data: $(STAMP)  ## Put the full datasets into ./data.
	if [ -x $(DATA_BUILDER) ]; then $(DATA_BUILDER) $(DATA) $(abspath $(BIN)/python); else \
	  for name in mnist fashion_mnist cifar10; do $(BIN)/python -m meta_trainer.datasets download $$name --data-dir $(DATA); done; fi

# With kernels inside where a C compiler is; for other platforms than this: docs/releasing.md.
.PHONY: wheels
wheels: export HYPERADAM_COMPILE_KERNELS ?= $(if $(shell command -v cc),1,0)
wheels: docs  ## Build both distributions into ./dist: sources, and wheels of them.
	rm -rf dist build client/build
	$(BIN)/python -m build --quiet --outdir dist client
	$(BIN)/python -m build --quiet --outdir dist .

.PHONY: constraints
constraints: $(STAMP)  ## Write constraints.txt from the environment, after a deliberate upgrade.
	$(BIN)/python -m pip freeze --exclude-editable | sed -E '/^#/d; s/^([^=]+==[^+]+)\+.*/\1/' > constraints.new
	{ echo "# The versions that were tested together; made by \`make constraints\`."; cat constraints.new; } > constraints.txt
	rm constraints.new

# Tools of the supply chain have an environment of their own: they are no part of what they look at.
TOOLS := $(VENV)-tools
TOOLS_STAMP := $(TOOLS)/.installed
BY_THE_MACHINE := ^(\#|torch==|torchvision==|triton==)
$(TOOLS_STAMP): pyproject.toml
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet 'uv>=0.13,<1' 'pip-audit>=2.10,<3' 'cyclonedx-bom>=7.5,<8'
	touch $@

LOCK := $(TOOLS)/bin/uv pip compile --quiet --no-deps --generate-hashes --no-annotate --no-header --python-version 3.11
.PHONY: lock
lock: $(STAMP) $(TOOLS_STAMP)  ## Write requirements.lock and deploy/requirements.lock: constraints.txt with digests.
	mkdir -p build
	grep -vE '$(BY_THE_MACHINE)' constraints.txt > build/all.in
	$(BIN)/python deploy/runtime_pins.py constraints.txt > build/runtime.in
	$(LOCK) build/all.in -o requirements.lock
	$(LOCK) build/runtime.in -o deploy/requirements.lock

.PHONY: sbom
sbom: $(STAMP) $(TOOLS_STAMP)  ## Write build/sbom.json, the list of all parts (CycloneDX).
	mkdir -p build
	$(TOOLS)/bin/cyclonedx-py environment --output-format JSON --output-file build/sbom.json --pyproject pyproject.toml $(BIN)/python

.PHONY: audit
audit: $(TOOLS_STAMP)  ## Look for known vulnerabilities in what deploy/requirements.lock names; says so where nothing can be looked up.
	.ci/audit $(TOOLS)/bin/pip-audit deploy/requirements.lock || test $$? = 3

.PHONY: clean
clean:  ## Remove everything that was made here, except ./data.
	rm -rf $(VENV) $(VENV)-tools build dist client/build client/dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name '*.egg-info' -type d -prune -exec rm -rf {} +
