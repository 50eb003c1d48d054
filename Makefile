# Everything below sets up what it needs; only a Python of 3.11 to 3.13 and the package index are assumed.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  "$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint docs lock clean

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "labelyard needs Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	touch $@

demo: $(STAMP)   ## The main job for real, on this machine: make demo ARGS='--keep'
	$(BIN)/labelyard demo $(ARGS)

# Two processes, whatever the machine: each starts its own PostgreSQL, object store and Prefect server.
test: $(STAMP)   ## The whole test suite: make test ARGS='-k ledger'
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)   ## The documents that are made from the code
	$(BIN)/python docs/generate.py

# pip in hash mode wants the bare name pinned too when one package asks for `sqlalchemy` and another for its extra.
lock: | $(BIN)/uv   ## Pin everything anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --all-extras \
	  --no-emit-index-url --custom-compile-command 'make lock' pyproject.toml -o requirements.lock
	sed -n '/^sqlalchemy\[asyncio\]/,/^    # via/{s/\[asyncio\]//;/^    # via/!p;}' requirements.lock > requirements.lock.bare
	cat requirements.lock.bare >> requirements.lock
	rm requirements.lock.bare

$(BIN)/uv:
	$(MAKE) $(STAMP)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
