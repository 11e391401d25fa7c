#!/usr/bin/env bash
# Builds the stores that the tests of series/remote write to, beside Debian's
# Prometheus, into the folder given: prometheus and victoria-metrics. The tests
# find them by SONDE_STORES, the absolute path of that folder.
set -euo pipefail

out=$(realpath -m "${1:?usage: scripts/stores.sh FOLDER}")
mkdir -p "$out"
modules=$(mktemp -d)
trap 'rm -rf "$modules"' EXIT

# Their go.mod files have replace directives, which `go install` refuses.
build() { # name, package, version, tags
  mkdir "$modules/$1"
  cd "$modules/$1"
  go mod init store 2>/dev/null
  go get "$2@$3" 2>/dev/null
  go build -tags "$4" -o "$out/$1" "$2"
}
build prometheus github.com/prometheus/prometheus/cmd/prometheus v0.313.0 remove_all_sd
build victoria-metrics github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics v1.122.0 ""
