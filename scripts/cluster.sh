#!/usr/bin/env bash
# A cluster of real processes on this machine: three coordinators and some nodes.
#
#   scripts/cluster.sh start [NODES]   start all that does not run (default 3 nodes, the first time), and wait until it is whole
#   scripts/cluster.sh status          how it is, and which processes run
#   scripts/cluster.sh join [N]        start N more nodes (default 1): they get their share
#   scripts/cluster.sh kill NAME       kill -9 one process: n2, c1
#   scripts/cluster.sh restart NAME    end one process, if it runs, and start it
#   scripts/cluster.sh wipe NAME       remove the data of a process that does not run
#   scripts/cluster.sh stop            end all; the data stays
#   scripts/cluster.sh remove          end all and remove the data
#   scripts/cluster.sh servers         the nodes' addresses, for --server
#
# HOLDFAST_CLUSTER_DIR says where its data, logs and process numbers are.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
dir="${HOLDFAST_CLUSTER_DIR:-${TMPDIR:-/tmp}/holdfast-cluster-$(id -u)}"
binary="${HOLDFAST_BINARY:-$here/bin/holdfast}"
members="$dir/members" # lines: name HTTP-address peer-address

fail() {
  echo "cluster.sh: $*" >&2
  exit 1
}

# field NAME N: the member's HTTP (2) or peer (3) address.
field() { awk -v name="$1" -v n="$2" '$1 == name { print $n }' "$members"; }

names() { awk '{ print $1 }' "$members"; }

known() {
  [[ -f "$members" ]] || fail "there is no cluster in $dir; start one first"
  [[ -z "${1+x}" || -n "$(field "$1" 2)" ]] || fail "there is no process $1; there are: $(names | xargs)"
}

# pid NAME: the number of the member's process, if that still is ours.
pid() {
  local number
  number="$(cat "$dir/$1.pid" 2>/dev/null)" || return 1
  { tr '\0' '\n' <"/proc/$number/cmdline" | grep -qxF -- "$dir/$1" && echo "$number"; } 2>/dev/null
}

# plan FIRST LAST: names and addresses of nodes, and of the coordinators with the
# first of them.
plan() {
  local port=7070 name http peer
  mkdir -p "$dir"
  touch "$members"
  free() { # sets $port to the next one that nothing listens on
    while grep -q ":$port\b" "$members" || (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    address="127.0.0.1:$port"
    port=$((port + 1))
  }
  for name in $(seq -f 'n%g' "$1" "$2") $([[ "$1" == 1 ]] && echo c1 c2 c3); do
    free; http="$address"
    free; peer="$address"
    echo "$name $http $peer"
  done >"$members.new"
  cat "$members.new" >>"$members"
  rm "$members.new"
}

start_one() {
  local name="$1" arguments
  pid "$name" >/dev/null && return 0
  arguments=(--id "$name" --data-dir "$dir/$name" --http-addr "$(field "$name" 2)" --peer-addr "$(field "$name" 3)")
  if [[ "$name" == c* ]]; then
    local nodes factor
    nodes="$(cat "$dir/expect")"
    factor=$((nodes < 3 ? nodes : 3))
    arguments=(coordinator "${arguments[@]}" --expect-nodes "$nodes" --replication-factor "$factor"
      --initial-cluster "$(awk '/^c/ { printf "%s%s=%s", comma, $1, $3; comma = "," }' "$members")")
  else
    arguments=(node "${arguments[@]}" --coordinators "$(awk '/^c/ { printf "%s%s", comma, $3; comma = "," }' "$members")")
  fi
  set -m # a process group of its own: Ctrl-C is for the script alone
  "$binary" "${arguments[@]}" >>"$dir/$name.log" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
  disown
  set +m
}

# end NAME SIGNAL: and wait until the process is gone.
end() {
  local number
  number="$(pid "$1")" || return 0
  kill -s "$2" "$number" 2>/dev/null || return 0
  for _ in $(seq 300); do
    pid "$1" >/dev/null || return 0
    sleep 0.05
  done
  fail "$1 (process $number) does not end"
}

# state: what the cluster says of itself; exit code 6 where it is degraded.
state() {
  local servers=() address
  while read -r address; do servers+=(--server "$address"); done < <(awk '{ print $2 }' "$members")
  "$binary" status --timeout 5s "${servers[@]}"
}

# settled waits, for at most 20 s, until everything is in sync.
settled() {
  for _ in $(seq 100); do
    state >/dev/null 2>&1 && return 0
    sleep 0.2
  done
  return 1
}

stop_all() {
  local name
  for name in $(names); do
    { pid "$name" >/dev/null && kill "$(pid "$name")"; } 2>/dev/null || true
  done
  for name in $(names); do end "$name" TERM; done
}

case "${1:-}" in
  start)
    [[ -x "$binary" ]] || fail "$binary is not there: make build"
    if [[ -f "$members" ]]; then
      [[ -z "${2:-}" || "$2" == "$(cat "$dir/expect")" ]] || fail "the cluster in $dir has another number of nodes; remove it first"
    else
      [[ "${2:-3}" =~ ^[1-9][0-9]*$ ]] || fail "start: want a number of nodes"
      plan 1 "${2:-3}"
      echo "${2:-3}" >"$dir/expect"
    fi
    for name in $(names); do start_one "$name"; done
    for name in $(names); do pid "$name" >/dev/null || fail "$name did not start: $(tail -n 3 "$dir/$name.log")"; done
    settled || echo "it runs, but is not whole yet; scripts/cluster.sh status tells why"
    echo "$(grep -c '^n' "$members") nodes, $(awk '/^n/ { printf "%s%s at http://%s", comma, $1, $2; comma = ", " }' "$members")"
    ;;
  join)
    known
    more="${2:-1}" last="$(grep '^n' "$members" | tr -dc '0-9 \n' | awk '$1 > last { last = $1 } END { print last }')"
    [[ "$more" =~ ^[1-9][0-9]*$ ]] || fail "join: want a number of nodes"
    plan $((last + 1)) $((last + more))
    for name in $(seq -f 'n%g' $((last + 1)) $((last + more))); do start_one "$name"; done
    for name in $(names); do pid "$name" >/dev/null || echo "$name does not run"; done
    ;;
  status)
    known
    for name in $(names); do
      if number="$(pid "$name")"; then echo "$name runs, process $number, http://$(field "$name" 2)"; else echo "$name does not run"; fi
    done
    echo
    state
    ;;
  servers) known; awk '/^n/ { printf "%s%s", comma, $2; comma = "," } END { print "" }' "$members" ;;
  kill) known "${2:?which process?}"; end "$2" KILL ;;
  restart) known "${2:?which process?}"; end "$2" TERM; start_one "$2" ;;
  wipe)
    known "${2:?which process?}"
    pid "$2" >/dev/null && fail "$2 runs; kill it first"
    rm -rf "${dir:?}/$2"
    ;;
  stop) known; stop_all ;;
  remove)
    [[ -f "$members" ]] || exit 0
    stop_all
    rm -rf "${dir:?}"
    ;;
  *)
    sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 2
    ;;
esac
