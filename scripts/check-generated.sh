#!/usr/bin/env bash
# Fails when the committed code from proto/ is not what proto/ makes.
set -euo pipefail
cd "$(dirname "$0")/.."

before=$(find proto/gen www/src/gen -type f -exec sha256sum {} + | sort)
www/node_modules/.bin/buf generate
after=$(find proto/gen www/src/gen -type f -exec sha256sum {} + | sort)
if [[ $before != "$after" ]]; then
  echo 'proto/gen or www/src/gen was not current; it is now: look at the change and commit it' >&2
  exit 1
fi
