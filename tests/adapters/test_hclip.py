import dataclasses
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.adapters import hclip
from hclip_jax.adapters.energy import relative_energy
from hclip_jax.adapters.methods import make_method
from hclip_jax.config.adapters import HClipConfig
from hclip_jax.config.schema import Config
from hclip_jax.config.validate import from_config_dict
from hclip_jax.configs import vitb, vitl
from hclip_jax.models.hclip import Model
from tests import tolerance
from tests.small_models import attention_alone, micro

CONFIG = HClipConfig(block_size=8)
CLIP = attention_alone()
RNG = jax.random.key(0)


def full_size(module: ModuleType) -> Config:
    c = module.get_config()
    c.clip.weights, c.data.root = "random", "scenes"
    return from_config_dict(c)


def perturbed(config: HClipConfig) -> dict[str, jax.Array]:
    """Adapters as some training might leave them."""
    adapters = hclip.init(RNG, CLIP, config)
    rng = np.random.default_rng(7)
    return {
        name: leaf + 0.1 * rng.standard_normal(leaf.shape, np.float32)
        for name, leaf in sorted(adapters.items())
    }


def far_from_orthogonal(blocks: jax.Array) -> float:
    own = np.asarray(blocks)
    product = np.swapaxes(own, -1, -2) @ own
    return float(np.abs(product - np.eye(blocks.shape[-1])).max())


def test_the_published_configuration_is_the_recipes() -> None:
    assert full_size(vitb).adapters == HClipConfig()
    assert micro().adapters == CONFIG


def test_published_tree() -> None:
    shapes = {name: leaf.shape for name, leaf in hclip.init(RNG, CLIP, CONFIG).items()}
    assert shapes == {
        "text": (2, 4, 2, 8, 8),
        "vision": (3, 4, 2, 8, 8),
        "modality": (3, 4, 4),
        "layer": (12, 12),
    }


@pytest.mark.parametrize("relation", ["linear", "mlp"])
@pytest.mark.parametrize("orthogonal", [("text",), ("text", "image"), ("image",), ()])
def test_orthogonal_towers_stay_so_whatever_the_relations_learn(orthogonal: Any, relation: Any) -> None:
    config = dataclasses.replace(CONFIG, orthogonal=orthogonal, relation=relation)
    adapters = perturbed(config)
    adapted = hclip.apply(CLIP, adapters, config)
    for tower, blocks in hclip.rotation_blocks(CLIP, adapters, config).items():
        energy = float(jax.jit(relative_energy)(adapted[tower], CLIP[tower]))
        if tower in orthogonal:
            assert far_from_orthogonal(blocks) < 1e-5
            assert energy == pytest.approx(1, abs=1e-5)
            assert np.abs(np.asarray(blocks) - np.eye(8)).max() > 0.05
        else:
            assert far_from_orthogonal(blocks) > 0.1
            assert abs(energy - 1) > 1e-4


def test_pop_alone_is_the_whole_with_identity_relations() -> None:
    pop = dataclasses.replace(CONFIG, parts=("pop",))
    adapters = perturbed(pop)
    assert set(adapters) == {"text", "vision"}
    relations = {name: leaf for name, leaf in hclip.init(RNG, CLIP, CONFIG).items() if name not in adapters}
    whole = hclip.apply(CLIP, adapters | relations, CONFIG)
    tolerance.assert_close(hclip.apply(CLIP, adapters, pop), whole)


def test_dcrc_alone_trains_relations_of_blocks_that_stay() -> None:
    config = dataclasses.replace(CONFIG, parts=("dcrc",))
    adapters = perturbed(config)
    assert set(adapters) == {"modality", "layer"}
    blocks = hclip.rotation_blocks(CLIP, adapters, config)
    tolerance.assert_same(blocks["text"], jnp.broadcast_to(jnp.eye(8), (2, 4, 2, 8, 8)))
    scale = blocks["image"][..., :1, :1]
    tolerance.assert_close(blocks["image"], scale * jnp.eye(8)[None, None, None])
    assert np.abs(scale - 1).max() > 0.1


