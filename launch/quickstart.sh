#!/usr/bin/env bash
# Trains a small H-CLIP on built-in images, evaluates it and prints the scores: minutes on two cores.
#   bash launch/quickstart.sh [WORKDIR]
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/environment.sh
workdir=${1:-runs/quickstart}

hclip train --config=tiny --workdir="$workdir"

python - "$workdir" <<'PYTHON'
import json, pathlib, sys

workdir = pathlib.Path(sys.argv[1])
lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
first, *_, last = [line for line in lines if "evaluation" in line]
print()
for name, metrics in last["evaluation"].items():
    before = first["evaluation"][name]["mIoU"]
    print(f"{name}: mIoU {metrics['mIoU']:.1f} after {last['step']} steps, untrained {before:.1f}")
overlay = next((workdir / "overlays" / "val").glob("*.png"))
print(f"tables:   {workdir}/evaluation/")
print(f"overlays: {workdir}/overlays/, such as {overlay}")
print(f"next:     hclip segment IMAGE --model={workdir} --classes='striped thing,sky,grass'")
print("This model has seen drawings like these only; its labels of photos mean little. For photos: hclip segment")
print("with --model=hf:spaces/hamacojr/CAT-Seg-weights/model_base.pth, or train on a published CLIP (docs/train.md)")
PYTHON
