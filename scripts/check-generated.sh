#!/usr/bin/env bash
# Fails when the committed code from proto/ is not what proto/ makes.
set -euo pipefail
cd "$(dirname "$0")/.."

made=$(mktemp -d "${TMPDIR:-/tmp}/sonde-generated-XXXXXX")
trap 'rm -rf "$made"' EXIT
www/node_modules/.bin/buf generate --output "$made"
for folder in proto/gen www/src/gen; do
  if ! diff -r "$folder" "$made/$folder"; then
    echo "$folder is not current: run make generate, look at the change and commit it" >&2
    exit 1
  fi
done
