# `make demo` and `make test` need Python 3.10 to 3.13 and nothing else; the environment is made once.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export TF_CPP_MIN_LOG_LEVEL = 3

.PHONY: demo test test-pythons lint types bench api clean

demo: $(VENV)/installed
	$(BIN)/ser-edge demo

test: lint types
	$(BIN)/python -m pytest

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(BIN)/mypy

# The runtime's tests with the oldest and the newest Python and NumPy; `make test-pythons NOX=` for all.
NOX ?= --tags ends
test-pythons: $(VENV)/installed
	$(BIN)/nox $(NOX)

bench: $(VENV)/installed
	$(BIN)/python -m pytest benchmarks -p benchmark

api: $(VENV)/installed
	$(BIN)/pdoc --docformat numpy --template-directory docs/api --output-directory build/api \
		ser_edge ser_edge.audio ser_edge.features ser_edge.resampling ser_edge.frontend ser_edge.verify

clean:
	rm -rf $(VENV) .nox build dist

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14) and "ser-edge needs Python 3.10 to 3.13, this is " + sys.version.split()[0] + ": make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@
