# make install    create the virtual environment .venv with pinned package versions
# make demo       train HAPPO on simple spread, compare it with random play, plot the learning curve
# make test       run the checks and the default tests, which every change must pass
# make test-slow  run the slow tests: all combinations of algorithms, environments and options
# make check      check formatting, lint and types only
# make docs       generate the pages that are made from docstrings, tests and records
# make pictures   draw the figures of the documentation
# make site       build the documentation; open build/site/index.html in a browser
# make gallery    train and record a team in each environment of the gallery (an hour)
# make tutorial   run docs/tutorial.ipynb and store its outputs (five minutes)
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
.PHONY: help install demo test test-slow digests check format docs site vendored pictures gallery tutorial pin clean

export NO_MKDOCS_2_WARNING := 1

help:
	@sed -n 's/^# //p' Makefile | head -12

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
	$(BIN)/mkdocs build --strict

# Download the files of npm packages that the site contains, so that it works without a network (docs/assets/README.md).
vendored:
	rm -rf build/npm && mkdir -p build/npm
	cd build/npm && npm pack --silent katex@0.19.1 iframe-worker@1.0.4
	cd build/npm && for file in *.tgz; do tar xzf $$file --one-top-level; done
	cp build/npm/katex-*/package/LICENSE build/npm/katex-*/package/dist/katex.min.js docs/assets/katex/
	cp build/npm/katex-*/package/dist/fonts/*.woff2 docs/assets/katex/fonts/
	sed -E 's/,url\([^)]*\.(woff|ttf)\) format\("(woff|truetype)"\)//g' build/npm/katex-*/package/dist/katex.min.css > docs/assets/katex/katex.min.css
	cp build/npm/iframe-worker-*/package/LICENSE docs/assets/iframe-worker/
	cp build/npm/iframe-worker-*/package/shim/index.js docs/assets/iframe-worker/shim.js

pictures: $(INSTALLED)
	$(BIN)/python docs/pictures.py

# Train a team in each environment of the gallery, and record videos. Takes an hour.
gallery: $(INSTALLED)
	$(BIN)/python docs/gallery.py

# Run the tutorial, and store its outputs in the notebook. Takes five minutes.
tutorial: $(INSTALLED)
	rm -rf build/tutorial && mkdir -p build/tutorial && cp docs/tutorial.ipynb build/tutorial/
	cd build/tutorial && $(CURDIR)/$(BIN)/jupyter execute --inplace tutorial.ipynb
	cp build/tutorial/tutorial.ipynb docs/tutorial.ipynb

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
