# Every target installs what it needs. Only Python 3.11 to 3.13 and the package index are assumed.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  "$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow test-all test-prefect-oldest test-prefect-newest test-judges lint docs lock clean

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "labelyard needs Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	$(BIN)/python -m compileall -q labelyard cvat_sandbox flows tasks # once, not in each process of the first run
	touch $@

demo: $(STAMP)   ## Run the whole job on this machine: make demo ARGS='--keep'
	$(BIN)/labelyard demo $(ARGS)

# Four test processes on any machine: each starts its own PostgreSQL and object store, and waits for them half of the
# time. Byte code is kept even if the environment forbids it, because the tests start hundreds of Python processes.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

test: $(STAMP)   ## The quick tests, to run before each commit: make test ARGS='-k ledger'
	$(PYTEST) -p tests.support.scheduling -m 'not slow' --hypothesis-profile quick $(ARGS)

test-slow: $(STAMP)   ## The other tests: chaos runs, whole systems, further seeds; property tests with all examples
	$(PYTEST) -m 'slow or hypothesis' $(ARGS)

test-all: $(STAMP)   ## Every test
	$(PYTEST) $(ARGS)

# uv, from the development environment, installs these in a fraction of pip's time.
.venv-%/.installed: requirements-%.lock pyproject.toml | $(STAMP)
	$(PYTHON) -m venv $(@D)
	$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes -r $<
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	touch $@

# Prefect's public parts, on the oldest and the newest supported Prefect
test-prefect-oldest test-prefect-newest: test-%: .venv-%/.installed
	$(<D)/bin/python -m pytest -p no:cacheprovider tests/prefect/test_public_parts.py tests/prefect/test_steps.py \
	  tests/integration/supervisor/test_up.py $(ARGS)

# Dataset files, read by readers of other projects. Only here: their environment is large.
test-judges: test-%: .venv-%/.installed
	$(<D)/bin/python -m pytest -p no:cacheprovider tests/judges $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)   ## Generate the documents that are made from the code
	$(BIN)/python docs/generate.py
	$(BIN)/python -m tests.support.format_table

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
  --no-emit-index-url --custom-compile-command 'make lock' pyproject.toml
# pip in hash mode also needs a pin of the bare `sqlalchemy` if one package requires it and another its extra.
ADD_BARE_PIN = sed -n '/^sqlalchemy\[asyncio\]/,/^    \# via/{s/\[asyncio\]//;/^    \# via/!p;}' $(1) > $(1).bare && \
  cat $(1).bare >> $(1) && rm $(1).bare

lock: | $(BIN)/uv   ## Pin all dependencies again from pyproject.toml
	$(COMPILE) --all-extras -o requirements.lock
	$(call ADD_BARE_PIN,requirements.lock)
	for group in prefect-oldest prefect-newest judges; do \
	  $(COMPILE) --extra demo --group $$group -o requirements-$$group.lock; \
	  $(call ADD_BARE_PIN,requirements-$$group.lock); \
	done

$(BIN)/uv:
	$(MAKE) $(STAMP)

clean:
	rm -rf $(VENV) .venv-prefect-* .venv-judges .mypy_cache .ruff_cache .pytest_cache
