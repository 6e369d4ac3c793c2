# What can be done here. Each recipe finds its tools by scripts/env.sh; what is slow to build lies in the user's cache.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help run demo dev test bench prove lighthouse check docs clean

# The release build and its benchmarks, and a PostgreSQL that keeps what it is told.
define MEASURED
scripts/build.sh bench
	. scripts/env.sh
	compile_for release
	ORG_PORTAL_SITE=$$(cat target/site.path) ORG_PORTAL_BIN=$$PWD/target/org-portal
	TEST_POSTGRES_URL=$$(scripts/postgres.sh start)
	export ORG_PORTAL_SITE ORG_PORTAL_BIN TEST_POSTGRES_URL
	trap 'scripts/postgres.sh stop' EXIT
endef

help: ## Say what can be done
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

run: ## Build what changed and serve the portal, with SQLite in ./data where DATABASE_URL does not say otherwise
	@scripts/setup.sh build
	scripts/build.sh release
	mkdir -p data
	export DATABASE_URL="$${DATABASE_URL:-sqlite:data/org-portal.db}"
	exec target/org-portal serve

demo: ## Serve a new database with a demonstration: customers, people, tickets; prints the accounts to sign in with
	@scripts/setup.sh build
	scripts/build.sh release
	exec scripts/demo.sh

dev: ## Serve a debug build, built again at every change
	@scripts/setup.sh build
	. scripts/env.sh
	mkdir -p data
	export DATABASE_URL="$${DATABASE_URL:-sqlite:data/org-portal.db}"
	exec cargo leptos watch -- serve

test: ## Run every test
	@scripts/test.sh

bench: ## Measure the release build, each figure beside its baseline from the same run
	@scripts/setup.sh build
	$(MEASURED)
	cargo bench -q --features ssr --bench house --bench scale --bench customers --bench import --bench api --bench oauth

prove: ## Break things on purpose and look whether what is promised holds: ROWS names some rows, LONG=1 takes hours
	@scripts/setup.sh test
	$(MEASURED)
	cargo bench -q --features ssr --bench prove -- --write $${ROWS:-}

lighthouse: ## Measure the release build with Lighthouse and print the scores
	@scripts/lighthouse.sh

check: ## Run the quick part: format, clippy on both sides, unit tests
	@. scripts/env.sh
	cargo fmt --check
	clippy -q --features ssr --all-targets -- -D warnings
	clippy -q --features hydrate --lib --target $$WASM_TARGET -- -D warnings
	cargo test -q --features ssr --lib

docs: ## Generate docs/configuration.md and docs/openapi.json again
	@. scripts/env.sh
	mkdir -p docs
	cargo run -q --features ssr --bin org-portal -- config reference > target/configuration.md
	mv target/configuration.md docs/configuration.md
	cargo run -q --features ssr --bin org-portal -- openapi > target/openapi.json
	mv target/openapi.json docs/openapi.json

clean: ## Remove what was built here; the cache of tools and dependencies stays
	@rm -rf target end2end/test-results end2end/shots
