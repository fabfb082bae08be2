"""Names and shapes of the tensors of published models of full size."""

import json
from pathlib import Path
from types import ModuleType

from hclip_jax.config.schema import Config
from hclip_jax.config.validate import from_config_dict

FOLDER = Path(__file__).parent

Shapes = dict[str, list[int]]


def hclip_vitb() -> tuple[Shapes, list[str]]:
    """H-CLIP with ViT-B/16: shapes of its parameters by name, and the names of its buffers."""
    content = json.loads((FOLDER / "hclip_vitb.json").read_text())
    return content["parameters"], content["buffers"]


def openai_vitl() -> Shapes:
    """OpenAI's ViT-L/14 at 336 pixels."""
    return json.loads((FOLDER / "openai_vitl.json").read_text())


def published_shapes(name: str) -> Shapes:
    """A model of published_shapes.json, in which `*` stands for the number of each layer."""
    model = json.loads((FOLDER / "published_shapes.json").read_text())[name]
    shapes = {}
    for pattern, shape in model["tensors"].items():
        num_layers = next(
            (n for prefix, n in model["layers"].items() if pattern.startswith(f"{prefix}.*")), 1
        )
        shapes |= {pattern.replace("*", str(i)): shape for i in range(num_layers)}
    return shapes


def full_size(module: ModuleType) -> Config:
    """The configuration of a module of `hclip_jax.configs`, complete without weights and data."""
    config = module.get_config()
    config.clip.weights, config.data.root = "random", "scenes"
    return from_config_dict(config)
