#!/usr/bin/env bash
# A training of several processes on this machine's CPUs: the rehearsal of a pod, and the launcher of the tests.
#   bash launch/local.sh PROCESSES [DEVICES] --config=NAME|FILE --workdir=DIR [--config.FIELD=VALUE ...]
# Every process gets DEVICES (1) virtual devices and the arguments of `python -m hclip_jax.main`. SIGINT, SIGTERM
# and SIGHUP go on to all of them. The exit status is the first that is not 0.
set -euo pipefail

usage() {
  echo "error: $1; give PROCESSES [DEVICES] and the arguments of hclip train, such as: bash launch/local.sh 2 4" \
    "--config=tiny --workdir=runs/two" >&2
  exit 2
}
is_count() { [[ $1 =~ ^[1-9][0-9]*$ ]]; }

processes=${1:-}
is_count "$processes" || usage "the number of processes is '$processes'"
shift
devices=1
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
  devices=$1
  is_count "$devices" || usage "the number of devices is '$devices'"
  shift
fi
[ $# -gt 0 ] || usage "the arguments of the training are missing"

if [ -z "${VIRTUAL_ENV:-}" ] && [ -f "$(dirname "$0")/../.venv/bin/activate" ]; then
  # shellcheck source=/dev/null
  source "$(dirname "$0")/../.venv/bin/activate"
fi
port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export JAX_PLATFORMS=cpu JAX_COORDINATOR_ADDRESS=127.0.0.1:$port JAX_NUM_PROCESSES=$processes
export XLA_FLAGS="${XLA_FLAGS:-} --xla_force_host_platform_device_count=$devices"

workers=()
# shellcheck disable=SC2329 # a trap calls it
forward() {
  for worker in ${workers[@]+"${workers[@]}"}; do
    kill "-$1" "$worker" 2>/dev/null || true # it may have ended
  done
}
for name in INT TERM HUP; do
  # shellcheck disable=SC2064 # the name is that of now
  trap "forward $name" "$name"
done

# Job control gives each worker a process group of its own: Ctrl-C reaches it once, from here, and is not ignored.
set -m
for ((i = 0; i < processes; i++)); do
  JAX_PROCESS_ID=$i python -u -m hclip_jax.main "$@" </dev/null &
  workers+=($!)
done
set +m

# Not `wait -n`, which macOS's bash does not have, and whose status may be that of a signal to this script.
status=0
while [ ${#workers[@]} -gt 0 ]; do
  running=()
  for worker in "${workers[@]}"; do
    if kill -0 "$worker" 2>/dev/null; then
      running+=("$worker")
    else
      ended=0
      wait "$worker" || ended=$?
      [ "$status" -ne 0 ] || status=$ended
    fi
  done
  workers=(${running[@]+"${running[@]}"})
  sleep 0.1 || true # a signal ends it
done
exit "$status"
