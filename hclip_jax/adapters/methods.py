"""Every tuning method behind one signature, a pair of pure functions as in optax."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
from jax import Array

from hclip_jax.adapters import boft, finetune, hclip, lora, oft
from hclip_jax.config.adapters import AdapterConfig, BoftConfig, HClipConfig, LoraConfig, OftConfig
from hclip_jax.config.build import build, to_dict
from hclip_jax.config.validate_adapters import check_adapters
from hclip_jax.errors import UserError


class AdapterMethod(NamedTuple):
    """A tuning method.

    Attributes:
        init: (rng, clip_params) -> adapter_params, with which `apply` returns CLIP unchanged.
        apply: (clip_params, adapter_params) -> clip_params of the same tree and shapes.
    """

    init: Callable[[Array, Any], Any]
    apply: Callable[[Any, Any], Any]


_METHODS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "hclip": (hclip.init, hclip.apply),
    "none": (finetune.init_none, finetune.replace_towers),
    "full": (finetune.init_full, finetune.replace_towers),
    "attention": (finetune.init_attention, finetune.replace_attention),
    "lora": (lora.init, lora.apply),
    "oft": (oft.init, oft.apply),
    "boft": (boft.init, boft.apply),
}


def make_method(config: AdapterConfig) -> AdapterMethod:
    """The tuning method of a configuration.

    >>> import jax
    >>> from hclip_jax.config.adapters import LoraConfig
    >>> kernel = {"kernel": jax.numpy.ones((1, 4, 4)), "bias": jax.numpy.zeros((1, 4))}
    >>> tower = {"blocks": {"attention": dict.fromkeys(("query", "key", "value", "out"), kernel)}}
    >>> clip_params = {"text": tower, "image": tower}
    >>> method = make_method(LoraConfig(rank=2))
    >>> adapter_params = method.init(jax.random.key(0), clip_params)
    >>> adapter_params["text"]["a"].shape  # layers, matrices (query and value), width, rank
    (1, 2, 4, 2)
    >>> adapted = method.apply(clip_params, adapter_params)
    >>> bool((adapted["text"]["blocks"]["attention"]["value"]["kernel"] == 1).all())
    True

    Raises:
        UserError: here, a field has a value that is not allowed; in `init` and `apply`, it does not fit
            CLIP; in `apply`, the parameters are those of another configuration.
    """
    build(AdapterConfig, to_dict(config), "config.adapters")  # checks what the annotations allow
    init, apply = _METHODS[config.method]

    def checked_init(rng: Array, clip_params: Any) -> Any:
        check_adapters(config, {tower: _size(clip_params[tower]) for tower in getattr(config, "towers", ())})
        return init(rng, clip_params, config=config)

    def checked_apply(clip_params: Any, adapter_params: Any) -> Any:
        expected = jax.eval_shape(checked_init, jax.random.key(0), clip_params)
        if (fix := _first_difference(expected, adapter_params)) is not None:
            raise UserError(f"the adapters are not of method {config.method} as configured: {fix}")
        return apply(clip_params, adapter_params, config=config)

    return AdapterMethod(checked_init, checked_apply)


def adapt(clip_params: Any, adapter_params: Any, config: AdapterConfig) -> Any:
    """CLIP's weights with the adapters folded in: `make_method(config).apply`.

    Merging is this function called once; the result needs no adapter code.

    >>> import jax
    >>> from hclip_jax.config.adapters import OftConfig
    >>> kernel = {"kernel": jax.random.normal(jax.random.key(0), (1, 4, 4)), "bias": jax.numpy.zeros((1, 4))}
    >>> tower = {"blocks": {"attention": dict.fromkeys(("query", "key", "value", "out"), kernel)}}
    >>> clip_params = {"text": tower, "image": tower}
    >>> config = OftConfig(block_size=2)
    >>> generators = jax.random.normal(jax.random.key(1), (1, 4, 2, 2, 2))  # L, J, M, b, b
    >>> adapted = adapt(clip_params, {"text": generators, "image": generators}, config)
    >>> adapted = adapted["text"]["blocks"]["attention"]["query"]["kernel"]
    >>> before, after = (jax.numpy.linalg.norm(k, axis=1) for k in (kernel["kernel"], adapted))
    >>> bool(jax.numpy.allclose(before, after, atol=1e-5))  # rotations keep the neurons' lengths
    True
    """
    return make_method(config).apply(clip_params, adapter_params)


def rotation_blocks(config: AdapterConfig, clip_params: Any, adapter_params: Any) -> dict[str, Array] | None:
    """The blocks that a method multiplies attention matrices by.

    Args:
        config: of the method.
        clip_params: CLIP before tuning, for its sizes.
        adapter_params: of the method.

    Returns:
        Blocks [L', J', M, b, b] of each tuned tower, "text" and "image", for hclip and oft; None for
        methods that do not multiply by one block-diagonal matrix.
    """
    if isinstance(config, HClipConfig):
        return hclip.rotation_blocks(clip_params, adapter_params, config)
    if isinstance(config, OftConfig):
        return oft.rotation_blocks(adapter_params, config)
    return None


def degrees_of_freedom(config: AdapterConfig, clip_shapes: Any) -> int:
    """Largest dimension of the set of CLIP weights that a method can reach: at most its parameters.

    A b x b block that is made orthogonal counts b (b - 1) / 2, since only its skew part has an effect.
    LoRA's factors A and B give the same product as A G and G^-1 B: rank^2 less a matrix. Everything else,
    the relations too, counts its parameters.

    Args:
        config: of the method.
        clip_shapes: CLIP's tree with any leaves that have a shape.
    """
    shapes = jax.eval_shape(make_method(config).init, jax.random.key(0), clip_shapes)
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    if isinstance(config, LoraConfig):
        return count - sum(math.prod(own["a"].shape[:2]) * config.rank**2 for own in shapes.values())
    skew: list[jax.ShapeDtypeStruct] = []
    if isinstance(config, HClipConfig) and "pop" in config.parts:
        skew = [shapes[hclip.PARAM_NAMES[tower]] for tower in config.towers if tower in config.orthogonal]
    elif isinstance(config, OftConfig | BoftConfig):
        skew = list(shapes.values())
    return count - sum(math.prod(cast(Any, leaf).shape[:-2]) * _symmetric(leaf.shape[-1]) for leaf in skew)


def _first_difference(expected: Any, given: Any) -> str | None:
    """The first array in which two trees differ, in words."""
    shapes, others = (
        {jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape for path, leaf in leaves}
        for leaves in (jax.tree.leaves_with_path(expected), jax.tree.leaves_with_path(given))
    )
    for name in sorted({*shapes, *others}):
        if shapes.get(name) != others.get(name):
            have, need = others.get(name, "absent"), shapes.get(name, "absent")
            return f"{name} is {have} and must be {need}; give the configuration that they were trained with"
    return None


def _size(tower: Any) -> tuple[int, int]:
    """(number of layers, width) of a tower's parameters."""
    num_layers, width, _ = tower["blocks"]["attention"]["query"]["kernel"].shape
    return num_layers, width


def _symmetric(b: int) -> int:
    """Entries of a symmetric b x b matrix that can be chosen freely."""
    return b * (b + 1) // 2
