# Sourced by the other scripts: a virtual environment in .venv with what requirements.txt asks for.
# PYTHON=python3.12 chooses the interpreter (3.11 or newer); an environment that is active is used as it is.
if [ -z "${VIRTUAL_ENV:-}" ]; then
  [ -d .venv ] || "${PYTHON:-python3}" -m venv .venv
  source .venv/bin/activate
fi
python - <<'EOF'
import sys
if sys.version_info < (3, 11):
    sys.exit(f"error: Python {sys.version.split()[0]} is too old; give PYTHON=python3.11 or newer")
EOF
python -m pip install --quiet --disable-pip-version-check -e ".${EXTRAS:-}"
# Memory in huge pages, where the C library is glibc: XLA asks for large buffers at every step, and a step of a
# small model spends a third of its time on their page faults.
export GLIBC_TUNABLES="${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}"
