# Everything a developer does here, by name. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up down images install token demo python packages check format unit integration e2e test ready run-integration run-api run-analysis run-refactoring run-test-generation run-runners run-pod-faults run-cluster run-operator run-queues run-e2e run-endings run-chart run-demos run-faults run-killed run-promises kwok \
  bench-latency bench-analysis bench-refactoring bench-resources bench-test-generation bench-throughput bench-scale bench-faults bench-webhooks crds format-check lint types types-local-cluster imports chart scripts

export PATH := $(CURDIR)/.local/bin:$(PATH)
export KUBECONFIG := $(CURDIR)/.local/kubeconfig
export MYPY_CACHE_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/forge-jobs/mypy
unexport PYTHONDONTWRITEBYTECODE   # else each program of a session compiles all that it imports, every time
BIN := .venv/bin
WITH_PODS := run-operator run-queues run-killed run-e2e run-endings run-chart run-demos   # sessions of tests, see below
WITHOUT_CLUSTER := run-pod-faults run-test-generation run-refactoring run-runners run-analysis run-integration run-api   # the longest first
# A temporary folder of its own for each session: sessions that run side by side remove one another's otherwise.
PYTEST = folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(BEFORE) $(BIN)/python -m pytest -q --basetemp="$$folder/pytest"
TENANT ?= demo
N ?= 1000
# USER is a variable of every shell; only one that was given to make is meant
ifeq ($(origin USER),command line)
TOKEN_USER := $(USER)
else
TOKEN_USER := me
endif

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## bring up this clone's kind cluster; safe to repeat
	@local-cluster/up.sh

down: ## remove it, and what no other clone uses
	@local-cluster/down.sh

images: up ## build the images and push them to the local registry
	@local-cluster/images.sh

install: images ## install or upgrade Forge Jobs on the cluster
	@local-cluster/install.sh

token: ## print a token for the local cluster's API: make token TENANT=demo USER=me
	@local-cluster/token.sh $(TENANT) $(TOKEN_USER)

demo: install python ## a real job of a kind, watched: make demo [KIND=analysis] [REPO=url-or-folder]
	@local-cluster/demo.sh "$(KIND)" "$(REPO)"

test: packages python ## everything, from a clean clone on
	@$(MAKE) --no-print-directory -j3 --output-sync=target check unit ready
	@$(MAKE) --no-print-directory -j11 --output-sync=target $(WITH_PODS) run-faults run-cluster $(WITHOUT_CLUSTER) run-promises

ready:   # by itself, so that the cluster starts while others compute
	@$(MAKE) --no-print-directory install kwok

check: python ## format, lint, types, imports, chart: under a minute
	@$(MAKE) --no-print-directory -j4 --output-sync=target format-check lint types types-local-cluster imports chart scripts

unit: python ## unit and property tests
	@$(PYTEST) tests/unit --ignore=tests/unit/chart   # those are a part of `make check`

integration: install python packages $(WITHOUT_CLUSTER) run-cluster run-operator run-queues ## tests against a real PostgreSQL, Redis, git and Kubernetes API

e2e: install python kwok run-e2e run-endings run-chart run-demos run-killed run-faults ## tests on the cluster, where Forge Jobs is installed

# The sessions of `make test`. Those that wait for pods most of their time go side by side; what needs no pods begins
# when the first of them are over. The faults, which take away the node that pods are on, come after them.
OF_QUEUES := $(addprefix tests/integration/operator/,test_live_changes.py test_explaining.py test_stalls.py test_timelines.py)

run-operator:
	@$(PYTEST) --durations=5 tests/integration/operator $(addprefix --ignore=,$(OF_QUEUES))

run-queues:
	@$(PYTEST) --durations=5 $(OF_QUEUES)

run-e2e:
	@$(PYTEST) --durations=5 tests/e2e $(addprefix --ignore=tests/e2e/,test_demo.py endings chart away killed sandbox faults promises)

run-endings:
	@$(PYTEST) --durations=5 tests/e2e/endings

run-chart:   # on installations of their own, as those of run-killed are
	@$(PYTEST) --durations=5 tests/e2e/chart tests/e2e/away

run-killed:
	@$(PYTEST) --durations=5 tests/e2e/killed

run-demos:
	@$(PYTEST) --durations=5 tests/e2e/test_demo.py tests/e2e/sandbox

run-faults: $(WITH_PODS)
	@$(PYTEST) --durations=5 tests/e2e/faults

run-operator run-queues run-killed run-chart: BEFORE = nice   # they leave more to their pods by it
run-cluster $(WITHOUT_CLUSTER): private BEFORE = nice -n 19   # private: not of those that they wait for

