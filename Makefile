# make run    the service on its embedded default, with real maildrops on loopback
# make test   the tests that need nothing but Python
# make live   real mail programs and a real MTA against the service (as root, on Debian)
# make lint   ruff and mypy

PYTHON ?= python3
# The extras of setup.cfg; tests of a checker whose extra is missing say so.
EXTRAS ?= test
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test live lint

$(VENV)/installed: setup.cfg setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[$(EXTRAS)]' --config-settings editable_mode=compat
	touch $@

$(VENV)/linters: $(VENV)/installed
	$(BIN)/pip install --quiet --editable '.[$(EXTRAS),lint]' --config-settings editable_mode=compat
	touch $@

run: $(VENV)/installed
	$(BIN)/twistd -n --pidfile= pop3svc --demo

test: $(VENV)/installed
	$(BIN)/trial tests

live: $(VENV)/installed
	$(BIN)/trial tests/live/live_*.py

lint: $(VENV)/linters
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
