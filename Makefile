# What a contributor types. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests of Slurm mostly wait: one process more than cores keeps two of them busy.
WORKERS ?= 3
EXAMPLE := examples/first-light
# How many packages the demo installs, by which it estimates how long is left; a test compares it.
DEMO_PACKAGES := 130

.PHONY: help demo demo-clean test lint docs bench validate clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# One environment for everything: the marks say which extras are in it.
$(VENV)/.demo: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "socm needs Python 3.11 or newer; say PYTHON=python3.11 make …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing socm, the mapmaker and their libraries into $(VENV): a few minutes, most of them for downloads."
	@bash -o pipefail -c "$(BIN)/python -m pip install --progress-bar=off --disable-pip-version-check \
	  -e '.[analysis,mapmaking,diagnostics]' | $(BIN)/python $(EXAMPLE)/show_install.py $(DEMO_PACKAGES)"
	touch $@

$(VENV)/.test: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

$(VENV)/.bench: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	touch $@

demo: $(VENV)/.demo  ## simulate a sky, compile a campaign, map it with the real mapmaker, difference the splits
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh $(EXAMPLE)/run.sh

demo-clean:  ## remove what the demo made
	rm -rf $(EXAMPLE)/data $(EXAMPLE)/workflow $(EXAMPLE)/slurm $(EXAMPLE)/local $(EXAMPLE)/results \
	  $(EXAMPLE)/logs $(EXAMPLE)/benchmarks $(EXAMPLE)/.snakemake \
	  $(EXAMPLE)/verdict.json $(EXAMPLE)/report.html

test: $(VENV)/.test  ## run every test; those whose real part is missing skip with the reason
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest --numprocesses=$(WORKERS) $(PYTEST_OPTIONS)

lint: $(VENV)/.test  ## style, types and walls
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.test  ## build the documentation as a site, build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.bench  ## print the ratios that docs/performance.md explains
	@for benchmark in benchmarks/bench_*.py; do echo "== $$benchmark"; PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python $$benchmark || exit 1; done

validate: $(VENV)/.test  ## judge 1,000 simulated campaigns, wide maps in striped noise (docs/validation.md) and filter-and-bin maps; predict makespans on Slurm
	$(BIN)/python benchmarks/validate_nulls.py
	$(BIN)/python benchmarks/validate_wide.py
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 0 -s -m validation \
	  tests/slurm/test_slurm_plan.py tests/workflows/test_workflows_filterbin_halves.py

clean: demo-clean  ## remove everything that isn't in git, the environment too
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
