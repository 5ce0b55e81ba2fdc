# make install    create the virtual environment .venv with pinned package versions
# make demo       train HAPPO on simple spread, compare it with random play, plot the learning curve
# make test       run the checks and the default tests, which every change must pass
# make test-slow  run the slow tests: all combinations of algorithms, environments and options
# make check      check formatting, lint and types only
# make docs       generate the pages that are made from docstrings, tests and records
# make pictures   draw the figures of docs/theory.md
# make site       build the documentation; open build/site/index.html in a browser
# make pin        write the newest versions of all packages to requirements/pinned.txt
# make clean      remove the virtual environment and the caches
#
# All commands use the virtual environment .venv, which make creates. They need only Python 3.11 or newer, pip and make.

PYTHON ?= python3
DEMO_STEPS ?= 4M
DEMO_RUN ?= runs/demo

BIN := .venv/bin
INSTALLED := .venv/.installed
EXTRAS := dev,mpe,mamujoco,pettingzoo,atari,plots,video,export,sweep,completion,docs

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow digests check format docs site pictures pin clean

help:
	@sed -n 's/^# //p' Makefile | head -10

install: $(INSTALLED)

# The versions of the build backend are pinned too, so that the installation does not depend on its date. pip does not
# compile bytecode: Python compiles each module at its first import. Compiling all modules would double the time.
$(INSTALLED): pyproject.toml requirements/pinned.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Hamlet needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile -c requirements/pinned.txt hatchling editables
	$(BIN)/pip install --quiet --no-compile --no-build-isolation -c requirements/pinned.txt -e '.[$(EXTRAS)]'
	@touch $@

demo: $(INSTALLED)
	@PATH="$(CURDIR)/$(BIN):$$PATH" DEMO_STEPS="$(DEMO_STEPS)" sh examples/demo.sh "$(DEMO_RUN)"

# Two workers, because compilation takes most of the time and uses one core. The workers share a cache of compiled
# programs. "worksteal" keeps neighbouring tests, which share fixtures, in one worker.
test: check
	@command -v chromium chromium-browser google-chrome google-chrome-stable > /dev/null \
		|| echo "Chromium is not installed: the tests skip the HTML page of reports (apt-get install chromium)"
	$(BIN)/pytest -n 2 --dist worksteal --durations 25 --durations-min 3

test-slow: $(INSTALLED)
	$(BIN)/pytest -n 2 -m slow --record benchmarks/records/slow-tests.json

# Record the digests of every algorithm's parameters after three iterations. REASON states why they have changed.
digests: $(INSTALLED)
	@test -n "$(REASON)" || { echo "write make digests REASON='why the parameters have changed', and repeat the reason in the changelog" >&2; exit 2; }
	$(BIN)/pytest -n 0 -m '' tests/test_digests.py -k recorded --digests '$(REASON)'

check: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(INSTALLED)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(INSTALLED)
	$(BIN)/python docs/generate.py

# The build fails if a link is broken.
site: $(INSTALLED)
	$(BIN)/mkdocs build --strict --quiet

pictures: $(INSTALLED)
	$(BIN)/python docs/pictures.py

# Pin the newest versions that pyproject.toml allows, as pip installs them in a new environment. Commit the file if
# `make test` passes.
pin:
	rm -rf .venv-pin
	$(PYTHON) -m venv .venv-pin
	.venv-pin/bin/pip install --quiet hatchling editables
	.venv-pin/bin/pip install --quiet --no-build-isolation -e '.[$(EXTRAS)]'
	@echo '# Exact versions of everything that `make install` installs. Written by `make pin`; do not edit.' > requirements/pinned.txt
	.venv-pin/bin/pip freeze --exclude-editable >> requirements/pinned.txt
	rm -rf .venv-pin

clean:
	rm -rf .venv .venv-pin .pytest_cache .ruff_cache
