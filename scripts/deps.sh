#!/usr/bin/env bash
# Installs the Debian packages that the tests need when it runs as root; else it
# names those that are missing and fails.
set -euo pipefail

declare -A package=(
  [gcc]="gcc libc6-dev" # the race detector
  [chromium]=chromium # browser tests
  [dockerd]=docker.io # the container tests
  [ip]=iproute2       # network namespaces
  [curl]=curl         # make up
  [prometheus]=prometheus # samples in a store elsewhere
  [haproxy]=haproxy   # the container tests, as a stand-in for the image
  [systemd-analyze]=systemd # the units
)

missing=()
for command in "${!package[@]}"; do
  if ! command -v "$command" >/dev/null; then
    read -ra names <<<"${package[$command]}"
    missing+=("${names[@]}")
  fi
done
# The engine's client and Compose are packages of their own on some releases.
if command -v dpkg >/dev/null && ! dpkg -s docker-compose >/dev/null 2>&1; then
  missing+=(docker-compose)
fi
# The programs of PostgreSQL are not in PATH there.
if ! compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null && ! command -v postgres >/dev/null; then
  missing+=(postgresql)
fi
[[ ${#missing[@]} -eq 0 ]] && exit 0

if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
  echo "These are needed for the tests and are not installed: ${missing[*]}" >&2
  echo "On Debian and Ubuntu: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Programs are wanted, not their services: nothing is started.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
apt-get update -qq
if [[ " ${missing[*]} " == *" postgresql "* ]]; then
  # The tests start clusters of their own; no other is made or started.
  apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null
  sed -i 's/^#\?create_main_cluster .*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
fi
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
