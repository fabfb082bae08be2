"""Writes weight files of the published sizes, with random weights, and what their libraries compute.

In the environment of `make_clip_files.py`, in the root of the repository (3 GB of disk, two minutes):
    python -m tests.weights.files.make_full_size FOLDER

`outputs.npz` holds the inputs, images_<R> uint8 [1, R, R, 3] and tokens int64 [2, 77], and of each file the
features, pooled and projected but not normalised, in float32: <file>/image [1, D_e] and <file>/text [2, D_e].
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import open_clip
import torch
from transformers import CLIPConfig, CLIPModel

from tests.parity import recipe
from tests.weights.files.make_clip_files import huggingface_features, save_huggingface_bin, save_openclip
from tests.weights.files.openai_clip import CLIP, Size, features, filled, save_archive

START, END, CONTEXT = 49406, 49407, 77
OPENAI = {
    "ViT-B-16": Size(512, 224, 16, 12, 768, 12, 512),
    "ViT-L-14-336px": Size(768, 336, 14, 24, 1024, 12, 768),
}
# "A photo of a person in the scene", and as many tokens as there may be.
WORDS = ((320, 1125, 539, 320, 2533, 530, 518, 3562), tuple(range(1000, 1000 + CONTEXT - 2)))


def main(folder: Path) -> None:
    """Writes all files to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    images = {side: recipe.uniform_uint8("images", (1, side, side, 3)) for side in (224, 336)}
    tokens = np.zeros((2, CONTEXT), np.int64)
    for row, words in zip(tokens, WORDS, strict=True):
        row[: len(words) + 2] = (START, *words, END)
    outputs = {f"images_{side}": picture for side, picture in images.items()} | {"tokens": tokens}

    for name, size in OPENAI.items():
        model = filled(CLIP(size), salt=1)
        save_archive(model, size, folder / f"{name}.pt")
        found = features(model, images[size.resolution], tokens)
        outputs |= {f"{name}/{kind}": value for kind, value in found.items()}

    model = filled(CLIPModel(CLIPConfig(vision_config={"patch_size": 16})), salt=2)
    found = huggingface_features(model, images[224], tokens)
    outputs |= {f"huggingface/{kind}": value for kind, value in found.items()}
    model.save_pretrained(folder / "huggingface")
    save_huggingface_bin(model, folder / "huggingface_bin")

    model = filled(open_clip.create_model("ViT-B-16"), salt=3)
    save_openclip(model, open_clip.get_model_config("ViT-B-16"), folder / "open_clip", True)
    found = features(model, images[224], tokens)
    outputs |= {f"open_clip/{kind}": value for kind, value in found.items()}
    np.savez_compressed(folder / "outputs.npz", **outputs)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
    main(Path(sys.argv[1]))
