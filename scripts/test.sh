#!/usr/bin/env bash
# One stage of the tests: unit, fuzz, simulation or process. scripts/check.sh runs all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

race=()
if command -v "$(go env CC)" >/dev/null 2>&1; then
  race=(-race)
  export CGO_ENABLED=1
elif [[ -n "${CI:-}" ]]; then
  echo "the race detector needs a C compiler, and there is no $(go env CC): CI does not do without" >&2
  exit 1
else
  echo "no C compiler ($(go env CC)) here: testing without the race detector"
fi

# Packages that have a stage of their own.
alone='/(dataplane/simulation|scripts/processtest)$'

case "${1:-}" in
  unit)
    # The seed corpora of the fuzz tests run with the plain tests.
    mapfile -t packages < <(go list ./... | grep -Ev "$alone")
    go test "${race[@]}" -timeout 10m "${packages[@]}"
    ;;
  fuzz)
    # A short run of each fuzz test; what it finds is kept in testdata. What it
    # learns about the code stays in Go's cache, so runs build on one another. (A
    # number of inputs, for a run by time sometimes fails at its end for nothing.)
    grep -rn --include='*_test.go' -oE '^func Fuzz[A-Za-z]+' . | sort | while IFS=: read -r file _ name; do
      name=${name#func }
      if ! out=$(go test -run '^$' -fuzz "^$name\$" -fuzztime "${HOLDFAST_FUZZ_INPUTS:-2000}x" "./${file%/*}" 2>&1); then
        echo "$out"
        exit 1
      fi
      echo "$name: $(grep -oE 'execs: [0-9]+' <<<"$out" | tail -1)"
    done
    ;;
  simulation)
    # One goroutine, pure: the race detector has nothing to see there. Fresh
    # seeds every time, so nothing is taken from the test cache.
    go test -count=1 -timeout 10m ./dataplane/simulation
    go run ./scripts/simulate -minutes "${HOLDFAST_SIMULATION_MINUTES:-1}"
    ;;
  process)
    HOLDFAST_BINARY="$PWD/bin/holdfast" go test -count=1 -timeout 10m ./scripts/processtest
    ;;
  *)
    echo "usage: $0 unit|fuzz|simulation|process" >&2
    exit 2
    ;;
esac
