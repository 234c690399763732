# Everything a developer or CI does here. It needs Go, git and make; the linter
# is built once from the version pinned in .ci/go.mod and kept in bin/tools.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS   := -X main.version=$(VERSION)

LINTER_VERSION := $(shell sed -n 's|.*github.com/golangci/golangci-lint/v2 \(v[^ ]*\).*|\1|p' .ci/go.mod)
LINTER         := bin/tools/golangci-lint-$(LINTER_VERSION)-$(shell go env GOVERSION)

.PHONY: build run test ci nightly soak unit-test fuzz-test simulation-test process-test bench memory elastic routing chaos wholenode powerloss simulate rules mutants lint fmt clean

build: ## bin/holdfast
	@mkdir -p bin
	go build -ldflags '$(LDFLAGS)' -o bin/holdfast ./cmd/holdfast

run: build ## the demonstration: ten nodes, a thousand keys, a node killed
	@scripts/demo.sh

test: build ## everything that must hold before a change lands
	@scripts/check.sh test

ci: build ## that, and what needs root and Debian packages, which it installs
	@scripts/check.sh ci

nightly: build ## the same for longer: before a release, and after changes of the protocol
	@scripts/check.sh nightly

soak: build ## simulation, whole nodes and chaos: make soak HOURS=8
	@scripts/check.sh soak $(HOURS)

# The race detector needs a C compiler; without one the tests run all the same, but
# not in CI.
unit-test:
	@scripts/test.sh unit

# A short run of every fuzz test.
fuzz-test:
	@scripts/test.sh fuzz

# A budget of fresh seeds each time; a failure prints the line that replays it.
simulation-test:
	@scripts/test.sh simulation

# The real binary, as processes, alone on the machine: it is killed and timed.
process-test: build
	@scripts/test.sh process

bench: build ## beside etcd and a bare HTTP handler, in one run
	@go run ./scripts/bench $(BENCH)

memory: build ## what a node holds under writes, and how soon it is back in sync after kill -9
	@go run ./scripts/memory $(MEMORY)

elastic: build ## what it takes for a node to get its share, and to be drained, under load
	@go run ./scripts/elastic $(ELASTIC)

routing: build ## the client's two routings, in turn on one cluster
	@go run ./scripts/routing $(ROUTING)

chaos: build ## kill, pause, restart and wipe processes under load; is the history linearizable?
	@scripts/chaos.sh $(CHAOS)

wholenode: ## whole nodes in one process, with the race detector: make wholenode MINUTES=10
	@CGO_ENABLED=1 go run -race ./scripts/wholenode $(if $(MINUTES),-minutes $(MINUTES)) $(WHOLENODE)

powerloss: build ## take the power from all processes at once, LOSSES times; is every acknowledged write there? (root)
	@go build -o bin/powerloss ./scripts/powerloss
	@bin/powerloss $(if $(LOSSES),-losses $(LOSSES)) $(POWERLOSS)

simulate: ## as many seeds as wanted: make simulate SEEDS=10000, or MINUTES=10
	@go run ./scripts/simulate $(if $(SEEDS),-seeds $(SEEDS)) $(if $(MINUTES),-minutes $(MINUTES)) $(SIMULATE)

rules: ## leave each rule of the protocol out in turn: is it noticed, and how soon?
	@go run ./scripts/simulate -rules $(RULES)

mutants: ## plant careless changes one at a time: do the tests of their package notice?
	@go run ./scripts/mutants $(MUTANTS)

lint: $(LINTER)
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [[ -n "$$unformatted" ]]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(LINTER) run ./...

fmt: ## gofmt, in place
	gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

$(LINTER):
	@mkdir -p bin/tools
	@echo "building golangci-lint $(LINTER_VERSION); this takes a few minutes, once"
	cd .ci && go build -o ../$(LINTER) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

clean: ## binaries, but not the tools
	rm -f bin/holdfast bin/load bin/bench bin/chaos bin/powerloss
