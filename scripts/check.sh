#!/usr/bin/env bash
# Runs the stages of a check one after another, and ends with a table of their times.
#
#   scripts/check.sh test       what must hold before a change lands; Go, git and make
#   scripts/check.sh ci         that, and what needs root and Debian packages
#   scripts/check.sh nightly    the same for longer
#   scripts/check.sh soak N     simulation, whole nodes and chaos for N hours
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

table=$(mktemp)
trap 'rm -f "$table"' EXIT

times() {
  local status=$?
  echo
  echo "| stage | seconds |"
  echo "|---|---|"
  cat "$table"
  exit "$status"
}

# stage NAME COMMAND... runs a stage; the first that fails ends the check.
stage() {
  local name=$1 began=$SECONDS
  shift
  echo "== $name"
  if ! "$@"; then
    echo "| $name: failed | $((SECONDS - began)) |" >>"$table"
    echo "== $name failed" >&2
    (exit 1) || times
  fi
  echo "| $name | $((SECONDS - began)) |" >>"$table"
}

# need TOOL PACKAGE... installs what is missing. It never does without.
need() {
  local tool=$1
  shift
  command -v "$tool" >/dev/null 2>&1 && return
  if [[ "$(id -u)" != 0 ]] || ! command -v apt-get >/dev/null 2>&1; then
    echo "$tool is missing; install it, or run this as root on Debian" >&2
    return 1
  fi
  echo "$tool is missing: installing $*"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

prepare() {
  if [[ "$(id -u)" != 0 ]]; then
    echo "this check needs root: for network namespaces and for a file system of its own" >&2
    return 1
  fi
  need "${CC:-gcc}" gcc libc6-dev && need ip iproute2 || return 1
  [[ -e /dev/net/tun ]] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; } || return 1
  [[ -e /dev/fuse ]] || mknod /dev/fuse c 10 229 || return 1
}

# The race detector needs a C compiler; a machine of CI has one.
whole_nodes() {
  if [[ -n "${CI:-}" ]] || command -v "$(go env CC)" >/dev/null 2>&1; then
    make wholenode MINUTES="$1"
  else
    echo "no C compiler here: without the race detector"
    go run ./scripts/wholenode -minutes "$1"
  fi
}

# Some rules show in one of a few hundred schedules: 3,000 are enough for each.
rules() { go run ./scripts/simulate -rules -quick -tries 1 -seeds 3000 "$@"; }

tests() {
  stage "lint" make lint
  stage "vet for linux/arm64" env GOOS=linux GOARCH=arm64 go vet ./...
  stage "unit tests" scripts/test.sh unit
  stage "fuzz tests" scripts/test.sh fuzz
  stage "simulation" scripts/test.sh simulation
  stage "rules left out" rules "${RULES_FLAGS[@]}"
  stage "whole nodes" whole_nodes "$WHOLE_MINUTES"
  stage "process tests" scripts/test.sh process
  stage "chaos" scripts/chaos.sh -duration "$CHAOS_DURATION" -network "$CHAOS_NETWORK"
}

RULES_FLAGS=(-sample 8) WHOLE_MINUTES=1 CHAOS_DURATION=25s CHAOS_NETWORK=auto LOSSES=4
case "${1:-}" in
  test)
    tests
    ;;
  ci | nightly)
    export CI=true
    CHAOS_NETWORK=namespaces
    if [[ "$1" == nightly ]]; then
      export HOLDFAST_SIMULATION_MINUTES=8
      RULES_FLAGS=() WHOLE_MINUTES=20 CHAOS_DURATION=6m LOSSES=60
    fi
    stage "packages" prepare
    tests
    stage "power losses" make powerloss LOSSES="$LOSSES"
    ;;
  soak)
    minutes=$((${2:?hours, a whole number} * 60 / 3))
    stage "simulation" go run ./scripts/simulate -minutes "$minutes"
    stage "whole nodes" whole_nodes "$minutes"
    stage "chaos" scripts/chaos.sh -duration "${minutes}m" -network auto
    ;;
  *)
    echo "usage: $0 test|ci|nightly|soak HOURS" >&2
    exit 2
    ;;
esac
times
