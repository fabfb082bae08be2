#!/usr/bin/env bash
# Trains a tiny H-CLIP on built-in scenes, evaluates it and says where to look: minutes on two cores.
#   bash launch/quickstart.sh [WORKDIR]
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/environment.sh
workdir=${1:-runs/quickstart}

python -m hclip_jax.main --config=configs/tiny.py --workdir="$workdir"

python - "$workdir" <<'EOF'
import json, pathlib, sys
workdir = pathlib.Path(sys.argv[1])
lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
first, *_, last = [line for line in lines if "evaluation" in line]
print()
for name, figures in last["evaluation"].items():
    before = first["evaluation"][name]["mIoU"]
    print(f"{name}: mIoU {figures['mIoU']:.1f} after {last['step']} steps, untrained {before:.1f}")
print(f"tables:   {workdir}/evaluation/")
print(f"overlays: {workdir}/overlays/  (look at {next((workdir / 'overlays' / 'val').glob('*.png'))})")
EOF
