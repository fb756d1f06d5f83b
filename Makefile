# make run    a chat with the embedded model on http://127.0.0.1:7860
# make js     the tests of the page's modules that need no browser
# make quick  the tests that start no browser, no engine, no server and no process
# make test   everything that is checked, on a fresh machine too
#
# Needs Python 3.11 or newer, make and git. Another Python: make run PYTHON=python3.12
# Flags of the app: make run ARGS="--port 8000"

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
# For two cores: three tests used half of them, as most wait for a browser, a server or a clock.
WORKERS ?= 5
PYTEST_ARGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Python compiles what is imported; compiling all that is installed would take longer than that.
INSTALL := $(PIP) install --quiet --no-compile
LOCKED := $(INSTALL) --require-hashes --no-deps --requirement
PROJECT := $(INSTALL) --no-deps --no-build-isolation --editable .
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
  --no-emit-index-url --constraint constraints.txt
PYTEST = $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadscope --no-loadscope-reorder
INSTALLED_RUN := $(VENV)/.installed-run
INSTALLED_TEST := $(VENV)/.installed-test
SOUGHT_BROWSER := $(VENV)/.sought-browser
INSTALLED_BROWSER := $(VENV)/.installed-browser
INSTALLED_VALIDATORS := $(VENV)/.installed-validators
INSTALLED_NODE := node_modules/.package-lock.json
NODE := PATH="$(abspath $(BIN)):$$PATH"

# Tests start hundreds of processes; each would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run js quick python test coverage test-slow check lint types compiled format bench reference constraints locked clean

run: $(INSTALLED_RUN)
	@$(BIN)/webchat setup $(ARGS)
	@exec $(BIN)/webchat $(ARGS)

js: $(INSTALLED_TEST)
	$(NODE) node --test --test-force-exit tests/js/*.test.js

quick: $(INSTALLED_TEST)
	@$(MAKE) --no-print-directory --jobs=2 js python

python: $(INSTALLED_TEST)
	$(PYTEST) --quick -k "not postgresql" $(PYTEST_ARGS)

test: check
	$(PYTEST) $(PYTEST_ARGS)

# The same with the lines that no test runs; it takes longer.
coverage: $(INSTALLED_TEST) $(INSTALLED_BROWSER)
	$(PYTEST) --cov --cov-report=term $(PYTEST_ARGS)

# Two at a time: most of these tools use one core. Tests are compiled beside mypy; each worker would do it again.
check:
	@$(MAKE) --no-print-directory --jobs=2 $(INSTALLED_TEST) $(INSTALLED_BROWSER) $(INSTALLED_NODE)
	@$(MAKE) --no-print-directory --jobs=2 lint types compiled

compiled: $(INSTALLED_TEST)
	@$(BIN)/python -m pytest --collect-only -qqq > $(VENV)/collected.log || { cat $(VENV)/collected.log; exit 1; }

lint: $(INSTALLED_TEST) $(INSTALLED_NODE)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(NODE) npx eslint

types: $(INSTALLED_TEST) $(INSTALLED_NODE)
	$(BIN)/mypy
	$(NODE) npx tsc

format: $(INSTALLED_TEST)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-slow: $(INSTALLED_TEST) $(INSTALLED_BROWSER) $(INSTALLED_VALIDATORS)
	$(BIN)/python -m pytest -m slow --timeout=1800 $(PYTEST_ARGS)

bench: $(INSTALLED_TEST) $(INSTALLED_BROWSER)
	$(BIN)/python -m tests.benchmarks $(ARGS)

# The tables of the documentation, from the code.
reference: $(INSTALLED_TEST)
	$(BIN)/python -m tests.reference

# The versions in use, without what only this machine has.
constraints: $(INSTALLED_TEST)
	@grep '^#' constraints.txt > $(VENV)/constraints.new
	@{ $(PIP) freeze --exclude webchat-own-model --exclude uv | grep -v -e '^-e' -e ' @ ' | sed 's/+[a-z0-9.]*$$//'; \
	   grep ' ; ' constraints.txt; } | sort -f -u >> $(VENV)/constraints.new
	@mv $(VENV)/constraints.new constraints.txt

# The same versions for every platform and Python, with the hashes of their files: what `make run` and `make test`
# install. Without torch: which build of it is right, for a GPU or not, is the index's to say, and so is its file.
locked: $(INSTALLED_TEST)
	@$(PIP) install --quiet uv
	@echo "torch ; sys_platform == 'none'" > $(VENV)/overrides.txt
	@printf 'pip\nhatchling\neditables\n' | $(COMPILE) --extra llamacpp --extra feedback pyproject.toml - -o deploy/locked/run.txt
	@printf 'pip\nhatchling\neditables\n' | $(COMPILE) --all-extras --overrides $(VENV)/overrides.txt pyproject.toml - \
	  -o deploy/locked/test.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache node_modules .hypothesis .coverage* htmlcov build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "webchat needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "Making the environment $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "This Python cannot make environments; on Debian or Ubuntu install python3-venv." >&2; exit 2; }

$(INSTALLED_RUN): pyproject.toml deploy/locked/run.txt | $(BIN)/python
	@echo "Installing webchat and the embedded engine (about a minute the first time) ..."
	@$(LOCKED) deploy/locked/run.txt
	@$(PROJECT)
	@touch $@

$(INSTALLED_TEST): pyproject.toml constraints.txt deploy/locked/test.txt | $(BIN)/python
	@echo "Installing webchat with every extra and what the tests need (minutes the first time) ..."
	@$(LOCKED) deploy/locked/test.txt
	@$(INSTALL) --constraint constraints.txt torch
	@$(PROJECT)
	@touch $@ $(INSTALLED_RUN)

# What reads the files in deploy/ as their hosts do; half a gigabyte that only the slow suite needs.
$(INSTALLED_VALIDATORS): deploy/locked/validators.txt | $(INSTALLED_TEST)
	@$(BIN)/python -m venv $(VENV)/validators
	@$(VENV)/validators/bin/python -m pip --disable-pip-version-check install --quiet --no-compile --requirement $<
	@touch $@

# Only checks of the page's modules need it.
$(INSTALLED_NODE): package.json package-lock.json | $(INSTALLED_TEST)
	@$(NODE) npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Debian's own Chromium where we may install it, beside the packages, else the one Playwright fetches. The shell
# draws the same pages without a window around them, for half the work; a whole browser is needed where its user
# has set preferences.
DEBIAN_BROWSER := apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium chromium-headless-shell
$(SOUGHT_BROWSER): | $(BIN)/python
	@if command -v chromium > /dev/null && command -v chromium-headless-shell > /dev/null; then :; \
	elif ! grep -qs '^ID=debian' /etc/os-release; then :; \
	elif [ "$$(id -u)" = 0 ]; then echo "Installing a browser ..."; sh -c '$(DEBIAN_BROWSER)' > /dev/null; \
	elif sudo -n true 2> /dev/null; then echo "Installing a browser ..."; sudo sh -c '$(DEBIAN_BROWSER)' > /dev/null; fi || :
	@touch $@

$(INSTALLED_BROWSER): | $(SOUGHT_BROWSER) $(INSTALLED_TEST)
	@if command -v chromium > /dev/null; then :; \
	elif [ "$$(id -u)" = 0 ]; then $(BIN)/playwright install --with-deps chromium; \
	else $(BIN)/playwright install chromium; fi
	@touch $@
