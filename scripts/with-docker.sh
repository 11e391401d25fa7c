#!/usr/bin/env bash
# with-docker.sh COMMAND [ARGUMENT…] runs a command with a Docker engine: the one
# that runs already, or else, as root, one that is started for this command and
# is gone after it, with all that it held.
#
# The engine of its own keeps away from the machine's state: its files, its
# socket and its mounts are its own, and it changes no firewall rule. Containers
# reach each other and this machine, but not further, so a build that needs the
# network takes that of the host; SONDE_BUILD_NETWORK says so to COMMAND.
set -euo pipefail

if docker info >/dev/null 2>&1; then
  exec "$@"
fi
if [[ $(id -u) -ne 0 ]]; then
  echo "with-docker.sh: no Docker engine answers (docker info says why); start one, or run this as root to have one started" >&2
  exit 1
fi
if ! command -v dockerd >/dev/null; then
  echo "with-docker.sh: no Docker engine answers and dockerd is not installed: scripts/deps.sh installs it" >&2
  exit 1
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/sonde-docker-XXXXXX")
had_bridge=$(ip link show docker0 2>/dev/null || true)
engine='' command=''

cleanup() {
  local bridges='' id
  trap '' INT TERM
  if [[ -n $command ]]; then
    kill -TERM -- "-$command" 2>/dev/null || true
    wait "$command" || true
  fi
  if [[ -n $engine ]]; then
    bridges=$(docker network ls --quiet --filter driver=bridge 2>/dev/null || true)
    # It stops its containers first, and leaves the devices of its networks.
    kill -TERM "$engine" 2>/dev/null || true
    wait "$engine" || true
  fi
  if [[ -z $had_bridge ]]; then ip link delete docker0 2>/dev/null || true; fi
  for id in $bridges; do ip link delete "br-$id" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Job control gives each a process group of its own, so that Ctrl-C reaches this
# script alone, and the engine outlives what the command still has to clean up.
set -m

# In a mount namespace of its own, nothing stays mounted when it ends. Mounts are
# shared there, as on a host with systemd, so that rslave works.
unshare --mount --propagation shared \
  dockerd --data-root "$dir/data" --exec-root "$dir/run" --pidfile "$dir/pid" \
  --host "unix://$dir/socket" \
  --iptables=false --ip6tables=false --ip-masq=false --ip-forward=false \
  >"$dir/log" 2>&1 &
engine=$!
export DOCKER_HOST=unix://$dir/socket
export SONDE_BUILD_NETWORK=host

for ((tenths = 0; ; tenths++)); do
  if docker info >/dev/null 2>&1; then break; fi
  if ! kill -0 "$engine" 2>/dev/null || ((tenths == 600)); then
    echo "with-docker.sh: dockerd did not start; its last words:" >&2
    tail -n 20 "$dir/log" >&2
    exit 1
  fi
  sleep 0.1
done

# In the foreground's stead: `wait` can be interrupted by the traps above.
"$@" &
command=$!
wait "$command" && code=0 || code=$?
command=''
exit "$code"
