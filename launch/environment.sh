# shellcheck shell=bash
# Sourced by the other scripts: activates .venv, and installs the package with the extras in EXTRAS, unless that was
# done and nothing changed since. Of several scripts at once, one does this and the others wait.
# PYTHON=python3.12 chooses the interpreter (3.11 or newer); an active virtual environment is used instead.
check_version() {
  "$1" - <<'PYTHON'
import sys

if sys.version_info < (3, 11):
    sys.exit(f"error: Python {sys.version.split()[0]} is too old; give PYTHON=python3.11 or newer, without .venv")
PYTHON
}
# What an installation depends on, and what it leaves: the package's origin, and whether there are kernels.
installation() {
  printf '%s\n' "$PWD" "${CC:-}" "${CXX:-}" "$(command -v "${CXX:-g++}" || true)"
  cat requirements.txt pyproject.toml setup.py hclip_jax/version.py hclip_jax/ops/native/*.{cc,h,inc}
  python -P - <<'PYTHON'
import importlib.metadata as metadata, pathlib, sys, sysconfig

origins = [d.read_text("direct_url.json") for d in metadata.distributions(name="hclip_jax")]
kernels = pathlib.Path("hclip_jax/ops/native/_kernels" + sysconfig.get_config_var("EXT_SUFFIX"))
print(sys.version, sys.prefix, origins, kernels.exists())
PYTHON
}
exec 9<launch/environment.sh
if command -v flock >/dev/null; then flock 9; fi
if [ -z "${VIRTUAL_ENV:-}" ]; then
  if [ ! -f .venv/bin/activate ]; then
    check_version "${PYTHON:-python3}"
    "${PYTHON:-python3}" -m venv --clear .venv
  fi
  source .venv/bin/activate
fi
check_version python
stamp=$VIRTUAL_ENV/hclip_jax${EXTRAS:-}.installed
if [ "$(installation | cksum)" != "$(cat "$stamp" 2>/dev/null)" ]; then
  python -m pip install --quiet --disable-pip-version-check -e ".${EXTRAS:-}"
  installation | cksum >"$stamp"
  hclip --version # says whether there are native kernels; why not, `pip install -v` says
fi
exec 9<&-
# Memory in huge pages, with glibc: XLA allocates large buffers at every step, and without huge pages a step of a
# small model spends a third of its time on their page faults.
export GLIBC_TUNABLES="${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}"
