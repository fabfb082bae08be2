#!/usr/bin/env bash
# A Cloud TPU, from nothing to a running training in two commands: create, then train.
#   export TPU_NAME=hclip TPU_ZONE=us-west4-a TPU_TYPE=v5litepod-16
#   bash launch/tpu.sh create            requests the TPU, waits for it, then setup
#   bash launch/tpu.sh setup             copies the committed code to all workers and installs it
#   bash launch/tpu.sh train ARGUMENTS   starts `hclip train ARGUMENTS` on all workers, which a broken ssh does not end
#   bash launch/tpu.sh logs [WORKER]     follows the log of a worker (0)
#   bash launch/tpu.sh status            of the training: none, running or its exit status
#   bash launch/tpu.sh stop              asks the training to save and end
#   bash launch/tpu.sh delete            deletes the TPU, with all files on it
#   bash launch/tpu.sh babysit ARGUMENTS trains until the exit status is 0, 2 or 130, on a new TPU where the old one is gone
# Also: TPU_RUNTIME (by TPU_TYPE), TPU_FLAGS=--spot for `create` (empty = on demand), TPU_POLL=30 seconds,
# TPU_RESTARTS=50 of babysit.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

fail() {
  echo "error: $1" >&2
  exit 2
}

runtime() {
  case $TPU_TYPE in
    v5litepod-*) echo v2-alpha-tpuv5-lite ;;
    v5p-*) echo v2-alpha-tpuv5 ;;
    v6e-*) echo v2-alpha-tpuv6e ;;
    *) echo tpu-ubuntu2204-base ;;
  esac
}

# tpus queued-resources|tpu-vm VERB [FLAGS]
tpus() {
  gcloud compute tpus "$1" "$2" "$TPU_NAME" --zone="$TPU_ZONE" --quiet "${@:3}"
}

# on WORKERS COMMAND
on() {
  tpus tpu-vm ssh --worker="$1" --command="$2"
}

# worker WORKERS COMMAND OF tpu_worker.sh
worker() {
  on "$1" "bash hclip/code/launch/tpu_worker.sh$(printf ' %q' "${@:2}")"
}

# The state of the request: ACTIVE and others of Google's, NONE without one, UNKNOWN where gcloud fails.
state() {
  local answer
  if answer=$(tpus queued-resources describe --format='value(state.state)' 2>&1); then
    tail -n 1 <<<"$answer"
  elif [[ $answer == *NOT_FOUND* ]]; then
    echo NONE
  else
    echo "$answer" >&2
    echo UNKNOWN
  fi
}

request() {
  local flags
  read -ra flags <<<"${TPU_FLAGS---spot}" || true # read fails at an empty line
  tpus queued-resources create --node-id="$TPU_NAME" --accelerator-type="$TPU_TYPE" \
    --runtime-version="${TPU_RUNTIME:-$(runtime)}" ${flags[@]+"${flags[@]}"}
}

# Returns 1 where it will never be active.
wait_until_active() {
  local now before=
  while true; do
    now=$(state)
    [ "$now" = "$before" ] || echo "$TPU_NAME: $now" >&2
    before=$now
    case $now in
      ACTIVE) return 0 ;;
      NONE | FAILED | SUSPEND* | DELETING) return 1 ;;
    esac
    sleep "${TPU_POLL:-30}"
  done
}

# shellcheck disable=SC2016 # for the shell of a worker
unpack='set -e; worker=hclip/code/launch/tpu_worker.sh
[ ! -f $worker ] || bash $worker idle
rm -rf hclip/code && mkdir -p hclip/code && tar -xzf hclip.tar.gz -C hclip/code
bash $worker setup'

# In functions that babysit calls, `&&` and not `set -e`, which bash switches off where a status is asked for.
setup() (
  [ -z "$(git -C "$root" status --porcelain)" ] || echo "warning: only committed files go to the TPU" >&2
  folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT &&
    git -C "$root" archive --format=tar.gz --output="$folder/hclip.tar.gz" HEAD &&
    gcloud compute tpus tpu-vm scp "$folder/hclip.tar.gz" "$TPU_NAME:" --zone="$TPU_ZONE" --quiet --worker=all &&
    on all "$unpack"
)

status() {
  local answer
  answer=$(worker 0 status | tail -n 1) || true
  [[ $answer =~ ^([0-9]+|none|running)$ ]] && echo "$answer" || echo unknown
}

# An active TPU with the code and without a training, a new one if need be.
ensure() {
  if wait_until_active && { worker all stop || true; } && { setup || setup; }; then
    return 0
  fi
  tpus queued-resources delete --force || true # there may be none
  request && wait_until_active && setup
}

# Waits for the end of the training; prints its exit status, or "lost" where the TPU is gone.
follow() {
  local now
  while true; do
    now=$(status)
    case $now in
      running) ;;
      unknown) case $(state) in ACTIVE | UNKNOWN) ;; *) echo lost && return ;; esac ;;
      *) echo "$now" && return ;;
    esac
    sleep "${TPU_POLL:-30}"
  done
}

babysit() {
  local attempt result
  for ((attempt = 0; attempt <= ${TPU_RESTARTS:-50}; attempt++)); do
    result="not started"
    # At first it may run already, which babysit was ended from.
    if { [ "$attempt" = 0 ] && [ "$(status)" = running ]; } || { ensure && worker all start "$@"; }; then
      result=$(follow)
    else
      sleep "${TPU_POLL:-30}"
    fi
    echo "$TPU_NAME: training $result" >&2
    case $result in 0 | 2 | 130) exit "$result" ;; esac
  done
  echo "error: $((attempt - 1)) restarts were not enough; see bash launch/tpu.sh logs" >&2
  exit 1
}

command=${1:-}
[ $# -eq 0 ] || shift
[ -n "${TPU_NAME:-}" ] && [ -n "${TPU_ZONE:-}" ] || fail "set TPU_NAME and TPU_ZONE (see the top of $0)"
case $command in
  create | babysit) [ -n "${TPU_TYPE:-}" ] || fail "set TPU_TYPE, such as v5litepod-16" ;;
esac
case $command in
  train | babysit) [ $# -gt 0 ] || fail "$command needs the arguments of hclip train" ;;
esac
case $command in
  create)
    case $(state) in NONE | UNKNOWN) request ;; esac # a second `create` goes on with the first
    wait_until_active || fail "there will be no TPU for this request; delete it, then create again"
    setup
    ;;
  setup) setup ;;
  train)
    worker all start "$@"
    echo "started; bash $0 logs follows it" >&2
    ;;
  logs) on "${1:-0}" 'tail -n 100 -F hclip/training.log' ;;
  status) status ;;
  stop) worker all stop ;;
  delete) tpus queued-resources delete --force ;;
  babysit) babysit "$@" ;;
  *) fail "the command is '$command'; give create, setup, train, logs, status, stop, delete or babysit" ;;
esac
