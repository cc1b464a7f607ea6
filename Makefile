# `make demo` and `make test` need Python 3.10 to 3.13 and nothing else. The environment is made once;
# the demo installs what training and export need, the tests add the developers' tools.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
export TF_CPP_MIN_LOG_LEVEL = 3

.PHONY: demo test test-pythons test-arm64 test-armhf lint types bench pretrained api clean

demo: $(VENV)/demo
	$(BIN)/ser-edge demo

# A file's tests stay in one process; each process that has to trains its own network, once.
PYTEST ?= --numprocesses auto --maxprocesses 4 --dist loadfile
test: lint types
	$(BIN)/python -m pytest $(PYTEST)

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(BIN)/mypy

# The runtime's tests with the oldest and the newest Python and NumPy; `make test-pythons NOX=` for all.
NOX ?= --tags ends --parallel 2
test-pythons: $(VENV)/installed
	$(BIN)/nox $(NOX)

# The wheel on emulated devices; `EMULATED=--if-possible` skips where this machine cannot.
EMULATED ?=
test-arm64: $(VENV)/installed
	$(MAKE) --jobs=2 --output-sync emulated-arm64-bookworm emulated-arm64-trixie

test-armhf: $(VENV)/installed
	$(MAKE) --jobs=2 --output-sync emulated-armhf-bookworm emulated-armhf-trixie

emulated-%:
	PYTHONPATH=tests $(BIN)/python -m emulated $(EMULATED) $*

# Measures what this machine can, then writes the report and the tables of README and docs. SPEECH
# holds ravdess, tess and emodb; RUNS are trained and exported (benchmarks/model_variants.py says how).
SPEECH ?= speech
RUNS ?=
CLIP ?= $(SPEECH)/ravdess/Actor_02/03-01-05-02-01-01-02.wav
BUNDLES = $(addsuffix /bundle,$(RUNS))
bench: $(VENV)/installed
	$(BIN)/python -m pytest -q benchmarks/bench_resampling.py -p benchmark
	$(BIN)/python benchmarks/feature_speed.py --corpora $(SPEECH)
	$(BIN)/python benchmarks/parity.py $(RUNS) --corpora $(SPEECH)
	$(BIN)/python benchmarks/model_variants.py $(BUNDLES) ser_edge/pretrained
	$(if $(and $(RUNS),$(wildcard $(CLIP))),\
		$(BIN)/python benchmarks/startup.py --run $(firstword $(RUNS)) --clip $(CLIP),\
		@echo 'startup.py: left out, it needs RUNS and CLIP')
	$(BIN)/python benchmarks/stream_cost.py
	$(BIN)/python benchmarks/scaling.py $(firstword $(BUNDLES)) --corpora $(SPEECH)
	$(BIN)/python benchmarks/write_report.py

# Trains and exports ser_edge/pretrained again.
pretrained: $(VENV)/installed
	$(BIN)/python benchmarks/rebuild_pretrained.py $(SPEECH)

api: $(VENV)/installed
	$(BIN)/pdoc --docformat numpy --template-directory docs/api --output-directory build/api \
		ser_edge ser_edge.adaptation ser_edge.audio ser_edge.features ser_edge.frontend ser_edge.resampling \
		ser_edge.streaming ser_edge.verify

clean:
	rm -rf $(VENV) .nox build dist

# pip reads [dependency-groups] from 25.1 on.
$(VENV)/made: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14) and "training needs Python 3.10 to 3.13, this is " + sys.version.split()[0] + ": make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) 'pip>=25.1'
	touch $@

$(VENV)/demo: $(VENV)/made pyproject.toml
	$(PIP) --editable '.[export]'
	touch $@

$(VENV)/installed: $(VENV)/made pyproject.toml
	$(PIP) --editable '.[export,tflite]' --group dev
	touch $@
