import jax
import jax.numpy as jnp
import numpy as np

from hclip_jax.adapters.cayley import cayley
from hclip_jax.adapters.energy import energy, relative_energy, tower_energy
from hclip_jax.adapters.rotate import rotate_tower
from hclip_jax.adapters.targets import select_targets
from hclip_jax.config.adapters import HClipConfig
from hclip_jax.models.hclip import Model
from tests import tolerance
from tests.small_models import micro

TEXT = jax.jit(Model(micro().architecture).init)(jax.random.key(0))["clip"]["text"]
SPEC = select_targets({"text": TEXT}, HClipConfig(towers=("text",)))["text"]
SHAPE = SPEC.block_shape(8)


def test_energy_is_the_sum_over_pairs() -> None:
    neurons = np.random.default_rng(0).standard_normal((6, 4))
    unit = neurons / np.linalg.norm(neurons, axis=1, keepdims=True)
    wanted = sum(1 / np.linalg.norm(unit[i] - unit[j]) for i in range(6) for j in range(6) if i != j)
    np.testing.assert_allclose(energy(jnp.asarray(neurons, jnp.float32)), wanted, rtol=1e-5)


def test_orthogonal_blocks_keep_the_energy_of_every_matrix() -> None:
    blocks = cayley(jax.random.normal(jax.random.key(1), SHAPE))
    rotated = rotate_tower(TEXT, SPEC, blocks)
    tolerance.assert_close(jax.jit(tower_energy)(rotated), jax.jit(tower_energy)(TEXT), rtol=1e-5)
    np.testing.assert_allclose(jax.jit(relative_energy)(rotated, TEXT), 1, atol=1e-5)
    before, after = (t["blocks"]["attention"]["query"]["kernel"] for t in (TEXT, rotated))
    assert np.abs(before - after).max() > 0.1


def test_free_blocks_do_not() -> None:
    blocks = jax.random.normal(jax.random.key(1), SHAPE)
    assert abs(float(jax.jit(relative_energy)(rotate_tower(TEXT, SPEC, blocks), TEXT)) - 1) > 1e-3
