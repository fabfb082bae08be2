import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.adapters.relations import layer_index, mix
from tests import tolerance

KINDS = 4  # query, key, value, out


def random(name: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(name), shape)


def mixed(text: jax.Array, vision: jax.Array, *relations: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Both towers whole, as published."""
    longest = max(len(text), len(vision))
    towers = {"text": text, "image": vision}
    at = {name: layer_index(len(own), longest) for name, own in towers.items()}
    found = mix(towers, at, *relations)
    return found["text"], found["image"]


def by_definition(
    text: np.ndarray, vision: np.ndarray, modality: np.ndarray, layer: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The published sum, written as loops over one tensor R[b, b, 4 L, M]."""
    longest, blocks, side = len(modality), modality.shape[1], text.shape[-1]
    split = text.shape[2]
    shared = np.zeros((side, side, KINDS * longest, blocks))
    towers = ((text, slice(None, split)), (vision, slice(split, None)))
    for tower, own in towers:
        for i, place in enumerate(layer_index(len(tower), longest)):
            for j in range(KINDS):
                shared[:, :, KINDS * place + j, own] = tower[i, j].transpose(1, 2, 0)
    mixed = np.zeros_like(shared)
    for row in range(KINDS * longest):
        heard = (shared * layer[row][None, None, :, None]).sum(2)
        mixed[:, :, row] = heard @ modality[row // KINDS].T
    out = []
    for tower, own in towers:
        rows = [
            [mixed[:, :, KINDS * place + j, own].transpose(2, 0, 1) for j in range(KINDS)]
            for place in layer_index(len(tower), longest)
        ]
        out.append(np.array(rows))
    return out[0], out[1]


@pytest.mark.parametrize(("text_layers", "vision_layers"), [(3, 3), (2, 4), (4, 3)])
def test_is_the_published_sum(text_layers: int, vision_layers: int) -> None:
    longest = max(text_layers, vision_layers)
    args = (
        random(0, text_layers, KINDS, 2, 5, 5),
        random(1, vision_layers, KINDS, 3, 5, 5),
        random(2, longest, 5, 5),
        random(3, KINDS * longest, KINDS * longest),
    )
    wanted = by_definition(*(np.asarray(a, np.float64) for a in args))
    tolerance.assert_close(mixed(*args), wanted, atol=1e-4)


def test_identities_change_nothing_exactly() -> None:
    text, vision = random(0, 2, KINDS, 2, 4, 4), random(1, 4, KINDS, 3, 4, 4)
    modality = jnp.broadcast_to(jnp.eye(5), (4, 5, 5))
    tolerance.assert_same(mixed(text, vision, modality, jnp.eye(16)), (text, vision))


def test_the_shorter_tower_lies_evenly() -> None:
    assert layer_index(12, 24) == tuple(range(0, 24, 2))
    assert layer_index(12, 12) == tuple(range(12))
    assert layer_index(3, 4) == (0, 1, 2)
