#!/usr/bin/env bash
# Installs what is missing to build (`setup.sh build`) or to build and test (`setup.sh test`); says what, and how long
# it takes. Quick where nothing is missing.
set -euo pipefail
. "$(dirname "$0")/env.sh"
WHAT=${1:-build}

say() { printf '\033[1m· %s\033[0m\n' "$*" >&2; }
die() { printf 'set-up: %s\n' "$*" >&2; exit 1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
APT_READY=
apt_install() {
  command -v apt-get >/dev/null || die "$* missing, and this is not Debian: install them by hand and run this again"
  [ -n "$APT_READY" ] || { as_root apt-get update -qq || true; APT_READY=1; }
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
# The tools' own release profiles optimize for minutes of use that nobody makes of them.
LIGHT=(CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0)
mkdir -p "$CACHE"
# One set-up at a time, of however many clones.
if command -v flock >/dev/null; then exec 9>"$CACHE/setup.lock" && flock 9; fi

command -v cc >/dev/null || die "a C compiler is needed (Debian: apt-get install build-essential)"
command -v node >/dev/null || die "Node 20 or newer is needed"
NODE=$(node --version); NODE=${NODE#v}
[ "${NODE%%.*}" -ge 20 ] || die "Node 20 or newer is needed, this is $NODE"

# Debian's compiler comes without the browser's standard library; its source lies beside it.
build_wasm_std() {
  local build lib
  build=$(mktemp -d)
  mkdir -p "$build/src"
  printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[lib]\ncrate-type = ["rlib"]\n[profile.release]\nopt-level = "z"\n' > "$build/Cargo.toml"
  : > "$build/src/lib.rs"
  (cd "$build" && PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$build/target" \
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$(compgen -c wasm-ld- | sort -V | tail -n 1) \
    /usr/bin/cargo build -q -Zbuild-std=std,panic_abort --target "$WASM_TARGET" --release)
  lib="$(/usr/bin/rustc --print sysroot)/lib/rustlib/$WASM_TARGET/lib"
  as_root mkdir -p "$lib"
  as_root find "$build/target/$WASM_TARGET/release/deps" -name '*.rlib' ! -name 'libempty-*' -exec cp -t "$lib" {} +
  rm -rf "$build"
}

if [ "$ORG_PORTAL_COMPILER" = missing ]; then
  if command -v rustup >/dev/null && new_enough rustc && rustup target add "$WASM_TARGET" >/dev/null 2>&1; then
    say "compiler: rustup's, its browser target was added"
    # With the standard library's source the browser loads a tenth less; without, everything works.
    rustup component add rust-src >/dev/null 2>&1 || true
  else
    say "compiler: no rustup with Rust $MIN_RUST or newer and the browser target here, taking Debian's rustc-web and building the browser's standard library (2 minutes)"
    apt_install rustc-web cargo-web rust-web-src rust-web-clippy lld-22
    has_wasm_std "$(/usr/bin/rustc --print sysroot)" || build_wasm_std
  fi
  unset ORG_PORTAL_COMPILER
  . "$PROJECT_ROOT/scripts/env.sh"
  [ "$ORG_PORTAL_COMPILER" != missing ] || die "no compiler with the browser's standard library"
fi

# A tool is built beside its place and moved there whole: what was broken off is not taken for a tool.
cargo_tool() { # folder, arguments of cargo install
  local folder=$1; shift
  rm -rf "$folder.new"
  env "${LIGHT[@]}" CARGO_TARGET_DIR="$CACHE/tools-target" cargo install -q --root "$folder.new" "$@"
  rm -rf "$folder" && mv "$folder.new" "$folder"
}
if [ ! -x "$BINDGEN_BIN/wasm-bindgen" ]; then
  say "installing wasm-bindgen $WASM_BINDGEN_VERSION (4 minutes)"
  # Not --locked: its lock file names a crate version that is not to be had.
  cargo_tool "${BINDGEN_BIN%/bin}" --version "=$WASM_BINDGEN_VERSION" wasm-bindgen-cli
fi
if [ ! -x "$LEPTOS_BIN/cargo-leptos" ]; then
  say "installing cargo-leptos $CARGO_LEPTOS_VERSION (12 minutes)"
  cargo_tool "${LEPTOS_BIN%/bin}" --locked --features no_downloads --version "=$CARGO_LEPTOS_VERSION" cargo-leptos
fi
if [ "$WHAT" = test ] && [ ! -x "$DENY_BIN/cargo-deny" ]; then
  say "installing cargo-deny $CARGO_DENY_VERSION (some minutes)"
  cargo_tool "${DENY_BIN%/bin}" --locked --no-default-features --version "=$CARGO_DENY_VERSION" cargo-deny
fi
rm -rf "$CACHE/tools-target"
if [ ! -x "$BINARYEN_BIN/wasm-opt" ]; then
  say "installing wasm-opt (binaryen $BINARYEN_VERSION, a few seconds)"
  mkdir -p "${BINARYEN_BIN%/node_modules/.bin}"
  npm install --silent --no-fund --no-audit --prefix "${BINARYEN_BIN%/node_modules/.bin}" "binaryen@$BINARYEN_VERSION" >/dev/null
fi

if [ "$WHAT" = test ]; then
  if ! clippy --version >/dev/null 2>&1; then
    if [ "$ORG_PORTAL_COMPILER" = debian ]; then say "installing clippy"; apt_install rust-web-clippy
    else rustup component add clippy >/dev/null 2>&1 || die "clippy is needed (rustup component add clippy)"; fi
  fi
  cargo fmt --version >/dev/null 2>&1 || die "rustfmt is needed (rustup component add rustfmt)"
  if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && ! command -v initdb >/dev/null; then
    say "installing PostgreSQL (1 minute)"; apt_install postgresql
  fi
  if ! command -v go >/dev/null; then
    say "installing Go, in which the tests' PMM is written (1 minute)"; apt_install golang-go
  fi
  folder=${DEPLOY_PYTHON%/bin/python}
  if [ ! -e "$folder/complete" ]; then
    say "installing what checks deploy/ (a minute)"
    # Marked when it is done and not moved: a virtual environment knows its place.
    rm -rf "$folder"
    python3 -m venv "$folder" 2>/dev/null || { apt_install python3-venv; python3 -m venv "$folder"; } || die "Python 3 with venv is needed"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "${DEPLOY_CHECKS[@]}" || die "what checks deploy/ cannot be installed from PyPI"
    touch "$folder/complete"
  fi
  if [ -z "${CHROMIUM:-}" ] && [ ! -x /usr/bin/chromium ]; then
    say "installing Chromium and fonts (1 minute)"; apt_install chromium fonts-dejavu-core fonts-noto-core
  fi
  # npm writes its own list when it is done: older than ours means to be done again.
  if [ ! "$PROJECT_ROOT/end2end/node_modules/.package-lock.json" -nt "$PROJECT_ROOT/end2end/package-lock.json" ]; then
    say "installing the browser tests' packages (a few seconds)"
    (cd "$PROJECT_ROOT/end2end" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --silent --no-fund --no-audit)
  fi
fi
