"""The adapters against the published code's blocks."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from hclip_jax.adapters.cayley import cayley
from hclip_jax.adapters.relations import mix
from tests import tolerance
from tests.models import mini_params
from tests.parity import recipe

CASE = np.load(Path(__file__).parent / "adapters.npz")


def test_cayley() -> None:
    blocks = jnp.asarray(recipe.normal("cayley.input", (4, 16, 16)))
    tolerance.within(cayley(blocks), CASE["cayley_output"], tolerance.ADAPTERS)


def test_mixed_blocks() -> None:
    text, vision = mix(**mini_params()["adapters"])
    layers = CASE["layers"]
    tolerance.within(text[layers], CASE["text_blocks"], tolerance.ADAPTERS)
    tolerance.within(vision[layers], CASE["vision_blocks"], tolerance.ADAPTERS)
