#!/usr/bin/env bash
# One stage of the tests: unit, simulation or process. `make test` runs all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

race=()
if command -v "$(go env CC)" >/dev/null 2>&1; then
  race=(-race)
  export CGO_ENABLED=1
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
    echo "usage: $0 unit|simulation|process" >&2
    exit 2
    ;;
esac
