import jax.numpy as jnp
import pytest
from jax import Array

from hclip_jax.ops.chunked_map import chunked_map


@pytest.mark.parametrize(
    ("num_classes", "size"), [(5, 5), (20, 20), (21, 11), (151, 19), (171, 19), (256, 16)]
)
def test_chunks_have_few_padded_classes(num_classes: int, size: int) -> None:
    sizes = []

    def double(x: Array) -> Array:
        sizes.append(x.shape[1])
        return 2 * x

    x = jnp.arange(2.0 * num_classes).reshape(2, num_classes)
    assert (chunked_map(double, x, 20, "none") == 2 * x).all()
    assert sum(sizes) == size  # the function is traced once for a chunk, or once for each half of it
