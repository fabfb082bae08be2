import jax
import jax.numpy as jnp
import numpy as np

from configs import vitb, vitl
from hclip_jax.adapters import hclip
from hclip_jax.config import from_config_dict
from hclip_jax.config_schema import AdapterConfig, Config
from hclip_jax.model import Model
from tests import tolerance
from tests.models import micro

MODEL = Model(micro())
PARAMS = jax.jit(MODEL.init)(jax.random.key(0))


def full_size(module: object) -> Config:
    c = module.get_config()
    c.clip.weights, c.data.root = "random", "scenes"
    return from_config_dict(c)


def moved(adapters: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Adapters as some training might leave them."""
    keys = jax.random.split(jax.random.key(7), len(adapters))
    return {
        name: leaf + 0.1 * jax.random.normal(key, leaf.shape)
        for key, (name, leaf) in zip(keys, adapters.items(), strict=True)
    }


def test_fresh_adapters_leave_clip_exactly_as_it_was() -> None:
    tolerance.same(jax.jit(MODEL.adapt)(PARAMS), PARAMS["clip"])


def test_only_attention_kernels_change() -> None:
    adapted = jax.jit(MODEL.adapt)({**PARAMS, "adapters": moved(PARAMS["adapters"])})
    changed = jax.tree.map_with_path(
        lambda path, a, b: (jax.tree_util.keystr(path), bool((a != b).any())),
        adapted,
        PARAMS["clip"],
    )
    is_pair = lambda x: isinstance(x, tuple)  # noqa: E731
    for name, differs in jax.tree.leaves(changed, is_leaf=is_pair):
        assert differs == ("attention" in name and "kernel" in name), name


def test_text_blocks_stay_orthogonal_whatever_the_relations_learn() -> None:
    adapters = moved(PARAMS["adapters"])
    text, vision = hclip.blocks(adapters, MODEL.architecture.adapters)
    product = jnp.swapaxes(text, -1, -2) @ text
    tolerance.close(product, jnp.broadcast_to(jnp.eye(8), product.shape), atol=1e-5)
    assert np.abs(jnp.swapaxes(vision, -1, -2) @ vision - jnp.eye(8)[None, None, None]).max() > 0.1


def test_every_adapter_leaf_gets_a_gradient() -> None:
    weights = jax.random.normal(jax.random.key(1), (16, 16))

    def loss(adapters: dict[str, jax.Array]) -> jax.Array:
        adapted = MODEL.adapt({**PARAMS, "adapters": adapters})
        kernels = jax.tree.leaves([adapted[t]["blocks"]["attention"] for t in ("image", "text")])
        return sum(jnp.sum(k @ weights * k) for k in kernels if k.ndim == 3)

    gradient = jax.jit(jax.grad(loss))(moved(PARAMS["adapters"]))
    for name, leaf in gradient.items():
        assert np.abs(leaf).max() > 0, name


def test_coft_is_read_from_the_config() -> None:
    adapters = moved(PARAMS["adapters"])
    free, _ = hclip.blocks(adapters, AdapterConfig(8, 0.0))
    near, _ = hclip.blocks(adapters, AdapterConfig(8, 1e-3))
    identity = jnp.eye(8)
    assert (
        np.abs(near - identity[None, None, None]).max()
        < 3e-3
        < np.abs(free - identity[None, None, None]).max()
    )


def test_published_counts() -> None:
    def count(config: Config) -> int:
        shapes = jax.eval_shape(lambda: hclip.init(config.clip, config.adapters))
        return sum(leaf.size for leaf in jax.tree.leaves(shapes))

    assert count(full_size(vitb)) == 7_867_824
    relations = 24 * 14 * 14 + 96 * 96
    assert count(full_size(vitl)) == 17_301_504 + relations
