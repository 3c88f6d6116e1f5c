# Everything a user runs. Each target prints the plain command it runs.
#
#   make run                              the default experiment
#   make run EXPERIMENT=negative_control  another one of config/experiments/, or path/to/mine.yaml
#   make plan                             what would run, and what it would take
#   make fetch                            bring an experiment's datasets here, and do nothing else
#   make why [STATE=em+identify SEED=0]   what would run again, and why
#   make published FILE=answers.parquet   published answers as a table (config/published/README.md)
#   make test                             set up and run the tests
#   make test-faults                      kill, fill and damage things in real runs
#   make test-extras                      install the optional packages and test what needs them
#   make test-cluster                     install a real Slurm (Debian, root) and run those on it
#
# PYTHON chooses the interpreter (3.11 or newer). Where there is no GPU, TORCH_INDEX=<PyTorch's CPU
# wheel index> fetches the smaller build of the same version (see pytorch.org, "Get started").

PYTHON ?= python3
EXPERIMENT ?=
STATE ?=
SEED ?=
FILE ?=
MAPPING ?=
CORES ?= $(shell nproc)
TORCH_INDEX ?=

BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
SNAKEMAKE := snakemake --cores $(CORES) $(if $(EXPERIMENT),--config experiment=$(EXPERIMENT))
PACKAGES := workflow_scripts tests benchmarks

.PHONY: run dry-run plan fetch why report published test test-extras test-faults test-cluster lint format readme benchmark clean

run: .venv/installed
	python -m selfsame.config.check $(EXPERIMENT)
	$(SNAKEMAKE) --logger selfsame
	@python workflow_scripts/show_results.py $(EXPERIMENT)

dry-run: .venv/installed
	python -m selfsame.config.check $(EXPERIMENT)
	$(SNAKEMAKE) --dry-run --quiet rules

plan: .venv/installed
	@python workflow_scripts/plan.py $(EXPERIMENT)

fetch: .venv/installed
	$(SNAKEMAKE) --logger selfsame -- datasets

why: .venv/installed
	python -m selfsame.why $(if $(EXPERIMENT),--experiment $(EXPERIMENT)) $(if $(STATE),--state $(STATE)) $(if $(SEED),--seed $(SEED))

report: .venv/installed
	$(SNAKEMAKE) --logger selfsame -- report

published: .venv/installed
	@python workflow_scripts/show_published.py $(FILE) $(if $(MAPPING),--mapping $(MAPPING))

test: .venv/installed
	OMP_NUM_THREADS=1 pytest --numprocesses $(CORES) --dist worksteal

test-faults: .venv/installed
	OMP_NUM_THREADS=1 pytest -m faults --numprocesses $(CORES) --dist worksteal tests/faults

test-extras: .venv/installed
	pip install --quiet --constraint requirements.lock --editable '.[quantised,benchmarks]'
	OMP_NUM_THREADS=1 pytest -m extras

test-cluster: .venv/installed
	python -m selfsame.cluster install
	pytest -m cluster --numprocesses 3 --dist loadfile tests/cluster  # they mostly wait

lint: .venv/installed
	ruff check $(PACKAGES)
	ruff format --check $(PACKAGES)
	snakefmt --check Snakefile rules tests/cluster
	snakemake --lint
	mypy
	python -m selfsame.config.generate --check
	PYTHONPATH=tests python -m contract.document --check

format: .venv/installed
	ruff check --fix $(PACKAGES)
	ruff format $(PACKAGES)
	snakefmt Snakefile rules tests/cluster
	python -m selfsame.config.generate
	PYTHONPATH=tests python -m contract.document

readme: .venv/installed
	python workflow_scripts/refresh_readme.py

benchmark: .venv/installed
	OMP_NUM_THREADS=1 python benchmarks/engine.py
	OMP_NUM_THREADS=1 python benchmarks/extraction.py
	OMP_NUM_THREADS=1 python benchmarks/persona.py
	OMP_NUM_THREADS=1 python benchmarks/tables.py
	python benchmarks/dag.py

clean:
	rm -rf results .snakemake .pytest_cache .mypy_cache .ruff_cache

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("selfsame needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@command -v nvidia-smi >/dev/null || [ -n "$(TORCH_INDEX)" ] || echo "no GPU found: TORCH_INDEX=<PyTorch's CPU wheel index> would fetch a smaller torch"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
