#!/usr/bin/env bash
# Starts a Docker engine inside the development container, as root. The
# container is privileged, and /var/lib/docker a volume, so that this works.
set -euo pipefail

if docker info >/dev/null 2>&1; then exit 0; fi

# With cgroup v2, a group can hand controllers on to its children only while it
# has no processes of its own: those that run go into a child.
groups=/sys/fs/cgroup
if [[ -f $groups/cgroup.controllers ]]; then
  mkdir -p $groups/init
  while read -r pid; do
    echo "$pid" 2>/dev/null >$groups/init/cgroup.procs || true # it has ended
  done <$groups/cgroup.procs
  for controller in $(<$groups/cgroup.controllers); do
    echo "+$controller" 2>/dev/null >$groups/cgroup.subtree_control || true # not one of this machine
  done
fi
# As on a host with systemd, so that mounts with rslave work.
mount --make-rshared /

rm -f /var/run/docker.pid # of an engine that a stop of the container killed
setsid dockerd >/var/log/dockerd.log 2>&1 </dev/null &
for ((tenths = 0; tenths < 300; tenths++)); do
  if docker info >/dev/null 2>&1; then exit 0; fi
  sleep 0.1
done
echo 'dockerd did not start; its last words:' >&2
tail -n 20 /var/log/dockerd.log >&2
exit 1
