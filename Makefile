# Two commands matter: `make demo` and `make test`. Each makes .venv from requirements.lock first if it is missing or stale.
# PYTHON: the first that is here, of those that are supported.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13; do $$python -c "" 2>/dev/null && echo $$python && break; done)
CORES ?= $(shell nproc)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed.lock

.PHONY: demo demo-quick real-trial package test test-all test-bucket test-pythons lint docs lock envs version config-docs clean-demo

demo: $(INSTALLED)
	@$(BIN)/python tools/run_demo.py --cores $(CORES)

demo-quick: $(INSTALLED)
	@$(BIN)/python tools/run_demo.py --quick --cores $(CORES)

# Two public data sets in the folder DATA, there and back.
real-trial: $(INSTALLED)
	@$(BIN)/python tools/run_real_trial.py --data "$(DATA)" --cores $(CORES)

# A finished run, the demo's if no other config is named, as a package that passes the validators and its own check.
CONFIG ?= config/demo.yaml
package: $(INSTALLED)
	@$(BIN)/python tools/check_package.py --cores $(CORES) --run "$(CONFIG)"

# Two files of tests at once: most tests keep one core busy. In their own order: by the number of its tests, a file with
# one test that takes minutes would come last, and leave the other core idle.
test: $(INSTALLED) lint
	$(BIN)/python -m pytest -m "not long" -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST)

test-all: $(INSTALLED) lint
	$(BIN)/python -m pytest $(PYTEST)
	$(MAKE) --no-print-directory test-bucket PYTEST=

# Results in a bucket. tools/lock.py says why what these tests need lies in a folder of its own.
BUCKET := .cache/bucket
test-bucket: $(INSTALLED) $(BUCKET)/installed.lock
	PYTHONPATH="$(CURDIR)/$(BUCKET)" $(BIN)/python -m pytest tests/e2e/test_object_storage.py tests/e2e/test_scans_in_bucket.py $(PYTEST)

# Each further Python in an environment of its own, .venv-3.12 and so on: 8.5 GB and a download of 3 GB apiece.
PYTHONS ?= 3.12 3.13
test-pythons:
	@absent=; for version in $(PYTHONS); do \
	  python$$version -c "" 2>/dev/null || { absent="$$absent python$$version"; continue; }; \
	  $(MAKE) --no-print-directory VENV=.venv-$$version PYTHON=python$$version .venv-$$version/installed.lock && \
	  .venv-$$version/bin/python -m pip check && \
	  .venv-$$version/bin/python -m pytest $(PYTEST) tests/unit || exit 1; done; \
	test -z "$$absent" || { echo "Not tested, since it was not found:$$absent. Put it on the PATH, or name those that you have: make test-pythons PYTHONS=3.13" >&2; exit 1; }

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/codespell
	$(BIN)/basedpyright --level error
	$(BIN)/snakemake --lint --configfile config/demo.yaml

# With --quiet, --strict would see no warning.
docs: $(INSTALLED)
	@mkdir -p .cache; NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict > .cache/docs.log 2>&1 && echo "site/index.html" \
	  || { grep -E "WARNING|ERROR|Abort" .cache/docs.log >&2; exit 1; }

# The copy of the lock inside the environment says what is installed; it is written last, so an install that was cut
# short counts as missing.
$(INSTALLED): requirements.lock
	@cmp -s requirements.lock $@ && touch $@ || { \
	  command -v $(or $(PYTHON),python3.11) >/dev/null || { echo "lungsight needs Python 3.11, 3.12 or 3.13, and none was found. Name yours with: make demo PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	  echo "Making $(VENV) from requirements.lock: about 8.5 GB on disk (torch brings CUDA), once; some minutes." && \
	  $(PYTHON) -m venv --clear $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
	  cp requirements.lock $@ && echo "The environment is ready."; }

$(BUCKET)/installed.lock: tests/bucket.lock $(INSTALLED)
	rm -rf $(BUCKET)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target $(BUCKET) -r tests/bucket.lock
	cp tests/bucket.lock $@

# Upkeep: the lock and envs/ are derived from pyproject.toml, and a test fails when they drift from it.
lock: $(INSTALLED)
	$(BIN)/python tools/lock.py

envs: $(INSTALLED)
	$(BIN)/python tools/generate_envs.py

version: $(INSTALLED)
	$(BIN)/python tools/version.py $(VERSION)

clean-demo:
	rm -rf results/demo results/demo.private results/demo-quick results/demo-quick.private results/phantoms

config-docs: $(INSTALLED)
	$(BIN)/python tools/config_docs.py
