# make matrix   set everything up, run the default matrix, print which mitigation defeats which layer
# make reports  set everything up, put the field reports to the test, write docs/field-reports.md and its records
# make atlas    set up every proxy, measure the atlas, write docs/atlas.md and the run it was made of
# make atlas-check  likewise, but hold what is measured against the published run
# make test     set everything up, run the tests but for the slow and the exhaustive ones, several at once, for most of them
#               wait most of the time (WORKERS=1: one after the other)
# make full     likewise, with the slow and the exhaustive ones and more generated examples: half an hour more
# make fast     run one point of each fast test only, which start no proxies; `make fast-3.13`: on another Python, in
#               .venv-3.13 (PYTHON-3.13=COMMAND, if it is not called python3.13), with fewer generated examples
# make programs set up every proxy that can be had here, also those that the default matrix does not need
# make setup    only set up: .venv, and what proxies need (nginx if it is missing and we may, npm packages, one build,
#               virtual environments)
# With `make -j2` what does not wait for each other is done side by side.

PYTHON ?= python3
VENV := .venv
WORKERS ?= 4
FAST_WORKERS ?= auto
FAST := --first-points -m "not proxies and not costly"
INSTALLED := $(VENV)/.installed
# Cells of hops that let go as chance has it: they are held to what the atlas expects, and not to each figure of a run.
CHANCE := --skip 'apache:ext-filter' --skip 'apache:ratelimit' --skip 'traefik:flush-every-second@*' \
	--skip 'express:compression-flush' --skip 'nextjs:*/smaller-and-more-often/*'
PIP := pip --disable-pip-version-check --quiet

# Where this is set, every program of ours compiles itself anew whenever it starts: a third of the time of all tests.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: matrix reports atlas atlas-check test full fast setup programs lint clean
.PRECIOUS: $(VENV)-%/.installed  # or make takes it for a step on the way, and removes it

matrix: setup
	$(VENV)/bin/harness matrix default

reports: setup
	$(VENV)/bin/harness reports --records docs/field-report-runs --markdown docs/field-reports.md

atlas: programs
	$(VENV)/bin/harness matrix atlas --jobs 24 --runs runs/atlas
	$(VENV)/bin/python -m benchmarks.publish atlas "$$(ls -d runs/atlas/*-atlas | tail -1)"

atlas-check: programs
	rm -rf runs/atlas/published
	$(VENV)/bin/python -m benchmarks.archive docs/atlas-run.tar.xz runs/atlas/published
	$(VENV)/bin/harness matrix atlas --jobs 24 --runs runs/atlas; measured=$$?; \
	$(VENV)/bin/harness diff runs/atlas/published "$$(ls -d runs/atlas/*-atlas | tail -1)" $(CHANCE) && exit $$measured

test: setup
	$(VENV)/bin/pytest -m "not exhaustive and not slow" -n $(WORKERS) --dist worksteal

full: setup
	$(VENV)/bin/pytest --hypothesis-profile=ci -n $(WORKERS) --dist worksteal

fast: $(INSTALLED)
	$(VENV)/bin/pytest $(FAST) -n $(FAST_WORKERS) --dist worksteal

fast-%: $(VENV)-%/.installed
	$(VENV)-$*/bin/pytest $(FAST) --hypothesis-profile=few -n $(FAST_WORKERS) --dist worksteal

setup: $(INSTALLED)
	$(VENV)/bin/harness setup --allow-unavailable

programs: $(INSTALLED)
	$(VENV)/bin/harness setup --allow-unavailable proxies

lint: $(INSTALLED)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/$(PIP) install --editable '.[dev]'
	touch $@

# For the fast tests alone: no linters and no browser. What the linters wait for comes first where cores are few.
$(VENV)-%/.installed: pyproject.toml
	$(or $(PYTHON-$*),python$*) -m venv $(VENV)-$*
	nice $(VENV)-$*/bin/$(PIP) install --editable '.[test]'
	touch $@

clean:
	rm -rf .venv* runs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
