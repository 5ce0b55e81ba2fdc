# make demo   train HAPPO on simple spread, judge it against random play, draw its learning curve
# make test   what every change must pass;  make test-slow  the full matrices besides
# make check  format, lint and types alone
# make docs   the pages made from docstrings, tests and records;  make pictures  those of docs/theory.md
# make site   the documentation as build/site/index.html, to be read in a browser
# make pin    the exact versions of requirements/pinned.txt anew;  make clean  remove the environment
#
# All of it runs in a virtual environment of its own, .venv, and needs Python 3.11 or newer, pip and make only.

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
	@sed -n 's/^# //p' Makefile | head -6

install: $(INSTALLED)

# The build backend comes from the same list: nothing that is installed is left to the day of the installation. Bytecode
# is made of what is imported, when it is: of everything, it would take as long as the rest of the installation.
$(INSTALLED): pyproject.toml requirements/pinned.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Hamlet needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile -c requirements/pinned.txt hatchling editables
	$(BIN)/pip install --quiet --no-compile --no-build-isolation -c requirements/pinned.txt -e '.[$(EXTRAS)]'
	@touch $@

demo: $(INSTALLED)
	@PATH="$(CURDIR)/$(BIN):$$PATH" DEMO_STEPS="$(DEMO_STEPS)" sh examples/demo.sh "$(DEMO_RUN)"

# Two workers: most of the time goes into compiling, which uses one core; what one compiled the other finds in the cache.
# Neighbours stay together, and so do the fixtures that they share.
test: check
	@command -v chromium chromium-browser google-chrome google-chrome-stable > /dev/null \
		|| echo "There is no Chromium: the page of reports is not tested (apt-get install chromium)"
	$(BIN)/pytest -n 2 --dist worksteal --durations 25 --durations-min 3

test-slow: $(INSTALLED)
	$(BIN)/pytest -n 2 -m slow --record benchmarks/records/slow-tests.json

# Parameters after three iterations of every algorithm: REASON says why they are others than before.
digests: $(INSTALLED)
	@test -n "$(REASON)" || { echo "make digests REASON='why the parameters are others': the changelog must repeat it" >&2; exit 2; }
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

# Whatever the documentation links to must be there: a broken link fails.
site: $(INSTALLED)
	$(BIN)/mkdocs build --strict

# Files of npm packages that the site needs, so that a reader of the site needs no network (docs/assets/README.md).
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

# Train a team in each environment of the gallery and record it; an hour. Then the outputs of the tutorial; five minutes.
gallery: $(INSTALLED)
	$(BIN)/python docs/gallery.py

tutorial: $(INSTALLED)
	rm -rf build/tutorial && mkdir -p build/tutorial && cp docs/tutorial.ipynb build/tutorial/
	cd build/tutorial && $(CURDIR)/$(BIN)/jupyter execute --inplace tutorial.ipynb
	cp build/tutorial/tutorial.ipynb docs/tutorial.ipynb

# The newest versions that pyproject.toml allows, as a fresh environment gets them; commit what `make test` then accepts.
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
