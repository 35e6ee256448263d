# Needs Python 3.11 as python3, and make. Everything else is in requirements.lock.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: setup demo test lint bench torture dictionary airflow lock clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)

demo: setup
	$(VENV)/bin/riskline demo

# A file's tests are one worker's, for they share what they set up. In the order of the folders the
# slow ones come first, where by the number of tests they would come last, and one worker be alone
# with them at the end.
test: lint
	$(VENV)/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# What takes longer than a test may: speeds, memory and growth, printed as they are measured.
bench: setup
	$(VENV)/bin/python -m pytest -s tests/benchmarks/bench_*.py

# Faults injected for real, each as often as it takes to believe it, and a whole month of nights.
torture: setup
	TORTURE=1 $(VENV)/bin/python -m pytest -s tests/faults tests/integration/test_month.py

# The pages data_contracts/README.md, from the contracts, and pipeline/features/README.md, from the
# declarations, with data_contracts/lake/.
dictionary: setup
	$(VENV)/bin/python -m pipeline.contracts.dictionary
	$(VENV)/bin/python -m pipeline.features.dictionary

airflow: setup
	$(VENV)/bin/riskline airflow

# Resolves the newest versions that pyproject.toml allows, for every platform, with hashes.
lock: setup
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --extra dev --upgrade pyproject.toml --output-file requirements.lock

clean:
	-$(VENV)/bin/riskline stop
	rm -rf $(VENV) .risk
