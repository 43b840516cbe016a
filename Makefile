# Two commands matter: `make demo` and `make test`. Each makes .venv from requirements.lock first if it is missing or stale.
PYTHON ?= python3.11
CORES ?= $(shell nproc)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed.lock

.PHONY: demo test test-all lint lock envs version config-docs clean-demo

demo: $(INSTALLED)
	@$(BIN)/python tools/run_demo.py --cores $(CORES)

test: $(INSTALLED) lint
	$(BIN)/python -m pytest -m "not long" $(PYTEST)

test-all: $(INSTALLED) lint
	$(BIN)/python -m pytest $(PYTEST)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/codespell
	$(BIN)/basedpyright --level error
	$(BIN)/snakemake --lint --configfile config/demo.yaml

# The copy of the lock inside the environment says what is installed; it is written last, so an install that was cut
# short counts as missing.
$(INSTALLED): requirements.lock
	@cmp -s requirements.lock $@ && touch $@ || { \
	  command -v $(PYTHON) >/dev/null || { echo "lungsight needs Python 3.11: $(PYTHON) was not found. Name yours with: make demo PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	  echo "Making .venv from requirements.lock: about 8.5 GB on disk (torch brings CUDA), once; some minutes." && \
	  $(PYTHON) -m venv --clear $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
	  cp requirements.lock $@ && echo "The environment is ready."; }

# Upkeep: the lock and envs/ are derived from pyproject.toml, and a test fails when they drift from it.
lock: $(INSTALLED)
	$(BIN)/python tools/lock.py

envs: $(INSTALLED)
	$(BIN)/python tools/generate_envs.py

version: $(INSTALLED)
	$(BIN)/python tools/version.py $(VERSION)

clean-demo:
	rm -rf results/demo results/demo.private results/phantoms

config-docs: $(INSTALLED)
	$(BIN)/python tools/config_docs.py
