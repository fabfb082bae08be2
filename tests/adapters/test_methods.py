"""Properties that hold for every tuning method."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.adapters.methods import degrees_of_freedom, make_method, rotation_blocks
from hclip_jax.config.adapters import (
    METHODS,
    TARGETS,
    AdapterConfig,
    BoftConfig,
    HClipConfig,
    LoraConfig,
    OftConfig,
)
from hclip_jax.config.overrides import switch_method
from hclip_jax.config.validate import from_dict
from hclip_jax.configs import vitb, vitl
from hclip_jax.errors import UserError
from hclip_jax.models.hclip import init_clip
from tests import tolerance
from tests.small_models import attention_alone, micro_tuned

RNG = jax.random.key(0)
CLIP = attention_alone()
# Fields of the configuration, and which kernels of which layers they tune: text has 2 layers, image 3.
ALL = {"text": (0, 1), "image": (0, 1, 2)}
SECOND = {"text": (1,), "image": (1,)}
BOTH = {"text": (0, 1), "image": (0, 1)}
QV = ("query", "value")
CASES: dict[str, tuple[dict[str, Any], Mapping[str, tuple[int, ...]], tuple[str, ...]]] = {
    "hclip": ({}, ALL, TARGETS),
    "hclip pop": ({"parts": ("pop",)}, ALL, TARGETS),
    "hclip dcrc": ({"parts": ("dcrc",)}, {"image": (0, 1, 2)}, TARGETS),
    "hclip dcrc free": ({"parts": ("dcrc",), "orthogonal": ()}, ALL, TARGETS),
    "hclip both orthogonal": ({"orthogonal": ("text", "image")}, ALL, TARGETS),
    "hclip free": ({"orthogonal": ()}, ALL, TARGETS),
    "hclip mlp": ({"relation": "mlp"}, ALL, TARGETS),
    "hclip neumann": ({"cayley": "neumann"}, ALL, TARGETS),
    "hclip text": ({"towers": ("text",)}, {"text": (0, 1)}, TARGETS),
    "hclip some": ({"layers": (2,), "targets": ("out", "key")}, SECOND, ("key", "out")),
    "none": ({"method": "none"}, {}, ()),
    "full": ({"method": "full"}, ALL, TARGETS),
    "full image": ({"method": "full", "towers": ("image",)}, {"image": (0, 1, 2)}, TARGETS),
    "attention": ({"method": "attention"}, ALL, QV),
    "attention some": ({"method": "attention", "layers": (2,), "targets": TARGETS}, SECOND, TARGETS),
    "lora": ({"method": "lora"}, ALL, QV),
    "lora some": ({"method": "lora", "layers": (2, 1), "targets": ("out",)}, BOTH, ("out",)),
    "oft": ({"method": "oft"}, ALL, TARGETS),
    "oft coft": ({"method": "oft", "coft_radius": 0.1, "layers": (2,)}, SECOND, TARGETS),
    "boft": ({"method": "boft"}, ALL, TARGETS),
    "boft image": ({"method": "boft", "towers": ("image",)}, {"image": (0, 1, 2)}, TARGETS),
}
cases = pytest.mark.parametrize("case", CASES)


def adapters_of(case: str) -> AdapterConfig:
    return micro_tuned(**CASES[case][0]).adapters


def perturbed(adapters: Any, by: float = 0.1) -> Any:
    """Adapter parameters as some training might leave them."""
    rng = np.random.default_rng(7)
    return jax.tree.map(lambda leaf: leaf + by * rng.standard_normal(leaf.shape, np.float32), adapters)


def test_every_method_has_a_case() -> None:
    assert {adapters_of(case).method for case in CASES} == set(METHODS)


@cases
def test_initial_adapters_leave_clip_unchanged(case: str) -> None:
    method = make_method(adapters_of(case))
    tolerance.assert_same(jax.jit(lambda c: method.apply(c, method.init(RNG, c)))(CLIP), CLIP)


@cases
def test_only_the_selected_matrices_change(case: str) -> None:
    _, layers, targets = CASES[case]
    config = adapters_of(case)
    method = make_method(config)
    adapted = jax.jit(lambda c: method.apply(c, perturbed(method.init(RNG, c))))(CLIP)
    assert jax.tree.map(jnp.shape, adapted) == jax.tree.map(jnp.shape, CLIP)
    for path, before in jax.tree.leaves_with_path(CLIP):
        names = [key.key for key in path]
        after: Any = adapted
        for name in names:
            after = after[name]
        if config.method == "full" and names[0] in layers:
            assert (after != before).any(), names
        elif names[-1] == "kernel" and "attention" in names:
            differs = (np.asarray(after) != before).any((1, 2))
            tuned = layers.get(names[0], ()) if names[-2] in targets else ()
            assert set(np.flatnonzero(differs)) == set(tuned), names
        else:
            assert (after == before).all(), names


@cases
def test_gradients_reach_every_leaf_and_compiled_equals_eager(case: str) -> None:
    method = make_method(adapters_of(case))
    weights = attention_alone(seed=1)

    def loss(adapters: Any) -> jax.Array:
        products = jax.tree.map(lambda x, w: jnp.sum(x * w), method.apply(CLIP, adapters), weights)
        return jnp.sum(jnp.stack(jax.tree.leaves(products)))

    adapters = perturbed(method.init(RNG, CLIP))
    gradient = jax.jit(jax.grad(loss))(adapters)
    assert jax.tree.structure(gradient) == jax.tree.structure(adapters)
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert np.abs(leaf).max() > 0, jax.tree_util.keystr(path)
    if case in METHODS:
        np.testing.assert_allclose(jax.jit(loss)(adapters), loss(adapters), rtol=1e-5, atol=1e-3)


def test_copies_have_their_own_buffers() -> None:
    for name in ("full", "attention"):
        method = make_method(micro_tuned(method=name).adapters)
        clip = jax.tree.map(jnp.copy, CLIP)
        copies = method.init(RNG, clip)
        for leaf in jax.tree.leaves(clip):
            leaf.delete()
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(copies)), name


def test_lora_is_the_scaled_product() -> None:
    config = micro_tuned(method="lora", rank=3, alpha=6.0).adapters
    method = make_method(config)
    start = method.init(RNG, CLIP)["image"]
    assert (start["a"].shape, start["b"].shape) == ((3, 2, 16, 3), (3, 2, 3, 16))
    assert 0.2 < np.abs(start["a"]).max() <= 0.25  # 1 / sqrt(16)
    assert (start["b"] == 0).all()
    adapters = perturbed(method.init(RNG, CLIP))
    got = method.apply(CLIP, adapters)["image"]["blocks"]["attention"]["value"]["kernel"][2]
    before = CLIP["image"]["blocks"]["attention"]["value"]["kernel"][2]
    a, b = (np.asarray(adapters["image"][name][2, 1], np.float64) for name in "ab")
    tolerance.assert_close(got, before + 2 * a @ b)


@pytest.mark.parametrize(
    ("fields", "joins"),
    [({"method": "oft"}, False), ({"method": "boft", "num_factors": 1}, False), ({"method": "boft"}, True)],
)
def test_oft_and_boft_multiply_by_an_orthogonal_matrix(fields: dict[str, Any], joins: bool) -> None:
    """Q from the kernels: kernel' = Q^T kernel."""
    method = make_method(micro_tuned(**fields).adapters)
    adapted = jax.jit(method.apply)(CLIP, perturbed(method.init(RNG, CLIP), by=0.5))
    for target in TARGETS:
        before, after = (
            np.asarray(c["image"]["blocks"]["attention"][target]["kernel"][1], np.float64)
            for c in (CLIP, adapted)
        )
        rotation = after @ np.linalg.inv(before)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(16), atol=1e-4)
        assert np.abs(rotation[:8, :8] - np.eye(8)).max() > 0.1
        # One factor is block-diagonal; the second joins the blocks.
        assert (np.abs(rotation[:8, 8:]).max() > 0.05) == joins


