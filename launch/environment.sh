# shellcheck shell=bash
# Sourced by the other scripts: activates .venv, and installs the package with the extras in EXTRAS.
# PYTHON=python3.12 chooses the interpreter (3.11 or newer); an active virtual environment is used instead.
check_version() {
  "$1" - <<'PYTHON'
import sys

if sys.version_info < (3, 11):
    sys.exit(f"error: Python {sys.version.split()[0]} is too old; give PYTHON=python3.11 or newer, without .venv")
PYTHON
}
if [ -z "${VIRTUAL_ENV:-}" ]; then
  if [ ! -f .venv/bin/activate ]; then
    check_version "${PYTHON:-python3}"
    "${PYTHON:-python3}" -m venv --clear .venv
  fi
  source .venv/bin/activate
fi
check_version python
python -m pip install --quiet --disable-pip-version-check -e ".${EXTRAS:-}"
# Memory in huge pages, with glibc: XLA allocates large buffers at every step, and without huge pages a step of a
# small model spends a third of its time on their page faults.
export GLIBC_TUNABLES="${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}"
