# make matrix   set everything up, run the default matrix, print which mitigation defeats which layer
# make reports  set everything up, put the field reports to the test, write docs/field-reports.md and its records
# make test     set everything up, run all tests: the fast ones, then those through real proxies and those that compute
#               for long, several at once, for most of them wait most of the time (WORKERS=1: one after the other)
# make fast     run the fast tests only, which start no proxies; on another Python: make fast PYTHON=python3.13 VENV=.venv-3.13
# make setup    only set up: .venv, and what proxies need (nginx if it is missing and we may, npm packages, one build,
#               virtual environments)

PYTHON ?= python3
VENV := .venv
WORKERS ?= 4
FAST := not proxies and not generated
INSTALLED := $(VENV)/.installed

.PHONY: matrix reports test fast setup lint clean

matrix: setup
	$(VENV)/bin/harness matrix default

reports: setup
	$(VENV)/bin/harness reports --records docs/field-report-runs --markdown docs/field-reports.md

test: setup fast
	$(VENV)/bin/pytest -m "not ($(FAST))" -n $(WORKERS) --dist worksteal

fast: $(INSTALLED)
	$(VENV)/bin/pytest -m "$(FAST)" -n auto

setup: $(INSTALLED)
	$(VENV)/bin/harness setup --allow-unavailable

lint: $(INSTALLED)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv* runs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
