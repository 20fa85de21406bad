# Needs python3 and make; everything else goes into .venv. The work is done by the scripts in scripts/.
#   PYTHON=python3.12     the interpreter for .venv
#   LISTEN=host:port      where `make demo` serves
#   BENCH=quick           the size of `make bench` instead of full, which needs 5 GB in $TMPDIR
#   BENCH_PYTHON=python3  its interpreter instead of /usr/bin/python3
#   PYTEST_ARGS="..."     arguments of pytest in `make test` instead of -n auto
# `make install` and `make uninstall`, as root (scripts/install.sh tells more):
#   PYTHON, PREFIX, APP_DIR, DESTDIR    instead of /usr/bin/python3, /usr/local, /opt/logmetrics, and nothing before them
#   PURGE=1                             uninstall takes config and state, too
# `make deb` (scripts/build_deb.sh tells more):
#   DEB_ARCH=arm64  DEB_PYTHONS="3.11 3.12 3.13"  DEB_MAINTAINER="NAME <ADDRESS>"  DEB_COMPRESSION=xz

PYTEST_ARGS ?= -n auto
BENCH ?= full
BENCH_PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)

.PHONY: help venv demo test torture lint bench tools examples observation golden install uninstall deb clean
.NOTPARALLEL:

help: ## Show this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile

venv: ## Make .venv with logmetrics and what its tests need
	@bash scripts/make_env.sh test

demo: ## Serve the metrics of examples/logs on http://127.0.0.1:8001/metrics, status page at http://127.0.0.1:8001/
	@exec bash scripts/demo.sh

test: venv tools lint ## Run linters, type checker and all tests
	@exec .venv/bin/python -m pytest $(PYTEST_ARGS)

torture: venv tools ## Run the long forms: 10,000 simulated schedules, 1,000 kills, 1,000 reloads (about an hour)
	SIMULATION_SEEDS=10000 TORTURE_KILLS=1000 RELOADS=1000 .venv/bin/python -m pytest $(PYTEST_ARGS) tests/test_simulation.py tests/test_kill.py tests/test_reload.py

bench: ## Measure logmetrics against others and its limits, and write bench/RESULTS.md (half an hour; BENCH=quick: ten minutes)
	@VENV=.venv-bench PYTHON=$(BENCH_PYTHON) bash scripts/make_env.sh bench
	@bash scripts/bench_tools.sh
	@exec .venv-bench/bin/python -m bench --size $(BENCH)

lint: venv ## Run linters and type checker
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	.venv/bin/python -m mypy

tools:
	@bash scripts/test_tools.sh

examples: ## Write examples/logs anew, the same bytes each time
	@$${PYTHON:-python3} examples/make_logs.py

observation: venv ## Write the dashboards and alert rules in examples anew
	@.venv/bin/python scripts/observation.py

golden: venv ## Write tests/golden anew, to look at what changed
	@cd examples/logs && for log in */*; do \
		(cd ../.. && .venv/bin/logmetrics watch "examples/logs/$$log" --once >"tests/golden/$$(echo "$$log" | tr / -).prom"); \
	done

install: ## Install logmetrics as a service of this machine, or upgrade it (root)
	@bash scripts/install.sh install

uninstall: ## Stop and remove that service; config and state stay unless PURGE=1 (root)
	@bash scripts/install.sh uninstall

deb: venv ## Build a Debian package in dist/, which installs without network
	@PYTHON=.venv/bin/python bash scripts/build_deb.sh

clean: ## Remove .venv, caches and what was built
	rm -rf .venv .venv-bench .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
