#!/usr/bin/env bash
# Serves the release build on a new database with a demonstration: customers with entitlements, contacts and tickets, the
# organization of one of them with three people in it, and an operator. What was there from an earlier one is removed.
# DEMO_FOLDER (target/demo) is where it is kept, DEMO_CUSTOMERS (50) how many customers there are.
set -euo pipefail
FOLDER=${DEMO_FOLDER:+$(realpath -m "$DEMO_FOLDER")}
cd "$(dirname "$0")/.."
FOLDER=${FOLDER:-target/demo}
# Nothing is removed but what an earlier demonstration left there.
if [ -e "$FOLDER" ] && [ ! -e "$FOLDER/portal.log" ] && [ -n "$(ls -A "$FOLDER")" ]; then
  echo "$FOLDER holds something else than an earlier demonstration: choose another one by DEMO_FOLDER" >&2
  exit 1
fi
rm -rf "$FOLDER/files" "$FOLDER"/portal.db* "$FOLDER/portal.log"
mkdir -p "$FOLDER/files"
: > "$FOLDER/portal.log"
portal() { target/org-portal "$@"; }
export DATABASE_URL="sqlite:$FOLDER/portal.db"
unset ORG_PORTAL_SMTP_URL
OPERATOR=operator@portal.example
portal migrate >/dev/null
portal generate --customers "${DEMO_CUSTOMERS:-50}" --seed 7 --out "$FOLDER/files"
portal import customers "$FOLDER/files"
PASSWORD=$(portal operator create "$OPERATOR" --name 'Olga Operator' | grep -oE '[A-Za-z0-9_-]{40,}' | tail -n 1)
# The program itself: of a function it would be a shell in between that is killed, and the server would stay.
target/org-portal serve > "$FOLDER/portal.log" 2>&1 &
SERVER=$!
trap 'kill "$SERVER" 2>/dev/null || true; wait "$SERVER" 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
ADDRESS=
for _ in $(seq 100); do
  ADDRESS=$(grep -oE 'http://[0-9.:]+' "$FOLDER/portal.log" | head -n 1 || true)
  [ -n "$ADDRESS" ] && break
  kill -0 "$SERVER" 2>/dev/null || { cat "$FOLDER/portal.log" >&2; exit 1; }
  sleep 0.1
done
node scripts/demo.mjs "$ADDRESS" "$FOLDER/files" "$OPERATOR" "$PASSWORD"
wait "$SERVER"
