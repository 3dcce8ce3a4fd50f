# Everything a person or CI runs. The only things needed beforehand: Python 3.11, git, make.
# Python packages go into .venv, with the versions and hashes of requirements.lock.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# Tests start hundreds of programs, each of which would compile On-Meet's sources anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := demo
.PHONY: demo run dev check quick test page lint format bench profile changelog lock system-packages ui clean

demo: $(READY)
	$(BIN)/onmeet demo

run: $(READY)
	$(BIN)/onmeet up --app

# For work on the app: its pages are built again, and reloaded, at each change. Ctrl-C ends it.
# DEV_FLAGS: --first-port, if 8100 to 8103 are taken.
dev: $(READY) ui/node_modules/.package-lock.json
	@$(BIN)/python -m tests.dev $(DEV_FLAGS)

# Before each commit: everything but the tests that open sockets, start processes or take long.
check: $(READY)
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target lint page quick

quick: $(READY)
	@ONMEET_CHECK=1 $(BIN)/pytest --numprocesses=2 --quiet -m "not real and not slow" $(PYTEST_FLAGS)

# Test files run side by side; browsers and labs one at a time beside the others, since two of those
# are more than two cores carry (tests/conftest.py). WORKERS: processes for all of it; much of their
# time they wait.
WORKERS ?= 3
test: $(READY) system-packages
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint page
	$(BIN)/pytest --numprocesses=$(WORKERS) --quiet --durations=25 $(PYTEST_FLAGS)

page: $(READY)
	@if [ -d ui/node_modules ]; then \
	    cd ui && npm run --silent check && npm test --silent; \
	else echo "The app's own tests are left out: they need Node.js 20."; fi

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Of each thing several: an hour. BENCH_FLAGS=--quick: few, in five minutes.
bench: $(READY) system-packages
	$(BIN)/python -m benchmarks $(BENCH_FLAGS)

# What one warm call costs: frames, statements, round trips, CPU by layer. A minute.
# PROFILE_FLAGS="--against COMMIT": in turns with the code of another commit.
profile: $(READY)
	@$(BIN)/python -m benchmarks.warm_call $(PROFILE_FLAGS)

# Of a release: the files of docs/changes/ become its section of CHANGELOG.md.
changelog: $(READY)
	@$(BIN)/python -m tests.dev.changes $(VERSION)

# Debian packages for the tests that meet the real thing: coturn, network namespaces with NATs, a
# delaying switch that is compiled on the spot. Without root they are not installed, and those
# tests are skipped with a reason (required in CI).
system-packages:
	@sh tests/system-packages

lock: $(READY)
	$(PYTHON) -m venv .venv/lock && .venv/lock/bin/pip install --quiet uv
	.venv/lock/bin/uv pip compile --quiet --python-version 3.11 --universal --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	    --group dev --extra accounts --output-file requirements.lock pyproject.toml

# --no-deps: the lock file is complete, and overrides one pin of libp2p's (see pyproject.toml).
# trio-stubs: from 2022, brought by libp2p's trio-typing, they hide trio's own types from mypy.
$(READY): requirements.lock pyproject.toml hatch_build.py
	$(PYTHON) -c 'import sys; sys.exit("On-Meet needs Python 3.11 or newer.") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	rm -rf .venv/lib/python3*/site-packages/trio-stubs
	@touch $@

# The local app's page, again after a change of its sources (installing builds it, too).
ui: $(READY)
	$(BIN)/python hatch_build.py

# As hatch_build.py installs them: nothing that a package brings is run.
ui/node_modules/.package-lock.json: ui/package-lock.json
	cd ui && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

clean:
	rm -rf onmeet_node/web/static onmeet_node/web/guest ui/node_modules ui/.test
	rm -rf .dev .venv dist build demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis
