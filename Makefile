# Everything a developer types. What CI runs is here too, so that both mean the same.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
# Not from the environment: there, ENV is the name of a start-up file of sh.
ifneq ($(origin ENV),command line)
ENV := $(or $(TAP_ENVIRONMENT),dev)
endif
ARGS ?=
venv := .venv/bin

export CHECKPOINT_DISABLE := 1
# Without it, pytest and every command that is started would compile all modules each time.
unexport PYTHONDONTWRITEBYTECODE
export TAP_ENVIRONMENT := $(ENV)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup ## deploy to an embedded AWS and watch prices become alerts
	@$(venv)/python -m lib.local.demo

.PHONY: local
local: setup ## keep TapStack on an embedded AWS for ./alerts, until Ctrl-C; its data stays
	@$(venv)/python -m lib.local.keep

.PHONY: local-stop
local-stop: setup ## end make local from another terminal
	@$(venv)/python -m lib.local.keep --stop

# Tests of one file run one after the other. Those that deploy mostly wait: more workers than cores.
WORKERS ?= 3
pytest := $(venv)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: test
test: setup ## run all tests that a change needs; coverage of lib/ must be complete
	@$(pytest) --cov --cov-report=term

.PHONY: unit
unit: setup ## run the tests that need no deployment
	@$(pytest) tests/unit

# What Lambda runs the function on (lib/stacks/alert_function.py).
RUNTIME := python3.13
tests_of_function = $$(grep -rlE '^(from|import) (price_alerts|index)|load_index' tests/unit --include='test_*.py')

.PHONY: runtime
runtime: setup ## run the function's tests on Lambda's Python, if installed
	@if $(RUNTIME) -c '' 2> /dev/null; then \
		$(MAKE) --no-print-directory .cache/$(RUNTIME)/installed; \
		.cache/$(RUNTIME)/bin/python -m pytest -n $(WORKERS) --dist loadfile $(tests_of_function); \
	else \
		echo "$(RUNTIME), which Lambda runs the function on, is not there: nothing was run"; \
		test "$${CI:-}" != true; \
	fi

.PHONY: deep
deep: setup ## run the tests that take minutes: new random histories, scanners, soak, successor
	@$(pytest) -m deep

.PHONY: mutation
mutation: setup ## plant the mistakes of docs/mutants.csv, and list which of them the tests find
	@PYTHONPATH=.:lib/lambda $(venv)/python -m tests.mutation $(ARGS)

.PHONY: check
check: lint test ## run all that CI runs

.PHONY: release
release: setup ## check a version, tag it and write its notes (VERSION=1.0.0)
	@$(venv)/python -m tools.release --check $(VERSION)
	@$(MAKE) --no-print-directory check
	@$(venv)/python -m tools.release $(VERSION)

.PHONY: lint
lint: setup ## ruff, mypy and import-linter
	@$(venv)/ruff check .
	@$(venv)/ruff format --check .
	@$(venv)/mypy
	@PYTHONPATH=.:lib/lambda $(venv)/lint-imports --no-cache --no-logo

.PHONY: faults
faults: setup ## strike every AWS call of the function in every way, and count what is lost
	@PYTHONPATH=.:lib/lambda $(venv)/python -m tests.faults

.PHONY: simulate
simulate: setup ## play random histories in a simulated AWS, and count what is lost (ARGS="--histories 1000")
	@PYTHONPATH=.:lib/lambda $(venv)/python -m tests.simulation $(ARGS)

.PHONY: soak
soak: setup ## send 100,000 prices while invocations are killed, and count what is lost
	@PYTHONPATH=.:lib/lambda $(venv)/python -m tests.soak $(ARGS)

.PHONY: bench
bench: setup ## measure speed and cost against three others (ARGS=--write: into docs/)
	@PYTHONPATH=.:lib/lambda $(venv)/python -m benchmarks $(ARGS)

.PHONY: scan
scan: setup ## scan the stack, its policies, the code and its dependencies
	@$(venv)/python -m pytest -m deep tests/integration/test_scans.py

.PHONY: successor
successor: setup ## synthesize with cdktn, cdktf's successor, and show what differs
	@$(venv)/python -m tools.successor

.PHONY: docs
docs: setup ## write the generated parts of docs/
	@$(venv)/python -m tools.docs.settings_table
	@$(venv)/python -m tools.docs.cdktf_schema
	@PYTHONPATH=.:lib/lambda $(venv)/python -m tools.docs.truth_table
	@$(venv)/python -m tools.docs.dashboard_picture

.PHONY: picture
picture: setup ## draw docs/terminal.svg from commands that are run on a local stack
	@$(venv)/python -m tools.docs.terminal_picture

