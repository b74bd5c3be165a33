# make matrix   set everything up, run the default matrix, print which mitigation defeats which layer
# make reports  set everything up, put the field reports to the test, write docs/field-reports.md and its records
# make test     set everything up, run all tests: the fast ones on all cores, then those through real proxies, alone
# make setup    only set up: .venv, and what proxies need (nginx if it is missing and we may, npm packages, one build,
#               virtual environments)

PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed

.PHONY: matrix reports test setup lint clean

matrix: setup
	$(VENV)/bin/harness matrix default

reports: setup
	$(VENV)/bin/harness reports --records docs/field-report-runs --markdown docs/field-reports.md

test: setup
	$(VENV)/bin/pytest -m "not proxies" -n auto
	$(VENV)/bin/pytest -m proxies

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
	rm -rf $(VENV) runs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
