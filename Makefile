# The developer's verbs. Each is one line over a script that also runs by itself.
.DEFAULT_GOAL := help
.PHONY: help install venv lock qualify qualify-disagg soak soak-healthy faults test lint types report clean
RUN ?= runs/latest
CYCLES ?= 25
RUNS ?= 20

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r verb what; do printf '  make %-14s %s\n' "$$verb" "$$what"; done

install: ## Debian packages, .venv, the testbed's image: what is missing of it (as root)
	@ci/install.sh

venv: ## only .venv: all that a real cluster's head node needs (no root)
	@ci/venv.sh

qualify: ## the whole proof on this machine: install, testbed up, pytest -m agg --nodes 4, report, testbed down
	@ci/verb.sh qualify

qualify-disagg: ## the same for prefill and decode workers: pytest -m disagg --nodes 8
	@ci/verb.sh qualify-disagg

soak: ## one small deployment made and stopped CYCLES times (default 25): nothing may drift
	@ci/verb.sh soak "$(CYCLES)"

soak-healthy: ## the smallest deployment qualified RUNS times in a row (default 20) beside a busy core: all must be PASS
	@ci/verb.sh soak-healthy "$(RUNS)"

faults: ## break a testbed in every way of testbed/faults, and write docs/track-record.md (35 min)
	@ci/verb.sh faults

test: ## lint, types, tests of the suite itself, then both jobs of the suite on the testbed
	@ci/verb.sh test

lint: venv ## ruff: rules and format
	@.venv/bin/ruff check . && .venv/bin/ruff format --check --output-format concise .

types: venv ## mypy --strict, tests included
	@.venv/bin/mypy

report: venv ## render RUN=runs/<id> (default: the latest run), and ask whether it may decide about a release
	@.venv/bin/python -m ci.report "$(RUN)"

lock: venv ## write constraints.lock.txt anew after a change of pins
	@ci/lock.sh

clean: ## what tools and runs left in the checkout; .venv and the cache stay
	@ci/clean.sh
