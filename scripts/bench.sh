#!/usr/bin/env bash
# Measures what docs/benchmarks.md tells, prints it and writes it there. It takes
# about eight minutes; QUICK=1 takes one short run of each, to try the script.
# OUT names another file to write. PART=spool or PART=storm, or another step's
# name, prints the figures of that step alone and writes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d "${TMPDIR:-/tmp}/sonde-bench-XXXXXX")
trap 'rm -rf "$dir"' EXIT

export CGO_ENABLED=0
version=$(git describe --tags --always --dirty 2>/dev/null || echo devel)
go build -trimpath -ldflags "-s -w -X sonde.dev/sonde/internal/buildinfo.version=$version" -o "$dir/" ./cmd/sonde ./cmd/sonde-agent
go build -o "$dir/bench" ./scripts/bench
go test -c -o "$dir/wire.test" ./internal/wire
go test -c -o "$dir/spool.test" ./agent/internal/spool

runs=5
[[ -z ${QUICK:-} ]] || runs=1
"$dir/bench" -dir "$dir" -runs "$runs" -out "${OUT:-docs/benchmarks.md}" -part "${PART:-}"
