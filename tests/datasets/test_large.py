"""A made-up COCO-Stuff of 20,000 pairs and over 1 GB: bounded memory, and a killed run done again."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.tfds import TfdsSource

NUM_IMAGES = 20_000
NUM_DISTINCT = 40

SCRIPT = """
import json, resource, sys
from pathlib import Path
from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.prepare import open_source, write

if __name__ == "__main__":
    source = open_source(CATALOGUE["coco_stuff_171"], Path(sys.argv[1]), partial=True)
    write(source, Path(sys.argv[2]), "tfds", lambda name, total: lambda: None)
    assert not {"tensorflow", "cv2"} & sys.modules.keys()
    processes = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    print(json.dumps([resource.getrusage(process).ru_maxrss / 1024 for process in processes]))
"""


def make_coco(root: Path) -> int:
    """Writes NUM_DISTINCT pairs and links the others to them; returns the bytes of all images."""
    random = np.random.default_rng(0)
    images, labels = root / "train2017", root / "stuffthingmaps/train2017"
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    num_bytes = 0
    for number in range(NUM_IMAGES):
        image, label = images / f"{number:012d}.jpg", labels / f"{number:012d}.png"
        first = f"{number % NUM_DISTINCT:012d}"
        if number < NUM_DISTINCT:
            noise = Image.fromarray(random.integers(0, 256, (248, 248, 3), dtype=np.uint8))
            buffer = io.BytesIO()
            noise.save(buffer, "JPEG", quality=92)
            image.write_bytes(buffer.getvalue())
            ids = random.integers(0, 182, (31, 31), dtype=np.uint8)
            Image.fromarray(np.kron(ids, np.ones((8, 8), np.uint8))).save(label)
        else:
            os.link(images / f"{first}.jpg", image)
            os.link(labels / f"{first}.png", label)
        num_bytes += image.stat().st_size
    return num_bytes


@pytest.mark.slow
def test_over_one_gigabyte(tmp_path: Path) -> None:
    num_bytes = make_coco(tmp_path / "coco")
    assert num_bytes > 2**30
    script = tmp_path / "prepare.py"
    script.write_text(SCRIPT)
    folder = tmp_path / "data/coco_stuff_171"
    command = [sys.executable, script, tmp_path, folder]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    killed = subprocess.Popen(command, env=environment)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    deadline = time.monotonic() + 120
    while sum(path.stat().st_size for path in unfinished.rglob("*") if path.is_file()) < 2**28:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert unfinished.exists()
    assert not folder.exists()

    start = time.monotonic()
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    print(f"{num_bytes / 1e9:.2f} GB in {time.monotonic() - start:.0f} s, peaks in MB: {run.stdout.strip()}")
    assert max(json.loads(run.stdout)) < 400
    assert not unfinished.exists()
    source = TfdsSource(folder, "train")
    assert len(source) == NUM_IMAGES
    assert [record["name"] for record in source._records] == [
        f"{number:012d}".encode() for number in range(NUM_IMAGES)
    ]
