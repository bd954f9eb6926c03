# esmon: `make help` lists what is here.
# Needs Go, Node.js and git; `make test` also Debian's packages named below,
# which it installs itself as root.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help build run run-cluster test generate lint fmt dev bench bench-cluster bench-alerts chaos compare images check-packaging lint-dashboard test-go test-race test-e2e test-dashboard test-browser check-generated check-cross baseline clean

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
GOBUILD := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
BUF     := .tools/node_modules/.bin/buf
LINT    := .cache/bin/golangci-lint

# Real programs that the tests compare with and drive.
TEST_PACKAGES := chromium openssl prometheus prometheus-alertmanager prometheus-node-exporter strace zstd

# What the platform runs on as several processes.
BACKEND_PACKAGES := rabbitmq-server postgresql postgresql-client

# Where several goroutines share state: these run under the race detector, too.
RACE := ./services/bus/... ./services/collector/... ./services/tsdb/... ./services/storage/... \
	./services/live/... ./services/control/... ./services/lease/... ./services/route/... ./services/cluster/... ./services/relay/... ./services/alerting/... ./services/dispatch/... ./services/db/queuetable/... ./agent/schedule/... ./agent/spool/... ./agent/uplink/...

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

## ---- build and run

build: bin/esmon bin/esmon-agent ## bin/esmon, with the dashboard in it, and bin/esmon-agent

GO_SOURCES := $(shell find agent gateway services gen dashboard -name '*.go' -not -path '*/node_modules/*' 2>/dev/null) go.mod go.sum
EMBEDDED   := $(shell find services gateway agent -type f \( -name '*.sql' -o -name '*.zst' -o -name '*.html' -o -name '*.css' -o -name '*.js' \) 2>/dev/null)

bin/esmon: $(GO_SOURCES) $(EMBEDDED) dashboard/dist/index.html
	$(GOBUILD) -o $@ ./services/cmd/esmon

bin/esmon-agent: $(GO_SOURCES)
	$(GOBUILD) -o $@ ./agent/cmd/esmon-agent