.PHONY: snapshots
snapshots: setup ## write what the stacks are synthesized to into tests/unit/stacks/
	@PYTHONPATH=.:lib/lambda $(venv)/python -m tests.unit.stacks.snapshots

.PHONY: synth
synth: setup ## write the Terraform configuration to cdktf.out/ (ENV=dev)
	@$(cdktf) synth $(ARGS)

.PHONY: preflight
preflight: setup ## report what would make a deployment fail, and what helps (ENV=dev)
	@$(venv)/python -m lib.deploy.preflight $(ENV)

.PHONY: plan
plan: synth ## show what a deployment would change, and change nothing (ENV=dev)
	@$(venv)/python -m lib.deploy.plan

.PHONY: smoke
smoke: setup ## send a price through the deployed stack, and wait for its alert (ENV=dev)
	@PYTHONPATH=.:lib/lambda $(venv)/python -m lib.deploy.smoke $(ARGS)

.PHONY: deploy
deploy: setup $(if $(filter no,$(PREFLIGHT)),,preflight) ## deploy to your AWS account, unless preflight objects (ENV=dev, PREFLIGHT=no)
	@$(cdktf) deploy tap-$(ENV) $(ARGS)
	@$(venv)/python -m lib.deploy.next_steps $(ENV)

.PHONY: destroy
destroy: setup ## report what will be lost, and destroy what deploy made (ENV=dev)
	@PYTHONPATH=.:lib/lambda $(venv)/python -m lib.deploy.losses $(ENV)
	@$(cdktf) destroy tap-$(ENV) $(ARGS)

.PHONY: migrate
migrate: setup ## move a stack's state from this folder to cdktf.json's backend (ENV=state: make its bucket)
	@$(venv)/python -m lib.backend.migrate $(ARGS)

cdktf := node_modules/.bin/cdktf

.PHONY: setup
setup: .venv/installed node_modules/installed ## install what is needed, once

# Compiling the 2,200 modules of the AWS bindings would take longer than all the rest.
install := install --quiet --disable-pip-version-check --require-hashes --no-compile -r requirements.txt
.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it: make PYTHON=python3.12")'
	@echo "Installing Python packages into .venv (a minute or two, once) ..."
	@$(PYTHON) -m venv .venv
	@$(venv)/python -m pip $(install)
	@$(venv)/python -m compileall -q -j 0 -x cdktf_cdktf_provider_aws .venv/lib || true
	@touch $@

.cache/$(RUNTIME)/installed: requirements.txt
	@echo "Installing Python packages into .cache/$(RUNTIME) (a minute or two, once) ..."
	@$(RUNTIME) -m venv --clear .cache/$(RUNTIME)
	@.cache/$(RUNTIME)/bin/python -m pip $(install)
	@touch $@

node_modules/installed: package-lock.json | .venv/installed
	@$(venv)/python -m lib.deploy.preflight.node
	@echo "Installing the cdktf command into node_modules (half a minute, once) ..."
	@npm ci --silent --no-audit --no-fund
	@touch $@

# What has a virtual environment of its own (lib/local/virtual_environment.py).
beside := emulator checkov auditors workflows fuzzer mutation successor terraform terraform-1-6 terraform-1-9 terraform-1-10

# The lock names no index: each installation uses the one that its pip is set up for.
.PHONY: lock
lock: ## resolve Pipfile and both package.json again and generate the requirement files
	@$(PYTHON) -m venv .cache/pipenv
	@.cache/pipenv/bin/python -m pip install --quiet --disable-pip-version-check pipenv==2026.10.3
	@PIPENV_IGNORE_VIRTUALENVS=1 WORKON_HOME=.cache PIPENV_QUIET=1 .cache/pipenv/bin/pipenv lock \
		--categories "packages dev-packages $(beside)"
	@$(PYTHON) -c 'import json, pathlib; path = pathlib.Path("Pipfile.lock"); lock = json.loads(path.read_text()); \
		lock["_meta"]["sources"] = []; path.write_text(json.dumps(lock, indent=4) + "\n")'
	@export PIPENV_IGNORE_VIRTUALENVS=1 WORKON_HOME=.cache; requirements=".cache/pipenv/bin/pipenv requirements --hash --exclude-index"; \
		$$requirements --dev > requirements.txt; \
		for category in $(beside); do $$requirements --categories $$category > lib/local/$$category-requirements.txt; done
	@for folder in . tests/iam; do \
		npm install --prefix $$folder --package-lock-only --silent --omit-lockfile-registry-resolved; \
	done
