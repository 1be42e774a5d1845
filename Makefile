# make run    the service on its embedded default, with real maildrops on loopback
# make test   the tests that need nothing but Python
# make live   real mail programs and a real MTA against the service (as root, on Debian)
# make fuzz   everything that reads octets, for some twenty minutes; with SEED=1939, MINUTES=2
#             for each target, SCALE=0.1 of the counts, TARGETS="stream network"
# make lint   ruff
# make types  mypy
# make docs   docs/ as HTML and as a manual page, in docs/_build
# make bench  what a session costs, beside other servers (as root, with cc, OpenSSL's headers
#             and dovecot-pop3d); make bench-long takes an hour
# make release  an sdist and a wheel in dist/, once the wheel has served

PYTHON ?= python3
# The extras of setup.cfg; tests of a checker whose extra is missing say so.
EXTRAS ?= test
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test live fuzz lint types docs bench bench-long release

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

fuzz: $(VENV)/installed
	EVERY_FAULT=1 $(BIN)/trial tests.test_everyfault
	$(BIN)/python -m tests.fuzz $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(SCALE),--scale $(SCALE)) $(TARGETS)

lint: $(VENV)/linters
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/linters
	$(BIN)/mypy

docs: $(VENV)/linters
	$(BIN)/sphinx-build --quiet --fail-on-warning --builder html docs docs/_build/html
	$(BIN)/sphinx-build --quiet --fail-on-warning --builder man docs docs/_build/man

bench: $(VENV)/installed
	$(BIN)/python -m benchmarks.run --form short

bench-long: $(VENV)/installed
	$(BIN)/python -m benchmarks.run --form long

release: $(VENV)/linters
	.ci/release