def test_the_papers_relations_are_networks_with_a_residual() -> None:
    """A network whose first matrix is doubled and whose alpha is a half adds the positive part."""
    config = dataclasses.replace(CONFIG, relation="mlp", orthogonal=(), parts=("pop", "dcrc"))
    start = hclip.init(RNG, CLIP, config)
    assert {name: leaf.shape for name, leaf in start.items() if name not in ("text", "vision")} == {
        "modality": (2, 3, 4, 4),
        "layer": (2, 12, 12),
        "alpha": (4, 3),
    }
    own = {name: leaf for name, leaf in perturbed(config).items() if name in ("text", "vision")}
    double = jnp.array([2.0, 1.0])[:, None, None]
    adapters = {**start, **own, "layer": start["layer"] * double, "alpha": jnp.full((4, 3), 0.5)}
    blocks = hclip.rotation_blocks(CLIP, adapters, config)
    for tower, leaf in hclip.PARAM_NAMES.items():
        tolerance.assert_close(blocks[tower], own[leaf] + jnp.maximum(own[leaf], 0.0))
    # Each block has an alpha of its own: the last one of the image tower, in the last layer.
    adapters["alpha"] = jnp.zeros((4, 3)).at[3, 2].set(0.5)
    changed = np.abs(hclip.rotation_blocks(CLIP, adapters, config)["image"] - own["vision"]).max((1, 3, 4))
    assert changed[2, 1] > 0.01
    assert np.delete(changed.ravel(), 5).max() == 0


def test_subsets_rotate_what_the_whole_would_where_relations_are_identities() -> None:
    config = dataclasses.replace(CONFIG, layers=(2,), targets=("out", "key"), towers=("image",))
    adapters = hclip.init(RNG, CLIP, config)
    assert {name: leaf.shape for name, leaf in adapters.items()} == {
        "vision": (1, 2, 2, 8, 8),
        "modality": (1, 2, 2),
        "layer": (2, 2),
    }
    whole = hclip.init(RNG, CLIP, CONFIG)
    own = perturbed(config)["vision"]
    within = {**whole, "vision": whole["vision"].at[1, jnp.array([1, 3])].set(own[0])}
    wanted = hclip.apply(CLIP, within, CONFIG)
    tolerance.assert_close(hclip.apply(CLIP, {**adapters, "vision": own}, config), wanted)


def test_layers_of_towers_of_unequal_depth_meet_where_they_stand() -> None:
    """Layer 2 of 2 in text is at the place of layer 2 of 3 in image: the relations join the two."""
    config = dataclasses.replace(CONFIG, layers=(2,), orthogonal=())
    adapters = perturbed(config)
    assert adapters["modality"].shape == (1, 4, 4)
    heard = dict(adapters, modality=adapters["modality"].at[0, 0, 3].add(1.0))
    before, after = (hclip.rotation_blocks(CLIP, a, config)["text"] for a in (adapters, heard))
    assert np.abs(before - after)[0, :, 0].max() > 0.1
    tolerance.assert_same(before[:, :, 1], after[:, :, 1])


def test_coft_and_the_series_are_read_from_the_config() -> None:
    adapters = perturbed(CONFIG)

    def text(**fields: Any) -> np.ndarray:
        return np.asarray(
            hclip.rotation_blocks(CLIP, adapters, dataclasses.replace(CONFIG, **fields))["text"]
        )

    assert np.abs(text(coft_radius=1e-3) - np.eye(8)).max() < 3e-3 < np.abs(text() - np.eye(8)).max()
    series = text(cayley="neumann", neumann_terms=3)
    assert np.abs(series - text()).max() > 1e-3
    np.testing.assert_array_equal(text(neumann_terms=3), text())  # only the series has terms


def test_published_counts() -> None:
    def count(config: Config) -> int:
        clip = jax.eval_shape(Model(config.architecture).init, RNG)["clip"]
        shapes = jax.eval_shape(make_method(config.adapters).init, RNG, clip)
        return sum(leaf.size for leaf in jax.tree.leaves(shapes))

    assert count(full_size(vitb)) == 7_867_824
    relations = 24 * 14 * 14 + 96 * 96
    assert count(full_size(vitl)) == 17_301_504 + relations
