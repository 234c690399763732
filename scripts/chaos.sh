#!/usr/bin/env bash
# Kills, pauses, restarts and wipes the processes of a cluster while clients
# write and read, then has a checker judge what they saw. Flags go to the
# checker: scripts/chaos.sh -duration 10m -seed 7
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ -x bin/holdfast ]] || { echo "bin/holdfast is not there: make build" >&2; exit 1; }
go build -o bin/chaos ./scripts/chaos
exec bin/chaos "$@"
