#!/usr/bin/env bash
# Every test there is, step by step, up to the first step that fails. The last line is `N passed, N failed`.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$PROJECT_ROOT"
mkdir -p target
LOG=target/test.log
PASSED=0 FAILED=0 STEP='' BEGAN=$SECONDS

finish() {
  local status=$?
  scripts/postgres.sh stop || true
  if [ "$status" != 0 ]; then
    [ "$FAILED" != 0 ] || FAILED=1
    printf '\033[1;31m✗ %s\033[0m\n' "$STEP"
  fi
  printf '  all in %d s\n%d passed, %d failed\n' $((SECONDS - BEGAN)) "$PASSED" "$FAILED"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Runs a step. What it prints goes into a log, too, for those that count.
step() { # name, command…
  local began=$SECONDS
  STEP=$1; shift
  printf '\033[1m▶ %s\033[0m\n' "$STEP"
  local status=0
  "$@" 2>&1 | tee "$LOG" || status=$?
  count
  [ "$status" = 0 ] || exit "$status"
  printf '\033[1;32m✓ %s\033[0m (%d s)\n' "$STEP" $((SECONDS - began))
}
# Adds up the counts that a step printed: cargo's, the budget's, Playwright's.
count() {
  local passed failed
  read -r passed failed < <(awk '
    /^test result: / || /^[0-9]+ passed, [0-9]+ failed$/ {
      for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) passed += $(i - 1); if ($i ~ /^failed/) failed += $(i - 1) }
    }
    END { print passed + 0, failed + 0 }' "$LOG")
  PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
}

browser_tests() {
  local status=0
  (cd end2end && npx playwright test) || status=$?
  node -e '
    const { expected = 0, unexpected = 0, flaky = 0 } = JSON.parse(require("fs").readFileSync("end2end/test-results/results.json")).stats;
    console.log(`${expected} passed, ${unexpected + flaky} failed`);' || status=1
  return "$status"
}

step 'set-up' scripts/setup.sh test
step 'format' cargo fmt --check
step 'dependencies' scripts/deny.sh
step 'deployment files' "$DEPLOY_PYTHON" scripts/check_deploy.py deploy
step 'clippy, server' clippy -q --features ssr --all-targets -- -D warnings
step 'clippy, browser' clippy -q --features hydrate --lib --target "$WASM_TARGET" -- -D warnings
step 'build' scripts/build.sh release
TEST_POSTGRES_URL=$(scripts/postgres.sh start --fast)
export TEST_POSTGRES_URL
step 'unit and integration tests' cargo test --no-fail-fast --features ssr
step 'byte budget' node scripts/budget.mjs "$(cat target/site.path)"
step 'browser tests' browser_tests
