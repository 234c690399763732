#!/usr/bin/env bash
# What `make run` shows: a trio and ten nodes as processes, a thousand keys
# through random nodes, the route of requests, a node killed; and then, under
# load, two more nodes, one that is drained, and one that is killed and replaced.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

HOLDFAST_CLUSTER_DIR="$(mktemp -d "${TMPDIR:-/tmp}/holdfast-demo.XXXXXX")"
export HOLDFAST_CLUSTER_DIR
binary=bin/holdfast
bold='' plain='' green='' red=''
if [[ -t 1 ]]; then bold=$'\e[1m' plain=$'\e[0m' green=$'\e[32m' red=$'\e[31m'; fi

step=0
say() { step=$((step + 1)); printf '\n%s%d. %s%s\n' "$bold" "$step" "$*" "$plain"; }
note() { printf '   %s\n' "$*"; }
cluster() { scripts/cluster.sh "$@"; }

load=''
finish() {
  local code=$?
  trap - EXIT INT TERM
  if [[ -n $load ]]; then
    kill -KILL "$load" 2>/dev/null || true
  fi
  if [[ $code != 0 ]]; then
    printf '\n%sThe demonstration failed.%s Data and logs are in %s\n' "$red" "$plain" "$HOLDFAST_CLUSTER_DIR"
    cluster stop || true
  else
    cluster remove
    rm -rf "$HOLDFAST_CLUSTER_DIR"
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

go build -o bin/demo ./scripts/demo
demo() { bin/demo "$1" --servers "$servers" "${@:2}" | sed 's/^/   /'; }

say "Three coordinators and ten nodes are started, each a process of its own."
cluster start 10
servers="$(cluster servers)"
demo wait
note "Each partition is stored by three of the ten nodes. One of the three is its primary, which orders its writes."

say "How the partitions are spread over the nodes (dark: primary, light: other replicas)."
demo spread

say "A thousand keys are written, each through a node chosen at random."
demo write

say "They are read again, also through random nodes."
demo read

key=user:0042
say "One key, asked for at three kinds of node: $key"
routes="$(bin/demo routes --servers "$servers" --key "$key")"
at() { awk -v kind="$1" '$1 == kind { print $3 }' <<<"$routes"; }
called() { awk -v kind="$1" '$1 == kind { print $2 }' <<<"$routes"; }
"$binary" locate "$key" --server "$(at none)" | sed 's/^/   /'
tell() { # tell KIND HEADING
  note ""
  note "$2: $(called "$1")"
  "$binary" put "$key" "written by way of $(called "$1")" -v --server "$(at "$1")" 2>&1 | sed 's/^/     write: /'
  "$binary" get "$key" -v --server "$(at "$1")" 2>&1 >/dev/null | sed 's/^/     read:  /'
}
tell primary "At its primary"
tell replica "At another of its replicas"
tell none "At a node that does not store it"
"$binary" put "$key" "the value of user 42" --server "$(at none)"

victim="$(called primary)" address="$(at primary)"
say "kill -9 $victim, the primary of that key. No other process is told."
started="$(date +%s%N)"
cluster kill "$victim"
servers="$(tr ',' '\n' <<<"$servers" | grep -vxF "$address" | paste -sd,)"
"$binary" put "$key" "the value of user 42" -v --server "$(at none)" 2>&1 | sed 's/^/   next write: /'
note "$(( ($(date +%s%N) - started) / 1000000 )) ms after the kill the key is written again. Nothing failed; the write waited."

say "All thousand keys, through the nine nodes left."
demo read

say "$victim is started again. It catches up, is a full replica again, and gets its primaries back."
cluster restart "$victim"
servers="$servers,$address"
demo whole
demo settle --holders 10
demo whole
"$binary" status --server "$address" | sed 's/^/   /'

say "Under load from here on: two more nodes join. Each gets its share, and nothing else moves."
demo spread
"$binary" throttle 32MiB --server "$address" | sed 's/^/   /'
bin/demo load --servers "$servers" --timeout 5m >"$HOLDFAST_CLUSTER_DIR/load.txt" 2>&1 &
load=$!
mark="$(bin/demo mark --servers "$servers")"
cluster join 2
demo settle --holders 12 --mark "$mark"
servers="$(cluster servers)"
demo spread

drained=n3
[[ "$drained" == "$victim" ]] && drained=n4
say "$drained is drained: it gives everything away, and stays in the cluster."
mark="$(bin/demo mark --servers "$servers")"
"$binary" drain "$drained" --detach --server "$address" | sed 's/^/   /'
demo settle --holders 11 --mark "$mark"
demo spread

say "kill -9 $victim, once more, under load."
cluster kill "$victim"
servers="$(tr ',' '\n' <<<"$servers" | grep -vxF "$address" | paste -sd,)"
demo read
kill -TERM "$load"
wait "$load" || { load=''; cat "$HOLDFAST_CLUSTER_DIR/load.txt"; exit 1; }
load=''
note "All the while: $(cat "$HOLDFAST_CLUSTER_DIR/load.txt")"

printf '\n%sNothing that was acknowledged was lost.%s The processes are ended and their data removed.\n' "$green" "$plain"
