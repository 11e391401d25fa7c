#!/usr/bin/env bash
# Runs the server and an agent on this machine until Ctrl-C; `make up` calls it.
# SONDE_… and SONDE_AGENT_… variables reach both programs. The data stays in
# .sonde/ (or $SONDE_HOME) and is there again at the next start.
set -euo pipefail
cd "$(dirname "$0")/.."

home=${SONDE_HOME:-$PWD/.sonde}
listen=${SONDE_LISTEN:-127.0.0.1:7070}
case $listen in
127.* | localhost:* | '[::1]:'*) ;;
*)
  echo "SONDE_LISTEN: $listen is not a loopback address: make up is for this machine; README.md, \"Add a host\", says how others reach a server" >&2
  exit 2
  ;;
esac
mkdir -p -m 700 "$home/agent"

if [[ -n ${CODESPACE_NAME:-} ]]; then
  domain=${GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN:-app.github.dev}
  export SONDE_PUBLIC_URL=${SONDE_PUBLIC_URL:-https://$CODESPACE_NAME-${listen##*:}.$domain}
fi

# Each in a process group of its own, so that Ctrl-C reaches this script alone
# and the agent can hand its last samples to a server that still runs.
set -m
server='' agent=''
stop() {
  trap '' INT TERM
  if [[ -n $agent ]]; then kill -TERM "$agent" 2>/dev/null || true; wait "$agent" 2>/dev/null || true; fi
  if [[ -n $server ]]; then kill -TERM "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
}
trap 'stop; exit 0' INT TERM

bin/sonde server --data-dir "$home/server" --listen "$listen" &
server=$!
until [[ -s $home/server/join-token ]] && curl -fsS -o /dev/null "http://$listen/healthz" 2>/dev/null; do
  if ! kill -0 "$server" 2>/dev/null; then
    wait "$server" && code=0 || code=$?
    exit "$code"
  fi
  sleep 0.05
done

bin/sonde-agent --server "http://$listen" --join-token-file "$home/server/join-token" --state-dir "$home/agent" &
agent=$!

wait -n "$server" "$agent" && code=0 || code=$?
stop
exit "$code"
