# One verb for each thing. `make` alone lists them.
PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
RUN = $(PYTHON) -m
SOURCES = src tests bench examples setup.py
export PYTHONPATH ?= src
PYTEST = $(RUN) pytest -q -n auto
ARGS ?=

.PHONY: help venv format lint types house units check fast compiled test-compiled ci soak bench requirements mutants golden clean

help:  ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

venv:  ## a virtual environment in .venv with everything the tests need
	python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]'

format:  ## write every file in the one format
	$(RUN) ruff format $(SOURCES)
	$(RUN) ruff check --fix $(SOURCES)

lint:  ## format and lint, looked at only
	$(RUN) ruff format --check $(SOURCES)
	$(RUN) ruff check $(SOURCES)

types:  ## mypy --strict
	$(RUN) mypy
	MYPYPATH=src:bench $(RUN) mypy bench/*.py

house:  ## the rules of the house
	$(RUN) pytest -q tests/test_house.py

units:  ## the tests without kernel, properties and soak
	$(PYTEST) -m "not kernel and not soak" --hypothesis-profile=quick $(ARGS)

check: lint types units  ## before every commit: format, lint, types, house, units

fast: units  ## the tests alone, interpreted

compiled:  ## the compiled build beside the sources: use it with PYTHONPATH=build/compiled
	@mkdir -p build/compiled && find build/compiled -name '*.py' -delete
	LASTACK_COMPILE=1 $(PYTHON) setup.py -q build --build-lib build/compiled --build-temp build/temp
	@PYTHONPATH=build/compiled $(PYTHON) -c "import lastack; assert lastack.COMPILED, lastack.__file__"

test-compiled: compiled  ## the whole suite on the compiled build
	PYTHONPATH=build/compiled LASTACK_EXPECT=compiled $(PYTEST) -m "not soak" $(ARGS)

ci:  ## everything that lands: from nothing, interpreted and compiled
	bash .ci/run

soak:  ## seeds, fuzzing and floods for SECONDS (default 600)
	LASTACK_SOAK_SECONDS=$(or $(SECONDS),600) $(PYTEST) -m soak --timeout 0 --hypothesis-profile=soak $(ARGS)

bench: compiled  ## measure against the kernel and other stacks (as root)
	$(PYTHON) bench/run.py $(ARGS)

requirements:  ## docs/requirements.md, from the marks in code and tests and a run of the marked tests
	@mkdir -p build
	$(PYTEST) --junitxml=build/requirements.xml $$($(PYTHON) tests/requirements/matrix.py --list) $(ARGS)
	$(PYTHON) tests/requirements/matrix.py --junit build/requirements.xml

mutants:  ## break the code behind every requirement and see that its tests notice
	$(PYTHON) tests/requirements/mutants.py $(ARGS)

golden:  ## tests/golden/congestion.txt: what each congestion controller makes of a path
	$(PYTHON) tests/golden/golden_table.py

clean:  ## remove what was built
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info
