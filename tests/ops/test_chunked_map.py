import jax.numpy as jnp
import pytest
from jax import Array

from hclip_jax.ops.chunked_map import chunked_map


@pytest.mark.parametrize(("classes", "chunk"), [(5, 5), (20, 20), (21, 11), (151, 19), (171, 19), (256, 16)])
def test_chunks_hold_few_zeros(classes: int, chunk: int) -> None:
    sizes = []

    def double(x: Array) -> Array:
        sizes.append(x.shape[1])
        return 2 * x

    x = jnp.arange(2.0 * classes).reshape(2, classes)
    assert (chunked_map(double, x, 20, "none") == 2 * x).all()
    assert sum(sizes) == chunk  # of the halves of a chunk, where it has halves
