# One line or two for each target; what does not fit lives in scripts/ or in Go.
GO      ?= go
BACKEND ?= epoll
LARS     = bin/lars

# make bench BACKEND=epoll SCENARIO=mixed CONNS=100 RATE=50000: each of these that is set
# becomes a flag of "lars bench"; BENCH_FLAGS takes any other.
bench_vars = SCENARIO WORKLOAD STORE EDITS STALLED MODULES HOSTS CONNS DEPTH RATE ARRIVALS PAYLOAD DURATION WARMUP TIMEOUT SEED REPEAT LOOPS GENERATOR_LOOPS PIN IDLE OUT BACKENDS BASELINE WORKERS TOKEN_FILE
switches   = UDP SYSCALLS MARKDOWN
pair_vars  = A B BASE HEAD DESIGN EPOCHS SLICES
bench_args = $(foreach v,$(bench_vars),$(if $($(v)),--$(call lower,$(v)) $($(v)))) $(foreach v,$(switches),$(if $(filter-out 0,$($(v))),--$(call lower,$(v)))) $(BENCH_FLAGS)
pair_args  = $(foreach v,$(pair_vars),$(if $($(v)),--$(call lower,$(v)) $($(v))))
lower      = $(shell echo $(1) | tr A-Z_ a-z-)

# A misspelt variable would be ignored, and something else measured than was asked for. Those of make itself, and those that
# programs below it read from the environment, may be given too; so may those of a make around this one.
known  = GO BACKEND LARS $(bench_vars) $(switches) $(pair_vars) SLO MINUTES SCENARIOS PLAN FOR FUZZTIME $(addsuffix _FLAGS,BENCH GATE SELFTEST SIM AGREE STUDY UP)
passed = MAKE% GNUMAKEFLAGS SHELL .SHELLFLAGS CI CC CXX AR PKG_CONFIG PATH HOME TMPDIR GO% GCCGO CGO_% LARS_% %_proxy %_PROXY
ifeq ($(MAKELEVEL),0)
$(foreach v,$(filter-out $(known) $(passed),$(.VARIABLES)),$(if $(filter command,$(firstword $(origin $(v)))),$(error $(v) is not a variable of this Makefile; it knows $(known))))
endif

.PHONY: build test check-fast fmt lint race plain manifests smoke fuzz microbench bench bench-all compare stages gate selftest capacity baselines sim agree soak study up proto deps clean help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

build: ## bin/lars
	$(GO) build -trimpath -buildvcs=auto -o $(LARS) .

test: deps fmt lint race plain manifests smoke ## everything a change must pass
	@echo "make test: all passed"

deps: ## what the tests need beside Go: a C compiler, MariaDB
	@scripts/deps.sh

fmt: ## formatting, as gofumpt wants it
	@out=$$($(GO) tool gofumpt -l .); [ -z "$$out" ] || { echo "not formatted (go tool gofumpt -w .):"; echo "$$out"; exit 1; }

lint: ## vet and staticcheck
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

race: ## all tests under the race detector
	$(GO) test -race -timeout 20m ./...

plain: ## the tests that the race detector leaves out or makes smaller: full sizes, allocations, many seeds
	$(GO) test -timeout 20m ./backends/... ./system/dns ./simulator/virtual ./simulator/study ./simulator/agree

manifests: ## those of Kubernetes, against its types
	cd deploy/kubernetes && $(GO) vet ./... && $(GO) test ./...

smoke: build ## the main job on every backend and every scenario, briefly
	@scripts/smoke.sh $(LARS)

check-fast: fmt ## under 20 s, for the inner loop
	$(GO) vet . ./reactor/... ./backends/... ./bench/... ./internal/...
	$(GO) test -short . ./reactor ./reactor/buffer ./reactor/conf ./reactor/frame ./reactor/timer ./backends/epoll ./internal/... ./bench/pace ./bench/stats ./bench/hist ./bench/plot ./bench/record

fuzz: ## each fuzz target for FUZZTIME (10s)
	@scripts/fuzz.sh $(or $(FUZZTIME),10s)

microbench: ## the benchmarks that all backends share, and those of the hot paths
	$(GO) test -run '^$$' -bench . -benchmem ./backends/... ./reactor/...
	$(GO) test -run '^$$' -bench 'Record|Sample|Pacing' ./bench/hist ./bench/load

bench: build ## measure one server: make bench BACKEND=epoll CONNS=100 RATE=50000
	@$(LARS) bench run --backend $(BACKEND) $(bench_args)

compare: build ## two servers as a pair, with a verdict: make compare A=epoll B=netpoll, or BASE=main HEAD=HEAD
	@$(LARS) bench compare $(if $(BASE),--backend $(BACKEND)) $(pair_args) $(bench_args)

stages: build ## where the time of a request goes: make stages BACKEND=all
	@$(LARS) bench stages --backend $(BACKEND) $(bench_args)

bench-all: build ## compare every backend, interleaved in one run
	@$(LARS) bench all $(bench_args)

capacity: build ## the highest rate under an objective: make capacity SLO=p99:5ms BACKEND=epoll
	@$(LARS) bench capacity --backend $(BACKEND) $(if $(SLO),--slo $(SLO)) $(bench_args)

baselines: build ## measure every scenario on every backend and keep the results: make baselines MINUTES=10 (on a quiet machine)
	@scripts/baselines.sh $(or $(MINUTES),10) $(SCENARIOS)

gate: build ## is this a regression? make gate BASE=main; GATE_FLAGS takes any flag
	@$(LARS) bench gate $(if $(BASE),--base $(BASE)) $(GATE_FLAGS)

selftest: build ## learn the noise of this machine: make selftest SELFTEST_FLAGS="--for 12m"
	@$(LARS) bench selftest $(SELFTEST_FLAGS)

# With BACKEND given, over real sockets.
sim: build ## the system under a plan of faults: make sim PLAN=slow-host SEED=7 in virtual time; BACKEND=epoll live
	@$(LARS) sim $(if $(filter file,$(origin BACKEND)),virtual $(if $(FOR),--for $(FOR)),live --backend $(BACKEND) $(if $(OUT),--out $(OUT))) \
		$(if $(PLAN),--plan $(PLAN)) $(if $(SEED),--seed $(SEED)) $(SIM_FLAGS)

agree: build ## do live runs agree with virtual ones? rewrites results/simulator
	@$(LARS) sim agree --out results/simulator $(AGREE_FLAGS)

soak: build ## the same under random plans, seed after seed: make soak FOR=1h
	@$(LARS) sim soak $(if $(FOR),--for $(FOR))

study: build ## the balancing policies against each other; rewrites results/balancing
	@$(LARS) sim study --out results/balancing $(STUDY_FLAGS)

up: build ## the whole system on this machine: make up BACKEND=epoll; UP_FLAGS takes any flag
	@$(LARS) up --backend $(BACKEND) $(UP_FLAGS)

proto: ## generate system/larspb (needs protoc)
	$(GO) generate ./system/larspb

clean: ## remove what was built or measured
	rm -rf bin out
