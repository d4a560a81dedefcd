# Everything that a person does with this repository. Plain `make` says what there is.
# A libtorch of one's own (LIBTORCH or LIBTORCH_USE_PYTORCH set) is honoured: nothing is downloaded then.

SAGATE := target/release/sagate

.DEFAULT_GOAL := help
.PHONY: help libtorch libtorch-cuda mricron nilearn prometheus collector python-client oip-clients pillow nibabel openssl peers build service demo test check gpu-check gpu-bench fuzz soak overload cluster-demo lint deploy-test bench bench-peers bench-forward docs models clean

help: ## Print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

libtorch: ## Unpack libtorch 2.11.0 (CPU) into .libtorch: 540 MB to download, once
ifeq ($(LIBTORCH)$(LIBTORCH_USE_PYTORCH),)
	@.ci/libtorch
else
	@echo "using the libtorch that LIBTORCH or LIBTORCH_USE_PYTORCH names"
endif

libtorch-cuda: ## Unpack its CUDA half into .libtorch-cuda: 2 GB to download
	@.ci/libtorch-cuda

mricron: ## Install Debian's mricron-data, the MRI volumes that data sets and tests are made from, if it is missing
	@.ci/mricron

nilearn: ## Unpack the T1 template MNI152, a second head, from the PyPI wheel of nilearn into .tools: 11 MB to download, once
	@.ci/nilearn

prometheus: ## Unpack Debian's promtool and prometheus, which the tests check metrics, alerts and dashboard with, into .tools
	@.ci/prometheus

collector: ## Put rotel, an OpenTelemetry collector that the tests send to, into .tools: 10 MB to download, once
	@.ci/collector

python-client: ## Put what the Python client and its test need into target/python-client
	@.ci/python-client

oip-clients: ## Put the clients of NVIDIA Triton and of KServe, which the tests ask the server with, into target/oip-clients
	@.ci/oip-clients

pillow: ## Put Pillow and libjpeg's programs, which the tests compare the picture decoders with, into target/pillow and .tools
	@.ci/pillow

nibabel: ## Put nibabel and SimpleITK, which the reader of NIfTI is held against, into target/nibabel
	@.ci/nibabel

openssl: ## Install Debian's openssl, which the tests make certificates with, if it is missing
	@.ci/openssl

peers: ## Put PyTorch, which trainings are compared with, into target/peers: 550 MB to download, once
	@.ci/peers

build: libtorch ## Build the binary, target/release/sagate
	cargo build --release --locked

service: libtorch ## Build the program that only serves, without the lab, target/service/release/sagate
	cargo build --release --locked --no-default-features --target-dir target/service

demo: build ## Segment, score and gate real MRI slices with the bundled models; pictures go to demo/
	@.ci/demo

test: libtorch mricron prometheus collector python-client oip-clients pillow nibabel openssl peers ## Run every test
	cargo test --release --locked --workspace --no-fail-fast
	SAGATE=required .ci/helm-check settings living docs
	.ci/docs-run

check: libtorch ## Check formatting and lints, and run the tests that need no download: minutes on a built tree
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets --locked -- -D warnings
	.ci/layers-check
	.ci/words-check
	.ci/docs-check
	cargo test --release --locked --test capacity --test engine --test engine_scheduling --test engine_threads --test fuzz_replay --test gate \
	  --test golden --test nn --test nn_threads --test protoseg_properties

gpu-check: libtorch ## Run the tests that need a CUDA GPU, besides `make test`; where there is none, say so
	@.ci/gpu check

gpu-bench: libtorch ## Time network, mu, SAMs and service on a CUDA GPU, in both precisions; where there is none, say so
	@.ci/gpu bench

fuzz: libtorch ## Run each fuzz target for SECONDS=60 seconds (libFuzzer; cargo-fuzz is built once)
	@.ci/fuzz $(or $(SECONDS),60)

soak: libtorch ## Let everything around a server break for SECONDS=3600 while its answers are checked; plots go to target/soak
	SAGATE_FAULTS_SECONDS=$(or $(SECONDS),3600) SAGATE_FAULTS_OUT=target/soak \
	  cargo test --release --locked --test soak_faults -- --nocapture nobody_notices_the_faults_of_others

overload: build ## Load a server with three times its capacity for SECONDS=300, and print the goodput
	@.ci/overload $(or $(SECONDS),300)

cluster-demo: build ## Three replicas behind Envoy, restarted, killed and slowed down under load, and simulated (SECONDS=10, the unit of time)
	@.ci/cluster-demo --seconds $(or $(SECONDS),10)

lint: libtorch ## Check formatting, lints, the protocol, the dependencies' licences, sources, doubles and advisories, the Helm chart, and deploy/
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets --locked -- -D warnings
	cargo clippy --release --no-default-features --lib --bins --locked -- -D warnings
	.ci/buf lint proto
	.ci/cargo-deny --all-features check --hide-inclusion-graph bans licenses sources
	.ci/advisories
	.ci/helm-check
	.ci/deploy-check
	.ci/layers-check
	.ci/words-check
	.ci/docs-check

deploy-test: build service ## Prove the image's content and size, two replicas behind Envoy, and the packages, which go to target/package
	.ci/runtime-check
	.ci/envoy-check
	.ci/package

bench: build peers ## Time network, mu, SAMs, service and training at the sizes of the README, medians of alternating rounds
	$(SAGATE) bench network --base 64 --size 256 --batch 1
	$(SAGATE) bench network --base 16 --size 256 --batch 1
	$(SAGATE) --convolutions winograd bench network --base 16 --size 256 --batch 1
	$(SAGATE) --convolutions winograd bench network --base 64 --size 256 --batch 1
	$(SAGATE) bench network --base 64 --size 512 --batch 1 --rounds 7
	$(SAGATE) bench serve
	$(SAGATE) --convolutions winograd bench serve
	$(SAGATE) bench serve --base 64 --rounds 3
	$(SAGATE) bench link
	$(SAGATE) bench train

bench-peers: build ## Set Triton, ONNX Runtime, LitServe, mosec and BentoML beside the service; writes docs/benchmarks.md (ROUNDS, SECONDS, PEERS)
	@.ci/bench-peers run.py $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(PEERS),--peers "$(PEERS)")

bench-forward: build ## Time the network's forward alone against ONNX Runtime's on the same graph
	@.ci/bench-peers forward.py $(if $(TURNS),--turns $(TURNS))

docs: build ## Write the library's pages to target/doc and the man pages to target/man
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps
	$(SAGATE) man --out target/man

models: build mricron ## Train the bundled models anew, from data to calibration (takes a while)
	@.ci/models

clean: ## Remove what was built, drawn or trained; libtorch and models/ stay
	rm -rf target demo data runs .tools .wheels
