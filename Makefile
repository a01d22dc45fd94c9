# Two commands for everybody: `make demo` and `make test`. Each sets up its own environment in .venv first.
SHELL := /bin/bash
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYANNOTE_METRICS_ENABLED := false
export DVC_NO_ANALYTICS := 1

.PHONY: help setup demo test lint workflow bench clean

help:
	@echo "make demo   songs made by models trained here, from songs made here: about 20 minutes on 2 cores"
	@echo "make test   lint, workflow checks, tests"
	@echo "make bench  every figure against its rival"
	@echo "make setup  only the environment: .venv"

setup: .venv/.complete

# pip takes a CPU wheel of torch where one is in reach, the CUDA build elsewhere.
.venv/.complete: pyproject.toml constraints.txt requirements-nodeps.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "songcreator needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@command -v cc >/dev/null || command -v gcc >/dev/null \
	  || { echo "a C compiler is needed once, for pyworld: apt-get install gcc, or your system's equivalent"; exit 1; }
	@command -v git >/dev/null || { echo "git is needed (DVC asks it): apt-get install git"; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-nodeps.txt
	@touch $@

demo: setup
	dvc repro
	@echo
	@echo "The page: file://$(CURDIR)/results/report/index.html"

test: lint workflow
	pytest -n 2 --dist loadgroup

lint: setup
	ruff check .
	ruff format --check .
	mypy

workflow: setup
	snakefmt --check Snakefile workflow/rules
	snakemake --lint
	snakemake -n --cores all --quiet
	snakemake -n --cores all --profile slurm --quiet

bench: setup
	@set -e; for benchmark in benchmarks/*.py; do \
	  name=$$(basename $$benchmark .py); echo "== $$name"; \
	  python $$benchmark --json benchmarks/out/$$name.json; done

clean:
	rm -rf data models runs results logs
