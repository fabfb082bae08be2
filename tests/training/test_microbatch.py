import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.training.microbatch import sum_over_microbatches
from tests import tolerance

RNG = np.random.default_rng(0)
KERNEL, BIAS = RNG.standard_normal((4, 3)).astype(np.float32), np.ones(3, np.float32)
IMAGES, WEIGHTS = RNG.standard_normal((6, 4)).astype(np.float32), np.arange(6, dtype=np.int32)


def loss(variables, batch):
    images, weights = batch
    y = jnp.tanh(images @ variables["kernel"] + variables["bias"][None])
    return (y.sum(1) * weights.astype(jnp.float32)).sum()


def gradient(size):
    def whole(kernel):
        return 2 * sum_over_microbatches(
            loss, {"kernel": 3 * kernel, "bias": jnp.asarray(BIAS)}, (IMAGES, WEIGHTS), size
        )

    return jax.jit(jax.value_and_grad(whole))(KERNEL)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 100])
def test_same_loss_and_gradient(size):
    tolerance.assert_close(gradient(size), gradient(0))


def test_the_largest_divisor_is_taken():
    shapes = []

    def seen(variables, batch):
        shapes.append(batch[0].shape)
        return loss(variables, batch)

    variables = {"kernel": jnp.asarray(KERNEL), "bias": jnp.asarray(BIAS)}
    sum_over_microbatches(seen, variables, (IMAGES, WEIGHTS), 5)
    assert set(shapes) == {(3, 4)}


def test_frozen_variables_get_no_gradient():
    """Their gradient, as large as the weights, would have to be carried from microbatch to microbatch."""
    jaxpr = jax.make_jaxpr(
        jax.grad(lambda k: sum_over_microbatches(loss, {"kernel": k, "bias": BIAS}, (IMAGES, WEIGHTS), 2))
    )(KERNEL)
    (scan,) = (equation for equation in jaxpr.eqns if equation.primitive.name == "scan")
    assert scan.params["num_carry"] == 2  # the loss, and the gradient of the kernel