@pytest.mark.parametrize("block_size", [2, 4])
def test_butterflies_of_every_size_join_everything(block_size: int) -> None:
    """With 1 + log2(M) factors every input reaches every output; with one fewer it does not."""
    clip = {"text": {"blocks": {"attention": {name: {"kernel": jnp.eye(16)[None]} for name in TARGETS}}}}
    deepest = 1 + int(np.log2(16 // block_size))
    for factors in (deepest - 1, deepest):
        config = BoftConfig(towers=("text",), block_size=block_size, num_factors=factors)
        method = make_method(config)
        rotation = jax.jit(method.apply)(clip, perturbed(method.init(RNG, clip), by=1.0))["text"]
        rotation = np.asarray(rotation["blocks"]["attention"]["query"]["kernel"][0])
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(16), atol=1e-5)
        assert (rotation != 0).all() == (factors == deepest)


def test_rotation_blocks_multiply_the_weights() -> None:
    for case in (*METHODS, "hclip dcrc", "hclip some", "oft coft"):
        config = adapters_of(case)
        method = make_method(config)
        adapters = perturbed(method.init(RNG, CLIP))
        blocks = jax.jit(lambda c, a, config=config: rotation_blocks(config, c, a))(CLIP, adapters)
        if config.method not in ("hclip", "oft"):
            assert blocks is None
            continue
        adapted = jax.jit(method.apply)(CLIP, adapters)
        assert blocks is not None
        assert set(blocks) == set(config.towers)
        for tower, own in blocks.items():
            names = [name for name in TARGETS if name in (config.targets)]
            layer = min(config.layers or (1,)) - 1
            for j, name in enumerate(names):
                before, after = (
                    np.asarray(c[tower]["blocks"]["attention"][name]["kernel"][layer]).T
                    for c in (CLIP, adapted)
                )
                q = np.asarray(jax.scipy.linalg.block_diag(*own[0, j]))
                wanted = q @ before if config.method == "hclip" and name == "out" else before @ q
                np.testing.assert_allclose(after, wanted, atol=1e-5)


FULL_SIZE = {
    # method: parameters at ViT-B/16, degrees of freedom, parameters at ViT-L/14
    "hclip": (7_867_824, 6_282_672, 17_301_504 + 24 * 14 * 14 + 96 * 96),
    "none": (0, 0, 0),
    "full": (149_620_736, 149_620_736, 427_944_192),
    "attention": (20_447_232, 20_447_232, 2 * (12 * 768**2 + 24 * 1024**2)),
    "lora": (491_520, 48 * 8 * -8 + 491_520, 2 * 2 * 8 * (12 * 768 + 24 * 1024)),
    "oft": (4 * 12 * 10 * 128**2, 4 * 12 * 10 * 128 * 127 // 2, 4 * 128 * (12 * 768 + 24 * 1024)),
    "boft": (2 * 4 * 12 * 10 * 128**2, 4 * 12 * 10 * 128 * 127, 2 * 4 * 128 * (12 * 768 + 24 * 1024)),
}


@pytest.mark.parametrize("method", METHODS)
def test_counts_at_full_size(method: str) -> None:
    found = []
    for module in (vitb, vitl):
        tree = module.get_config().to_dict()
        tree["adapters"] = switch_method(tree["adapters"], method)
        config = from_dict(tree)
        clip = jax.eval_shape(lambda rng, config=config: init_clip(config.clip, rng, rng), RNG)
        adapters = jax.eval_shape(make_method(config.adapters).init, RNG, clip)
        found.append(sum(leaf.size for leaf in jax.tree.leaves(adapters)))
        found.append(degrees_of_freedom(config.adapters, clip))
    assert tuple(found[:3]) == FULL_SIZE[method]


def test_degrees_of_freedom_are_the_rank_of_the_jacobian() -> None:
    """Counted on a small model as the rank of the Jacobian of CLIP's weights by the adapters.

    Relations repeat what blocks can do already, so H-CLIP is compared without them.
    """
    clip = {
        t: {"blocks": {"attention": {n: {"kernel": jax.random.normal(RNG, (1, 4, 4))} for n in TARGETS}}}
        for t in ("text", "image")
    }
    for fields in (
        {"parts": ("pop",), "block_size": 2},
        {"method": "oft", "block_size": 2},
        {"method": "attention"},
        {"method": "lora", "rank": 2, "targets": ("out",)},
    ):
        config = micro_tuned(**fields).adapters
        method = make_method(config)
        adapters = perturbed(method.init(RNG, clip), by=0.5)
        flat, unravel = jax.flatten_util.ravel_pytree(adapters)
        jacobian = jax.jit(
            jax.jacfwd(lambda x, t=method, u=unravel: jax.flatten_util.ravel_pytree(t.apply(clip, u(x)))[0])
        )(flat)
        rank = np.linalg.matrix_rank(np.asarray(jacobian), tol=1e-4)
        assert rank == degrees_of_freedom(config, clip), fields


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (HClipConfig(block_size=128), "image.width is 16, which config.adapters.block_size = 128 does not"),
        (OftConfig(block_size=3), "block_size = 3 does not divide"),
        (BoftConfig(block_size=16), "num_factors is 2; it must be less, .* or choose a smaller .*block_size"),
        (BoftConfig(block_size=1), "block_size is 1; it must be even"),
        (LoraConfig(rank=17), "rank is 17; it must be at most clip.image.width = 16"),
        (LoraConfig(layers=(4,)), "layers is .4,.; it must be numbers from 1 to 3"),
        (LoraConfig(targets=()), "targets is .*; it must be at least one of query"),
    ],
)
def test_a_method_that_does_not_fit_clip_is_refused_before_it_has_parameters(
    config: AdapterConfig, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        make_method(config).init(RNG, CLIP)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (LoraConfig(rank=0), "config.adapters.rank is 0; it must be more than 0"),
        (OftConfig(towers=("vision",)), r"adapters.towers\[0\] is 'vision'; it must be one of text, image"),  # type: ignore[arg-type]
    ],
)
def test_values_that_the_annotations_do_not_allow_are_refused(config: AdapterConfig, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_method(config)


@pytest.mark.parametrize(
    "config",
    [LoraConfig(rank=2), LoraConfig(layers=(2,)), LoraConfig(targets=("query",)), HClipConfig(block_size=4)],
)
def test_parameters_of_another_configuration_are_refused(config: AdapterConfig) -> None:
    adapter_params = make_method(LoraConfig(rank=4)).init(RNG, CLIP)
    with pytest.raises(UserError, match=f"not of method {config.method} as configured: .* must be"):
        make_method(config).apply(CLIP, adapter_params)
