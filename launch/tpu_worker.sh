#!/usr/bin/env bash
# The part of tpu.sh that runs on every worker, from ~/hclip/code; beside it lie .venv, training.log, pid and status.
#   bash launch/tpu_worker.sh setup|idle|start ARGUMENTS|status|stop
set -euo pipefail
cd "$(dirname "$0")/../.."

is_running() { [ -f pid ] && [ ! -f status ] && kill -0 -- "-$(cat pid)" 2>/dev/null; }

case ${1:-} in
  setup) # uv brings a Python, since the one of the image may be older than 3.11
    PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --quiet --user uv
    [ -d .venv ] || python3 -m uv venv --quiet --python=3.12 .venv
    VIRTUAL_ENV=$PWD/.venv python3 -m uv pip install --quiet -e "code[tpu,gcs]"
    # Faster starts and ends of the TPU runtime from v5e on, says JAX.
    sudo sh -c 'echo always >/sys/kernel/mm/transparent_hugepage/enabled' || true
    ;;
  idle)
    if is_running; then
      echo "error: a training runs on $(hostname); bash launch/tpu.sh stop ends it" >&2
      exit 2
    fi
    ;;
  start)
    bash "code/launch/tpu_worker.sh" idle
    rm -f status
    set -m # a process group of its own, which stop needs, and in which SIGINT is not ignored
    nohup bash code/launch/tpu_worker.sh run "${@:2}" </dev/null >>training.log 2>&1 &
    echo $! >pid
    ;;
  run)
    trap : INT TERM # they are for the training; this waits for it
    result=0
    .venv/bin/python -u -m hclip_jax.main "${@:2}" || result=$?
    echo "$result" >status
    ;;
  status)
    if is_running; then
      echo running
    elif [ -f status ]; then
      cat status
    elif [ -f pid ]; then
      echo 137 # killed, or the machine started again
    else
      echo none
    fi
    ;;
  stop) # as Ctrl-C: status 130 and not 143, so that babysit does not start it again
    is_running || exit 0
    kill -INT -- "-$(cat pid)"
    for ((i = 0; i < ${STOP_SECONDS:-120}; i++)); do
      is_running || exit 0
      sleep 1
    done
    kill -KILL -- "-$(cat pid)"
    ;;
  *)
    echo "error: the command is '${1:-}'; see the top of $0" >&2
    exit 2
    ;;
esac