DASHBOARD_SOURCES := $(shell find dashboard/src -type f 2>/dev/null) $(wildcard dashboard/*.ts dashboard/*.json dashboard/*.html) gen/ts/schema.d.ts

dashboard/dist/index.html: dashboard/node_modules/.package-lock.json $(DASHBOARD_SOURCES)
	cd dashboard && npm run --silent build
	@touch $@

dashboard/node_modules/.package-lock.json: dashboard/package-lock.json
	cd dashboard && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.tools/node_modules/.package-lock.json: .tools/package-lock.json
	cd .tools && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

run: build ## the whole platform and an agent on this host, in the foreground; data in ./data
	@.tools/run

run-cluster: build ## the same as a process per target, over a throwaway RabbitMQ and PostgreSQL
	.tools/install-packages $(BACKEND_PACKAGES)
	@.tools/run-cluster

dev: build ## the dashboard with hot reload, in front of a server started by `make run`
	cd dashboard && npm run dev

## ---- contracts

generate: .tools/node_modules/.package-lock.json ## everything in gen/ from proto/
	.tools/generate

baseline: .cache/proto/google/api/http.proto ## accept the contracts as they are as what later ones must not break (at a release)
	$(BUF) build proto -o .tools/contracts.binpb

# What proto/ imports, from a pinned package.
.cache/proto/google/api/http.proto: .tools/node_modules/.package-lock.json
	@mkdir -p $(@D) && cp .tools/node_modules/google-proto-files/google/api/{annotations,http}.proto $(@D)

check-generated: .tools/node_modules/.package-lock.json
	.tools/check-generated

## ---- check

$(LINT): .tools/go.mod
	cd .tools && go build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

lint: $(LINT) .cache/proto/google/api/http.proto ## the linters of Go and proto
	$(BUF) lint && $(BUF) format --diff --exit-code
	$(LINT) run ./...

lint-dashboard: dashboard/node_modules/.package-lock.json ## the dashboard's linter
	cd dashboard && npm run --silent lint

fmt: $(LINT) .cache/proto/google/api/http.proto ## format Go and proto
	$(BUF) format -w
	$(LINT) fmt

check-cross: ## the agent compiles for every system it runs on
	@for target in linux/amd64 linux/arm64 windows/amd64 windows/arm64 darwin/amd64 darwin/arm64; do \
		echo "agent for $$target"; \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} go vet ./agent/... || exit 1; \
	done

test: ## every test there is; installs what they need
	.tools/install-packages $(TEST_PACKAGES) $(BACKEND_PACKAGES)
	$(MAKE) --no-print-directory check-generated lint lint-dashboard build
	$(MAKE) --no-print-directory test-dashboard check-cross test-go test-race test-e2e test-browser

test-go:
	go test -timeout 20m ./agent/... ./gateway/... ./gen/... $$(go list ./services/... | grep -v /services/e2e)

	cd services/packaging/check && go test -count=1 ./...

test-race:
	go test -race -short -timeout 20m $(RACE)

test-e2e: build ## the built binaries, with faults
	ESMON_BIN=$(CURDIR)/bin/esmon ESMON_AGENT_BIN=$(CURDIR)/bin/esmon-agent go test -timeout 20m -count=1 ./services/e2e/...

test-dashboard: dashboard/node_modules/.package-lock.json
	cd dashboard && npm run --silent typecheck && npm run --silent test

test-browser: build
	cd dashboard && ESMON_BIN=$(CURDIR)/bin/esmon ESMON_AGENT_BIN=$(CURDIR)/bin/esmon-agent npm run --silent test:browser

## ---- package

images: build ## container images of server and agent, by buildah, as root
	.tools/install-packages buildah
	services/packaging/images/build

check-packaging: ## units, images and manifests against the tools that read them
	.tools/validate-packaging

## ---- measure

bench: build ## what it costs, with peers in the same run (see docs/benchmarks.md)
	.tools/bench

bench-cluster: build ## the same over RabbitMQ and PostgreSQL: cost, freshness, takeover, backlog
	.tools/install-packages $(BACKEND_PACKAGES)
	go run ./services/e2e/clusterbench $(if $(ONLY),-only $(ONLY))

bench-alerts: build .cache/peers/prometheus ## how soon people hear of a fault, what a storm brings, what rules and backtests take
	go run ./services/e2e/alertbench $(if $(ONLY),-only $(ONLY))

.cache/peers/prometheus: # what is measured beside; it is built once, which takes minutes
	GOBIN=$(CURDIR)/.cache/peers CGO_ENABLED=0 go install github.com/prometheus/prometheus/cmd/prometheus@v0.316.0

chaos: build ## every fault again and again under load, and kills of one process; ESMON_CHAOS_MINUTES=N, ESMON_CHAOS_KILLS=N, ESMON_CHAOS_SEED=N
	.tools/install-packages $(BACKEND_PACKAGES)
	ESMON_BIN=$(CURDIR)/bin/esmon ESMON_AGENT_BIN=$(CURDIR)/bin/esmon-agent ESMON_CHAOS_KILLS=$${ESMON_CHAOS_KILLS:-25} ESMON_CHAOS_MINUTES=$${ESMON_CHAOS_MINUTES:-120} \
		ESMON_CHAOS_REPORT=$${ESMON_CHAOS_REPORT:-$(CURDIR)/data/chaos.md} go test -timeout 8h -count=1 -v -run 'TestKill|TestClusterLosesNothing' ./services/e2e/
	ESMON_CHAOS_BROKERS=1 go test -timeout 30m -count=1 -v -run TestAClusterOfBrokers ./services/dispatch

compare: build ## ten minutes beside a real Prometheus and node_exporter, under load
	.tools/install-packages prometheus prometheus-node-exporter
	ESMON_BIN=$(CURDIR)/bin/esmon ESMON_AGENT_BIN=$(CURDIR)/bin/esmon-agent ESMON_COMPARE_SECONDS=$${ESMON_COMPARE_SECONDS:-600} \
		go test -timeout 60m -count=1 -v -run TestAgreesWithNodeExporter ./services/e2e/...

clean: ## remove what was built, not the data
	rm -rf bin .cache dashboard/dist dashboard/node_modules .tools/node_modules
