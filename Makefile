PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: help run test quick lint docs bench bench-peers clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

run: $(VENV)/installed ## install, and compute the Lyapunov exponents of the preset hidden_chaos
	@mkdir -p results
	$(BIN)/curlflow lyapunov hidden_chaos --output results/hidden_chaos.nc

# The tests compile thousands of small programs: XLA's older emitters do it in half the time, and without optimisations it
# takes a third of that (what they compile runs slower). A flag that XLA does not know ends the program: leave it out with
# another jaxlib than that of constraints.txt, where need be. `make quick` and `make run` compile as users do.
# A process that has run out of tests takes over some of another's: a few files take a tenth of the time each. Idle
# threads of OpenBLAS would keep the cores busy that the other processes compute on.
test: $(VENV)/installed-test ## install, and run all tests
	OPENBLAS_NUM_THREADS=1 JAX_DISABLE_MOST_OPTIMIZATIONS=1 XLA_FLAGS="--xla_cpu_use_fusion_emitters=false $$XLA_FLAGS" \
		$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

quick: $(VENV)/installed-test ## install, and run the closed forms and contracts alone, in a minute
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m quick --numprocesses auto --maxprocesses 4

lint: $(VENV)/installed-test ## style, imports, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/installed-docs ## build the site into site/, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/installed-test ## measure speed (see benchmarks/README.md)
	$(BIN)/python -m pytest benchmarks -o addopts= --benchmark-only -q -s

bench-peers: $(VENV)-peers/installed ## measure speed beside other packages, which get an environment of their own
	$(VENV)-peers/bin/python benchmarks/peers/run.py

clean: ## remove the environment and everything that was built
	rm -rf $(VENV) $(VENV)-peers site dist results

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/installed

$(VENV)/installed-docs: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[docs]'
	@touch $@ $(VENV)/installed

$(VENV)-peers/installed: pyproject.toml constraints.txt benchmarks/peers/requirements.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt \
		--editable . --requirement benchmarks/peers/requirements.txt
	@touch $@
