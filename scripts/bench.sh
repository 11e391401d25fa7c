#!/usr/bin/env bash
# Measures what docs/benchmarks.md tells, prints it and writes it there. It takes
# about half an hour; QUICK=1 takes one short run of each, to try the script.
# OUT names another file to write. PART=spool or PART=storm, or another step's
# name, prints the figures of that step alone and writes nothing.
#
# Peers are measured where they are: Prometheus and VictoriaMetrics in the folder
# SONDE_STORES, or built once into .sonde/stores; node_exporter where Debian's
# package prometheus-node-exporter is installed. The steps in a browser need
# `make build` and Chromium. What lacks something is left out, and the page says so.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d "${TMPDIR:-/tmp}/sonde-bench-XXXXXX")
trap 'rm -rf "$dir"' EXIT
export CGO_ENABLED=0

stores=${SONDE_STORES:-.sonde/stores}
if [[ ! -x $stores/victoria-metrics || ! -x $stores/prometheus ]]; then
  echo "building Prometheus and VictoriaMetrics into $stores" >&2
  scripts/stores.sh "$stores" || echo "they cannot be built: their rows are left out" >&2
fi

version=$(git describe --tags --always --dirty 2>/dev/null || echo devel)
tags='' web=false
if [[ -e www/out/.built ]]; then tags=embedweb web=true; fi
go build -tags "$tags" -trimpath -ldflags "-s -w -X sonde.dev/sonde/internal/buildinfo.version=$version" -o "$dir/" ./cmd/sonde ./cmd/sonde-agent
go build -o "$dir/bench" ./scripts/bench
go test -c -o "$dir/wire.test" ./internal/wire
go test -c -o "$dir/spool.test" ./agent/internal/spool
go test -c -o "$dir/probe.test" ./agent/internal/probe

runs=5
[[ -z ${QUICK:-} ]] || runs=1
"$dir/bench" -dir "$dir" -stores "$stores" -web="$web" -runs "$runs" -out "${OUT:-docs/benchmarks.md}" -part "${PART:-}"
