#!/usr/bin/env bash
# Builds the browser's files and the server: `build.sh [release|debug|bench]`. Leaves the server in target/org-portal.
#
# Release: the browser's files are built by cargo-leptos where their sources are others than any time before, and are
# carried by the server, compressed ahead. Debug: they lie in target/site, and the server reads them from there.
# Bench: a release, and the benchmarks with it. What these need turns on features of what the server needs, too, so that
# each built on its own would compile everything twice.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$PROJECT_ROOT"
PROFILE=${1:-release}
case $PROFILE in
  release | debug) TARGETS='--bin org-portal' ;;
  bench) TARGETS='--bin org-portal --benches' PROFILE=release ;;
  *) printf 'usage: build.sh [release|debug|bench]\n' >&2; exit 2 ;;
esac

compile_for "$PROFILE"
mkdir -p target "$CACHE"
# Clones share the target folder: one builds at a time, from its sources to its own copy of what was built.
if command -v flock >/dev/null; then exec 8>"$CACHE/build.lock" && flock 8; fi

if [ "$PROFILE" = debug ]; then
  cargo leptos build --frontend-only
  cargo build --features ssr --bin org-portal
else
  ORG_PORTAL_SITE=$(node scripts/site.mjs "$CACHE/site" "$(rustc --version)" "$CARGO_LEPTOS_VERSION" "$WASM_BINDGEN_VERSION" "$BINARYEN_VERSION")
  export ORG_PORTAL_SITE
  printf '%s\n' "$ORG_PORTAL_SITE" > target/site.path
  # shellcheck disable=SC2086 # several words
  cargo build --release --features ssr $TARGETS
fi
built="$CARGO_TARGET_DIR/$PROFILE/org-portal"
if ! cmp -s "$built" target/org-portal; then
  cp "$built" target/org-portal.new
  mv target/org-portal.new target/org-portal
fi
