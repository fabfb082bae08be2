"""The annotations of shapes and dtypes are checked in all tests, by the import hook in conftest.py."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

from hclip_jax.adapters.cayley import rotation
from hclip_jax.adapters.rotate import rotate_input
from hclip_jax.models.head.cost_volume import cost_volume
from hclip_jax.models.head.layers import Conv
from hclip_jax.ops.attention import attend
from hclip_jax.ops.rows import matmul_over_rows
from hclip_jax.training.losses import pixel_weights, segmentation_loss


def zeros(*shape: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


IMAGE = zeros(1, 5, 5, 2)
LABELS = zeros(1, 4, 4, dtype=jnp.int32)


def conv(x: Any) -> Any:
    return Conv(3, 3, jnp.float32).init_with_output(jax.random.key(0), x)[0]


def loss(logits: Any, labels: Any) -> Any:
    return segmentation_loss(logits, labels, pixel_weights(labels, logits.shape[1], "ignore"))


@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        (matmul_over_rows, (zeros(4, 2), zeros(4, 3)), (zeros(4, 2), zeros(5, 3))),
        (attend, (zeros(1, 2, 3, 4),) * 3, (zeros(1, 2, 3, 4), *(zeros(1, 2, 6, 2),) * 2)),
        (rotation, (zeros(4, 4),), (zeros(4, 5),)),
        (rotate_input, (zeros(8, 3), zeros(2, 4, 4)), (zeros(8, 3), zeros(2, 4, 2))),
        (conv, (IMAGE,), (zeros(5, 5, 2),)),
        (
            lambda patches, text: cost_volume(patches, text, 9),
            (IMAGE, zeros(7, 1, 2)),
            (IMAGE, zeros(7, 1, 3)),
        ),
        (loss, (zeros(1, 3, 2, 2), LABELS), (zeros(2, 3, 2, 2), LABELS)),
        (loss, (zeros(1, 3, 2, 2), LABELS), (zeros(1, 3, 2, 2), zeros(1, 4, 4))),
    ],
)
def test_wrong_shapes_and_dtypes_are_refused(
    function: Callable[..., Any], right: tuple[Any, ...], wrong: tuple[Any, ...]
) -> None:
    jax.eval_shape(function, *right)
    with pytest.raises(TypeCheckError):
        jax.eval_shape(function, *wrong)
