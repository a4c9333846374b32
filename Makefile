# make test is what .ci/run runs. Tools are pinned in .ci/tools.mod and built into .tools.
GO ?= go
TOOLS := $(CURDIR)/.tools/bin
PROTO := coordinator/atriumpb

# The S3 servers that tests start, separate processes and never in go.mod.
MINIO := github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
VERSITYGW := github.com/versity/versitygw/cmd/versitygw@v1.8.0

.PHONY: build release test check unit race slow tables chaos crash deep fuzz bench proto servers

build:
	$(GO) build -trimpath -o atrium ./cmd/atrium

# What a hospital should run: what secrets leave in memory is erased by the runtime, see
# privacy/secrecy; on Linux with amd64 or arm64.
release:
	GOEXPERIMENT=runtimesecret CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o atrium ./cmd/atrium

test: check unit race

# Formatting, vet, and generated code that is what the .proto gives.
check: $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt-clean: $$unformatted"; exit 1; }
	$(GO) vet ./...
	@rm -rf .tools/generated && mkdir -p .tools/generated
	@PATH="$(TOOLS):$$PATH" protoc -I $(PROTO) --go_out=.tools/generated --go_opt=paths=source_relative \
		--go-grpc_out=.tools/generated --go-grpc_opt=paths=source_relative $(PROTO)/atrium.proto
	@for f in atrium.pb.go atrium_grpc.pb.go; do \
		cmp .tools/generated/$$f $(PROTO)/$$f || { echo "$(PROTO)/$$f is not what atrium.proto gives: make proto"; exit 1; }; done

# The real records lie beside the checkout; tests that need them skip without them.
unit: servers
	@test -d ../shared/data || echo "DATA ABSENT: ../shared/data: what needs real records is not tested"
	$(GO) test -parallel 4 -timeout 20m ./... # most of the time is waiting
	$(GO) test -tags purego ./privacy/he # as on processors without AVX2
	GOEXPERIMENT=runtimesecret $(GO) test ./privacy/secrecy ./privacy/he ./privacy/envelope # as in a release

# The packages with goroutines, under the race detector; some long tests run
# without it only.
race:
	$(GO) test -race -timeout 20m -skip '^(TestLyingHospital|TestBurnCertificate|TestBrokenConnectionsAreResumed|TestRulesThroughAFederation)$$' \
		./coordinator ./coordinator/opening ./coordinator/rpc ./coordinator/wire ./client ./storage/local ./storage/transfer

# Rounds between processes that are killed, stopped and cut off, on a directory (local), a
# MinIO (minio) or four MinIO nodes (minio4, as root). The last line is the verdict, the one
# before it repeats the run; what happened to whom is in faults.log of the directory that a
# failure names. TestChaos is a short run.
ROUNDS ?= 200
SEED ?= $(shell date +%s)
STORAGE ?= local
chaos: $(if $(filter minio%,$(STORAGE)),servers)
	$(GO) test -c -o .tools/chaos/chaos ./cmd/atrium
	@.tools/chaos/chaos run --rounds $(ROUNDS) --seed $(SEED) --storage $(STORAGE)

# What takes minutes: learning on real arrays, here and with PyTorch (Debian: python3-torch),
# how fast models train, in Go and with OpenBLAS (Debian: libopenblas-dev), a takeover on four
# MinIO nodes of which one is dead, keys in the memory of daemons. As root.
slow: servers
	SLOW_TESTS=1 $(GO) test -v -timeout 30m -run 'ECGByPatient|ChestOver|OnFourNodes|CoreImage|PyTorch|BenchTrain|PrecisionOf' ./cmd/atrium ./client/train/external
	$(GO) test -count=1 -tags openblas ./client/train
	SLOW_TESTS=1 $(GO) test -v -count=1 -tags openblas -run 'BenchTrain' ./cmd/atrium

# The tables of the README, on real records.
tables:
	SLOW_TESTS=1 $(GO) test -v -count=1 -timeout 3h -run 'TestTables' ./cmd/atrium

# Every write of coordinator and daemons, in a round of each kind, fails in every way: about
# 3,000 cases, in fake time. The tests do a sample of them.
crash:
	@mkdir -p .tools
	@ATRIUM_CRASH=full $(GO) test -run '^TestCrashMatrix$$' -v -timeout 1h ./client >.tools/crash.log 2>&1; status=$$?; \
		grep -E 'crash_test.go.* cases,|^ *--- FAIL|^(ok|FAIL)' .tools/crash.log; exit $$status

# The explorations of client/participant that take longer than a minute.
deep:
	$(GO) test -count=1 -tags deep -timeout 4h -run TestDeep -v ./client/participant

# Every fuzz target for a few seconds each.
FUZZTIME ?= 10s
fuzz:
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; done; done

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./privacy/... ./storage/roundlog ./client/train

proto: $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc
	cd $(PROTO) && PATH="$(TOOLS):$$PATH" $(GO) generate .

# Built when .tools has none or another version; minutes the first time.
servers:
	@$(call server,minio,$(MINIO))
	@$(call server,versitygw,$(VERSITYGW))

# server: the binary, its command@version.
server = $(GO) version -m $(TOOLS)/$(1) 2>/dev/null | grep -q "^	mod	.*	$(lastword $(subst @, ,$(2)))	" || \
	{ echo "building $(1)"; GOBIN=$(TOOLS) $(GO) install $(2); }

$(TOOLS)/protoc-gen-go: .ci/tools.mod
	@mkdir -p $(TOOLS)
	$(GO) build -modfile=.ci/tools.mod -o $@ google.golang.org/protobuf/cmd/protoc-gen-go

$(TOOLS)/protoc-gen-go-grpc: .ci/tools.mod
	@mkdir -p $(TOOLS)
	$(GO) build -modfile=.ci/tools.mod -o $@ google.golang.org/grpc/cmd/protoc-gen-go-grpc
