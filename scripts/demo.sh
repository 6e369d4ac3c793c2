#!/usr/bin/env bash
# Serves the release build on a new database with a demonstration: customers with entitlements, contacts and tickets, the
# organization of one of them with three people in it, and an operator. What was there from an earlier one is removed.
set -euo pipefail
cd "$(dirname "$0")/.."
FOLDER=target/demo
rm -rf "$FOLDER"
mkdir -p "$FOLDER/files"
portal() { target/org-portal "$@"; }
export DATABASE_URL="sqlite:$FOLDER/portal.db"
unset ORG_PORTAL_SMTP_URL
OPERATOR=operator@portal.example
portal migrate >/dev/null
portal generate --customers "${DEMO_CUSTOMERS:-50}" --seed 7 --out "$FOLDER/files"
portal import customers "$FOLDER/files"
PASSWORD=$(portal operator create "$OPERATOR" --name 'Olga Operator' | grep -oE '[A-Za-z0-9_-]{40,}' | tail -n 1)
portal serve > "$FOLDER/portal.log" 2>&1 &
SERVER=$!
trap 'kill "$SERVER" 2>/dev/null || true' EXIT
ADDRESS=
for _ in $(seq 100); do
  ADDRESS=$(grep -oE 'http://[0-9.:]+' "$FOLDER/portal.log" | head -n 1 || true)
  [ -n "$ADDRESS" ] && break
  kill -0 "$SERVER" 2>/dev/null || { cat "$FOLDER/portal.log" >&2; exit 1; }
  sleep 0.1
done
node scripts/demo.mjs "$ADDRESS" "$FOLDER/files" "$OPERATOR" "$PASSWORD"
wait "$SERVER"
