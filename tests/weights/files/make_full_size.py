"""Writes weight files of the published sizes with random weights, and the features their libraries compute.

In the environment of `make_clip_files.py`, in the root of the repository (3 GB of disk, two minutes):
    python -m tests.weights.files.make_full_size FOLDER

`outputs.npz` holds the inputs, images_<size> uint8 [1, H, W, 3] and tokens int64 [2, 77], and the features of
each file, pooled, projected, not normalised, in float32: <file>/image [1, D_e] and <file>/text [2, D_e].
"""

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from transformers import CLIPConfig, CLIPModel

from tests.parity import recipe
from tests.weights.files.make_clip_files import huggingface_features, save_huggingface_bin, save_openclip
from tests.weights.files.openai_clip import CLIP, Size, features, fill_weights, save_archive

START, END, CONTEXT_LENGTH = 49406, 49407, 77
OPENAI = {
    "ViT-B-16": Size(512, 224, 16, 12, 768, 12, 512),
    "ViT-L-14-336px": Size(768, 336, 14, 24, 1024, 12, 768),
}
# "A photo of a person in the scene", and the largest number of tokens.
PROMPTS = ((320, 1125, 539, 320, 2533, 530, 518, 3562), tuple(range(1000, 1000 + CONTEXT_LENGTH - 2)))


def main(folder: Path) -> None:
    """Writes all files to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    images = {size: recipe.uniform_uint8("images", (1, size, size, 3)) for size in (224, 336)}
    tokens = np.zeros((2, CONTEXT_LENGTH), np.int64)
    for row, ids in zip(tokens, PROMPTS, strict=True):
        row[: len(ids) + 2] = (START, *ids, END)
    outputs: dict[str, Any] = {f"images_{size}": image for size, image in images.items()}
    outputs["tokens"] = tokens

    for name, size in OPENAI.items():
        model = fill_weights(CLIP(size), salt=1)
        save_archive(model, size, folder / f"{name}.pt")
        result = features(model, images[size.image_size], tokens)
        outputs |= {f"{name}/{kind}": value for kind, value in result.items()}

    model = fill_weights(CLIPModel(CLIPConfig(vision_config={"patch_size": 16})), salt=2)
    result = huggingface_features(model, images[224], tokens)
    outputs |= {f"huggingface/{kind}": value for kind, value in result.items()}
    model.save_pretrained(folder / "huggingface")
    save_huggingface_bin(model, folder / "huggingface_bin")

    model = fill_weights(open_clip.create_model("ViT-B-16"), salt=3)
    save_openclip(model, open_clip.get_model_config("ViT-B-16"), folder / "open_clip", True)
    result = features(model, images[224], tokens)
    outputs |= {f"open_clip/{kind}": value for kind, value in result.items()}
    np.savez_compressed(folder / "outputs.npz", **outputs)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
    main(Path(sys.argv[1]))
