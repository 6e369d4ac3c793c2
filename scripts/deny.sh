#!/usr/bin/env bash
# Checks what the portal is built of (deny.toml): licences, banned crates, sources, and known holes.
#
# The list of known holes is RustSec's, or the git repository that ORG_PORTAL_ADVISORY_DB names (file:///… or a URL):
# for machines that reach no other. It may be 90 days old, a list of one's own a year. Where neither is to be had, the
# last copy does, and its day is said; where something cannot be checked at all, that is said, loudly, and the rest is.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$PROJECT_ROOT"
PUBLIC=https://github.com/RustSec/advisory-db
DB=${ORG_PORTAL_ADVISORY_DB:-$PUBLIC}
COPIES=$CACHE/advisory-dbs
mkdir -p target
config=target/deny.toml
loudly() { printf '\033[1;31m%s\033[0m\n' "$*" >&2; }
configure() { # how old the list may be
  # The list keeps its name, wherever it comes from: so there is one last copy.
  awk -v url="$PUBLIC" -v path="$COPIES" -v age="$1" '
    /^maximum-db-staleness/ { print "maximum-db-staleness = \"" age "\"\ndb-path = \"" path "\"\ndb-urls = [\"" url "\"]"; next } { print }' deny.toml > "$config"
}
deny() { cargo deny --config "$config" --all-features --offline "$@"; }

configure P90D
# It reads every crate of Cargo.lock, those for other systems too: what is not here yet is downloaded.
if ! cargo fetch --locked --quiet; then
  loudly 'DEPENDENCIES WERE NOT CHECKED: not all crates are here, and they cannot be downloaded.'
  exit 0
fi
deny check bans licenses sources
if timeout 30 git ls-remote --exit-code "$DB" HEAD >/dev/null 2>&1; then
  [ "$DB" = "$PUBLIC" ] || configure P1Y
  GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.$DB.insteadOf" GIT_CONFIG_VALUE_0=$PUBLIC cargo deny --config "$config" fetch db
elif copy=$(compgen -G "$COPIES/advisory-db-*" | head -n 1) && [ -n "$copy" ]; then
  loudly "The list of known holes ($DB) cannot be reached: the last copy is used, of $(git -C "$copy" log -1 --format=%cs 2>/dev/null || echo 'an unknown day')."
  configure P10Y
else
  loudly "KNOWN HOLES WERE NOT CHECKED: $DB cannot be reached and there is no copy. Name one by ORG_PORTAL_ADVISORY_DB."
  exit 0
fi
deny check advisories
