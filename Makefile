# make run    a live demo cluster with a shell (ARGS="--nodes 9 --liars 2" is passed on)
# make test   all tests
# make check  what CI runs: lint, types, tests
# make sim    200 random clusters with random faults, liars and settings, simulated (a minute; ARGS="--jobs 2")
# make soak   ten minutes of mixed load on five nodes: fails on what is lost, crashes or grows (ARGS passed on)
# make docs   docs/EVENTS.md and config/events.schema.json anew, from the catalogue of events
# make bench  what the listener, the core, shipping and an idle node cost, as ratios (two minutes; needs a C compiler)
# make figures  how fast news travels and deaths are found out, simulated at full size (some minutes)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test lint types check sim soak bench docs figures clean

run: $(VENV)/.installed
	@$(BIN)/python gossipd.py demo $(ARGS)

# In four processes, for many tests mostly wait; a module's tests stay together, as they may share a cluster. What is
# compiled is kept, even where the environment says otherwise: the tests start hundreds of nodes.
test: $(VENV)/.installed-dev
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n 4 --dist loadfile $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy gossip gossipd.py

check: lint types test

sim: $(VENV)/.installed
	@$(BIN)/python -m gossip.sim.swarm $(ARGS)

soak: $(VENV)/.installed
	@$(BIN)/python -m gossip.load.soak $(ARGS)

bench: $(VENV)/.installed
	@$(BIN)/python -m gossip.bench $(ARGS)

docs: $(VENV)/.installed
	@$(BIN)/python -m gossip.log.document

figures: $(VENV)/.installed
	$(BIN)/python -m gossip.sim.figures

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"gossipd needs Python 3.11 or later, found {v[0]}.{v[1]}; call make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv $(VENV) || { echo "no virtual environment could be made; on Debian: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/.installed: requirements.txt | $(BIN)/python
	@echo "installing into $(VENV) ..."
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed | $(BIN)/python
	@$(PIP) -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
