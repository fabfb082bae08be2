#!/usr/bin/env bash
# Formatter, linter, type checker, then all tests.   bash launch/test.sh [PYTEST_ARGUMENTS]
set -euo pipefail
cd "$(dirname "$0")/.."
EXTRAS="[dev]"
source launch/environment.sh

ruff format --check .
ruff check .
pyrefly check
python -m pytest --numprocesses=2 --dist=loadfile "$@"
