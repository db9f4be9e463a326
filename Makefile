# make demo and make test set everything up themselves. EXTRA_INDEX adds a package index, for example
#   make demo EXTRA_INDEX=https://download.pytorch.org/whl/cpu
# which avoids the CUDA build of torch on a machine without a GPU. make bench PAPER=folder adds a checkout of the paper's code.

PYTHON ?= python3
EXTRA_INDEX ?=
BIN := .venv/bin
PIP_INDEX := $(if $(EXTRA_INDEX),--extra-index-url $(EXTRA_INDEX))

export HF_HUB_OFFLINE = 1
export TOKENIZERS_PARALLELISM = false

.PHONY: setup setup-dev demo test test-all test-pythons release-check integrations docs check bench clean

setup: .venv/ready
setup-dev: .venv/ready-dev

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'ramify needs Python 3.11 or later')"
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_INDEX) -c constraints.txt -e '.[train,report,view]'
	touch $@

.venv/ready-dev: .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_INDEX) -c constraints.txt -e '.[train,report,view,dev]'
	touch $@

demo: .venv/ready
	$(BIN)/ramify run quickstart

test: check
	$(BIN)/pytest tests -n 2

test-all: check integrations
	$(BIN)/pytest tests -m "not release"

# Builds the sdist and the wheel, and tests the wheel in separate environments, with and without extras.
release-check: .venv/ready-dev
	$(if $(EXTRA_INDEX),PIP_EXTRA_INDEX_URL=$(EXTRA_INDEX)) $(BIN)/pytest -s -m "" tests/test_release.py

test-pythons: .venv/ready-dev
	$(BIN)/pytest -s -rs -m "" tests/test_pythons.py

# Other evaluators and trainers pin conflicting packages, so each has a separate environment for the slow tests. It
# inherits from .venv and only has the differences.
integrations: .venv-evals/ready .venv-verifiers/ready .venv-verl/ready

.venv-%/ready: tests/integrations/%.txt .venv/ready-dev
	$(BIN)/python -m venv .venv-$*
	$(BIN)/python -c "import sysconfig; print(f'import site; site.addsitedir({sysconfig.get_path(\"purelib\")!r})')" > .venv-$*/base.pth
	cp .venv-$*/base.pth "$$(.venv-$*/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	grep -v '^openai=' constraints.txt > .venv-$*/constraints.txt  # their pins of it contradict each other
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_INDEX) -c .venv-$*/constraints.txt -r $<
	test ! -f tests/integrations/$*-alone.txt || .venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/integrations/$*-alone.txt
	touch $@

check: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	$(BIN)/pytest --doctest-modules --doctest-glob='*.md' --ignore=src/ramify/adapters/inspect.py --ignore=src/ramify/adapters/verifiers.py src README.md docs/walkthrough.md

docs: .venv/ready-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

bench: .venv/ready-dev
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_INDEX) -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/core.py $(if $(PAPER),--paper $(PAPER))

clean:
	rm -rf .venv .venv-* site build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