run-cluster: run-operator run-queues run-killed run-chart   # the API server alone; run-chart changes the definitions
	@$(PYTEST) --durations=5 -m cluster tests/integration --ignore=tests/integration/operator

$(WITHOUT_CLUSTER): run-operator run-queues   # they fill the time that those with pods leave

run-integration:
	@$(PYTEST) --durations=5 -m "not cluster" tests/integration $(addprefix --ignore=,$(addprefix tests/integration/,operator api analysis runner refactoring test_generation workspace))

run-api:
	@$(PYTEST) --durations=5 -m "not cluster" tests/integration/api

run-analysis:
	@$(PYTEST) --durations=5 tests/integration/analysis

run-refactoring:
	@$(PYTEST) --durations=5 tests/integration/refactoring tests/integration/workspace

run-test-generation:
	@$(PYTEST) --durations=5 tests/integration/test_generation

run-runners:
	@$(PYTEST) --durations=5 tests/integration/runner --ignore=tests/integration/runner/faults

run-pod-faults:
	@$(PYTEST) --durations=5 tests/integration/runner/faults

run-promises: run-faults run-cluster   # alone on the cluster: the API server stands still in it
	@$(PYTEST) tests/e2e/promises

format: python ## format the sources, and mend what ruff can mend safely
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench-latency: install python ## from apply to the runner's first line, against a bare Job
	@$(BIN)/python -m bench.latency

bench-analysis: install python ## the demo's repository in the runner's image on one CPU, against pylint
	@$(BIN)/python -m bench.analysis

bench-refactoring: python ## refactorings of real repositories, on this machine without a cluster: [ONLY=sphinx-9.0.4]
	@$(BIN)/python -m bench.refactoring $(ONLY)

bench-resources: python ## memory and processor time of each kind's runner, without a cluster: [ONLY=analysis]
	@$(BIN)/python -m bench.resources $(ONLY)

bench-test-generation: python ## tests made for real packages, on this machine without a cluster, as root [ONLY="boltons-25.0.0"]
	@$(BIN)/python -m bench.testgen $(ONLY)

bench-throughput: install python kwok ## N AnalysisJobs against N bare Jobs on simulated nodes: make bench-throughput N=1000
	@N=$(N) $(BIN)/python -m bench.throughput

bench-scale: install python kwok ## N AnalysisJobs running at once, a restart and an urgent job at the peak: make bench-scale N=10000
	@N=$(if $(filter file,$(origin N)),10000,$(N)) $(BIN)/python -m bench.scale

bench-faults: install python ## the promises under faults on the real cluster: make bench-faults [SEED=n] [QUICK=20] [SLOW=3]
	@SEED=$(SEED) QUICK=$(or $(QUICK),20) SLOW=$(or $(SLOW),3) $(BIN)/python -m bench.faults

bench-webhooks: install python ## from an event to the first call of an endpoint, one at a time and 50 at once against bare Jobs
	@$(BIN)/python -m bench.webhooks

python:
	@local-cluster/python.sh project

packages:
	@local-cluster/packages.sh base test

kwok:
	@local-cluster/tools.sh kwok

PACKAGES := forge_core forge_operator forge_api forge_clones forge_runner forge_sandbox tests bench

format-check:
	$(BIN)/ruff format --check

lint:
	$(BIN)/ruff check

EMPTY :=
KINDS := $(patsubst %/forge_kinds,%,$(wildcard job-images/*/forge_kinds))   # each is a place where modules are found
MODULES := $(patsubst %.py,%,$(notdir $(wildcard job-images/*/forge_kinds/[a-z]*)))
types:
	@MYPYPATH=$(subst $(EMPTY) ,:,$(strip $(KINDS))) $(BIN)/mypy $(addprefix -p ,$(PACKAGES) $(addprefix forge_kinds.,$(MODULES)))

types-local-cluster:   # programs that stand alone, each checked as one; mypy's cache is for one process at a time
	@for program in local-cluster/*.py local-cluster/git-server/*.py job-images/*.py job-images/*/demo.py; do $(BIN)/mypy --cache-dir $(MYPY_CACHE_DIR)/alone --no-error-summary "$$program" || exit 1; done

imports:
	$(BIN)/lint-imports

crds: python ## compose the definitions from the kinds' schemas, and copy them into the chart
	@$(BIN)/python job-images/config_schema.py

chart:
	@$(BIN)/python job-images/config_schema.py --check
	@local-cluster/tools.sh helm
	helm lint --quiet helm/forge-jobs
	@$(PYTEST) tests/unit/chart

scripts:
	@if command -v shellcheck >/dev/null; then shellcheck -x local-cluster/*.sh local-cluster/bare-machine/*.sh .ci/run; \
	else echo "shellcheck is not installed: scripts not checked"; fi
