# The commands of everyday work. `make demo` and `make test` set everything up by themselves.

.PHONY: demo sweep test test-docker offline-images seeds bench fuzz fmt lint build stack bootstrap bootstrap-tests

SCENARIO := dual-write-vs-outbox

# The built program itself: `cargo run` would build one package alone, with other features, and half the world again.
TORN := $(or $(CARGO_TARGET_DIR),target)/debug/torn

# Runs the comparison that this project is about and says where its page is, however the comparison ends.
demo: stack
	@status=0; $(TORN) compare scenarios/$(SCENARIO).toml || status=$$?; \
	page=results/$(SCENARIO)/latest/comparison.html; \
	if [ -e $$page ]; then echo "the page: $(CURDIR)/$$page"; fi; exit $$status

# All tests, those against real servers included.
test: bootstrap-tests stack
	cargo test --workspace
	@$(MAKE) --no-print-directory test-docker

# The tests of servers in containers, where a Docker daemon answers.
test-docker: build
	@scripts/test-docker

# Stand-ins for the public images, for machines that cannot pull; says how to use them.
offline-images: stack
	@scripts/offline-images

# Every place where a service may die during a purchase, of dual-write beside the outbox: two minutes, then a page to open.
sweep: stack
	@status=0; $(TORN) sweep scenarios/crash-points.toml --variant dual-write --variant "outbox, polling relay" \
		|| status=$$?; page=results/crash-points/latest/sweep.html; \
	if [ -e $$page ]; then echo "the page: $(CURDIR)/$$page"; fi; exit $$status

# Random faults under 20 seeds: the outbox is to be valid and dual-write to lose events under each. Half an hour.
seeds: stack
	TORN=$(TORN) scripts/seeds scenarios/random-faults.toml 1 20

# Prints figures; nothing passes or fails. In the profile of everything else, so that the world is built once.
bench: stack
	cargo bench --workspace --profile dev

# Lets libFuzzer loose on each parser for so many seconds (needs `cargo install cargo-fuzz`; a finding is kept in
# fuzz/artifacts). No sanitizer: there is no unsafe code of ours, and stable Rust knows none.
FUZZ_SECONDS := 60
fuzz:
	@for target in json edn compressed tap; do \
		cargo fuzz run --sanitizer none $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -rss_limit_mb=1024 \
			-timeout=10 || exit 1; \
	done

fmt:
	cargo fmt --all

lint: bootstrap
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --test docker -- -D warnings

# What is missing of mongod, Kafka, Toxiproxy and the Python drivers goes into the cache.
stack: build
	@$(TORN) stack install

build: bootstrap
	cargo build --workspace

bootstrap:
	@scripts/bootstrap

bootstrap-tests:
	@scripts/bootstrap --tests
