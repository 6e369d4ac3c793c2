#!/usr/bin/env bash
# Checks what the portal is built of (deny.toml): licences, banned crates, sources, and known holes.
#
# The list of known holes is RustSec's, or the git repository that ORG_PORTAL_ADVISORY_DB names (file:///… or a URL):
# for machines that reach no other. Where neither is to be had, the last copy does, for 90 days; where there is none,
# this says so, loudly, and checks the rest.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$PROJECT_ROOT"
PUBLIC=https://github.com/RustSec/advisory-db
DB=${ORG_PORTAL_ADVISORY_DB:-$PUBLIC}
mkdir -p target
config=target/deny.toml
# Whoever brings a list of their own answers for its age.
age=P90D
[ "$DB" = "$PUBLIC" ] || age=P1Y
awk -v db="$DB" -v path="$CACHE/advisory-dbs" -v age="$age" '
  /^maximum-db-staleness/ { print "maximum-db-staleness = \"" age "\"\ndb-path = \"" path "\"\ndb-urls = [\"" db "\"]"; next } { print }' deny.toml > "$config"
deny() { cargo deny --all-features "$@"; }

deny --offline check --config "$config" bans licenses sources
if timeout 30 git ls-remote --exit-code "$DB" HEAD >/dev/null 2>&1; then
  deny check --config "$config" advisories
elif compgen -G "$CACHE/advisory-dbs/*" >/dev/null; then
  printf '\033[1;33mThe list of known holes (%s) cannot be reached: the last copy is used.\033[0m\n' "$DB" >&2
  deny --offline check --config "$config" advisories
else
  printf '\033[1;31mKNOWN HOLES WERE NOT CHECKED: %s cannot be reached and there is no copy. Name one by ORG_PORTAL_ADVISORY_DB.\033[0m\n' "$DB" >&2
fi
