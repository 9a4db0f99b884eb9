# `make` lists the targets. Needed: Python 3.11 to 3.13, make, a package index.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first of these that is installed; `make test PYTHON=/path/to/python`
# takes another.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,\
	$(if $(shell command -v $(name)),$(name))))
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BACKENDS_INSTALLED := $(VENV)/.installed-backends

export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# What `make test-backends` runs on; `make test-backends BACKENDS=jax` for one.
BACKENDS ?= tensorflow jax torch
# The tests of what does not need TensorFlow.
BACKENDS_TESTS := tests/layers tests/ops tests/decoding tests/test_docstrings.py \
	tests/training/test_gradient_reach.py

SENTENCE := 我爱中国
DEMO := runs/demo

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' \
		$(MAKEFILE_LIST)

.PHONY: install
install: $(INSTALLED) ## Install the package and its tools into .venv

$(INSTALLED): setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python found: install Python 3.11," \
		"3.12 or 3.13, or give one: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "Expected Python 3.11 to 3.13, got" \
		"$$($(PYTHON) --version). Give another: make PYTHON=/path/to/python" \
		>&2; exit 1; }
	@echo "Installing into $(VENV): a few minutes the first time."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

.PHONY: demo
demo: $(INSTALLED) ## Translate with the shipped model, then train a tiny one
	@mkdir -p $(DEMO)
	@echo "== The shipped model zh_en: $(SENTENCE)"
	@$(BIN)/zoo translate zh_en "$(SENTENCE)" --plot "$(DEMO)/$(SENTENCE).png"
	@echo "== Training the preset tiny: about three minutes"
	@$(BIN)/python -m recipes.translate --preset tiny --name tiny
	@echo "== The model that was just trained: $(SENTENCE)"
	@$(BIN)/zoo translate runs/tiny/model/1 "$(SENTENCE)"

.PHONY: test
test: $(INSTALLED) ## Run the tests
	@$(BIN)/python -m pytest -n auto --dist loadfile

.PHONY: test-slow
test-slow: $(INSTALLED) ## Run the tests that take minutes as well
	@$(BIN)/python -m pytest -n auto --dist loadfile -m "slow or not slow"

.PHONY: test-backends
test-backends: $(BACKENDS_INSTALLED) ## Run the layers on every Keras backend
	@for backend in $(BACKENDS); do \
		echo "== KERAS_BACKEND=$$backend"; \
		KERAS_BACKEND=$$backend $(BIN)/python -m pytest \
			-n auto --dist loadfile $(BACKENDS_TESTS); \
	done

$(BACKENDS_INSTALLED): $(INSTALLED)
	@echo "Installing JAX and PyTorch into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable '.[backends]'
	@touch $@

.PHONY: lint
lint: $(INSTALLED) ## Check format and style
	@$(BIN)/ruff format --check --quiet . \
		|| { echo "Run 'make format'." >&2; exit 1; }
	@$(BIN)/ruff check --quiet .

.PHONY: format
format: $(INSTALLED) ## Bring the code into format
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

.PHONY: bench
bench: $(INSTALLED) ## Time the recurrent layers against Keras's
	@$(BIN)/python -m benchmarks.recurrent_layers

.PHONY: wheel
wheel: $(INSTALLED) ## Build the wheel into dist/
	@$(BIN)/python -m build --wheel

.PHONY: clean
clean: ## Remove the environment, caches and builds (not runs/)
	@rm -rf $(VENV) build dist .pytest_cache .ruff_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
