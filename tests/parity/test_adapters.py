"""The adapters against the published code's blocks."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from hclip_jax.adapters.cayley import cayley
from hclip_jax.adapters.relations import layer_index, mix
from tests import tolerance
from tests.parity import recipe
from tests.small_models import mini_params

CASE = np.load(Path(__file__).parent / "adapters.npz")


def test_cayley() -> None:
    blocks = jnp.asarray(recipe.normal("cayley.input", (4, 16, 16)))
    tolerance.assert_within(cayley(blocks), CASE["cayley_output"], tolerance.ADAPTERS)


def test_mixed_blocks() -> None:
    adapters = jax.tree.map(jnp.asarray, mini_params()["adapters"])
    towers = {"text": adapters["text"], "image": adapters["vision"]}
    indices = {name: layer_index(len(blocks), len(blocks)) for name, blocks in towers.items()}
    mixed = mix(towers, indices, adapters["modality"], adapters["layer"])
    layers = CASE["layers"]
    tolerance.assert_within(mixed["text"][layers], CASE["text_blocks"], tolerance.ADAPTERS)
    tolerance.assert_within(mixed["image"][layers], CASE["vision_blocks"], tolerance.ADAPTERS)
