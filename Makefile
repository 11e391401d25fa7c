# `make help` lists the targets. Files and folders that targets make: bin/,
# www/out, www/out-demo, www/out-site, www/node_modules and .sonde/ (the data of `make up`).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all
MAKEFLAGS += --no-print-directory

export NEXT_TELEMETRY_DISABLED := 1
export CGO_ENABLED ?= 0
# For all that is compiled, so that programs, tests and checks share what they have
# of the same packages.
export GOFLAGS ?= -trimpath

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X sonde.dev/sonde/internal/buildinfo.version=$(VERSION)
GO_SOURCES := $(shell find . -name '*.go' -not -path './www/node_modules/*' -not -path './.git/*') go.mod go.sum
WEB_SOURCES := $(shell find www/src www/public www/*.ts www/*.mjs www/package.json -type f 2>/dev/null)

.PHONY: all
all: generate test ## generate, lint and test

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## --- build

.PHONY: build
build: bin/sonde bin/sonde-agent ## build bin/sonde (with the web application in it) and bin/sonde-agent

bin/sonde: $(GO_SOURCES) www/out/.built
	go build -tags embedweb -ldflags '$(LDFLAGS)' -o $@ ./cmd/sonde

bin/sonde-agent: $(GO_SOURCES)
	go build -ldflags '$(LDFLAGS)' -o $@ ./cmd/sonde-agent

www/out/.built: www/node_modules/.installed $(WEB_SOURCES)
	cd www && npm run --silent build
	touch $@

www/node_modules/.installed: www/package.json www/package-lock.json
	cd www && npm ci --no-audit --no-fund --loglevel=error
	touch $@

.PHONY: up
up: build ## start the server and an agent on this machine, and print the link to open
	@scripts/up.sh

.PHONY: demo
demo: www/node_modules/.installed ## build the demo in www/out-demo, for any static host; SONDE_BASE_PATH=/path for one below a path
	cd www && SONDE_BASE_PATH=$(SONDE_BASE_PATH) npm run --silent build:demo
	touch www/out-demo/.nojekyll

.PHONY: site
site: www/node_modules/.installed ## build the web application in www/out-site, for a static host; SONDE_SERVER=URL is its server
	@test -n "$(SONDE_SERVER)" || { echo 'say which server: make site SONDE_SERVER=https://sonde.example:7070'; exit 2; }
	cd www && SONDE_OUT=out-site SONDE_BASE_PATH=$(SONDE_BASE_PATH) npm run --silent build
	printf '{ "server": "%s" }\n' '$(SONDE_SERVER)' >www/out-site/config.json
	touch www/out-site/.nojekyll

.PHONY: generate
generate: www/node_modules/.installed ## make the code that comes from proto/
	www/node_modules/.bin/buf generate

.PHONY: docs
docs: ## make the reference pages in docs/ that come from the code
	go generate ./internal/metricname
	go test ./e2e -run ConfigurationPage -update

.PHONY: clean
clean: ## remove everything that was built; the data of `make up` stays
	rm -rf bin www/out www/out-demo www/out-site www/.next www/node_modules

## --- check

.PHONY: lint
lint: lint-web lint-go ## check style, types, the schema, and that generated code is current

.PHONY: lint-web
lint-web: www/node_modules/.installed
	www/node_modules/.bin/buf lint
	scripts/check-generated.sh
	cd www && npm run --silent lint

.PHONY: lint-go
lint-go:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'not formatted by gofmt:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...
	cd deploy/helm && go vet .

# The real system waits for much of its time. What only computes, and watches no
# clock, goes beside it and gives way; each says what it has done when a part is over.
.PHONY: test
test: deps lint-web test-go ## install what is needed and run every test
	@$(MAKE) --jobs=2 --output-sync=target test-beside test-system
	@echo 'all tests passed'

.PHONY: test-system
test-system:
	$(MAKE) test-e2e
	$(MAKE) test-container

.PHONY: test-beside
test-beside:
	nice -n 19 $(MAKE) test-web
	nice -n 19 $(MAKE) test-helm
	nice -n 19 $(MAKE) lint-go

.PHONY: deps
deps: ## install the Debian packages that the tests need (as root), or say which are missing
	@scripts/deps.sh

.PHONY: test-go
test-go: ## Go tests with the race detector; e2e/, whose programs are built without it, is test-e2e's, and vet is lint's
	CGO_ENABLED=1 go test -race -vet=off $$(go list ./... | grep -v '/e2e$$')

.PHONY: test-short
test-short: ## Go tests that take seconds
	go test -short ./...

.PHONY: test-web
test-web: www/node_modules/.installed ## unit tests of the web application
	cd www && npm run --silent test

.PHONY: test-e2e
test-e2e: build ## the whole system: real processes, Chromium
	go test -tags e2e -count=1 -timeout 20m ./e2e/...
	cd www && npm run --silent test:browser

.PHONY: test-helm
test-helm: ## the Helm chart, with Helm and the types of Kubernetes
	cd deploy/helm && go test .

.PHONY: test-container
test-container: ## the container images, with a real engine
	scripts/with-docker.sh go test -tags container -count=1 -timeout 40m -v ./deploy/docker/...

.PHONY: soak
soak: ## break everything at random for SOAK=3m, and count what was taken against what is stored; SOAK_SEED=N begins alike
	SOAK=$${SOAK:-3m} go test ./e2e -run '^TestSoak$$' -count=1 -timeout 0 -v

.PHONY: bench
bench: build ## measure the figures of docs/benchmarks.md and write them there (half an hour)
	scripts/bench.sh

.PHONY: screenshots
screenshots: www/node_modules/.installed ## take the pictures in docs/img
	cd www && npm run --silent screenshots
