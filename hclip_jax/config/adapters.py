"""`config.adapters`: one class a tuning method, with the method's defaults."""

from dataclasses import dataclass
from typing import Literal, get_args

from hclip_jax.config.ranges import NonNegative, Positive, PositiveInt

Tower = Literal["text", "image"]
Target = Literal["query", "key", "value", "out"]

TOWERS: tuple[Tower, ...] = ("text", "image")
"""In the order in which blocks of both are concatenated."""
TARGETS: tuple[Target, ...] = ("query", "key", "value", "out")
"""The attention matrices J, in order."""


@dataclass(frozen=True, kw_only=True)
class NoneConfig:
    """No tuning: only the head trains."""

    method: Literal["none"] = "none"


@dataclass(frozen=True, kw_only=True)
class FullConfig:
    """Whole towers are fine-tuned."""

    method: Literal["full"] = "full"
    towers: tuple[Tower, ...] = TOWERS


@dataclass(frozen=True, kw_only=True)
class TargetConfig:
    """Fields of the methods that change attention matrices."""

    method: str
    towers: tuple[Tower, ...] = TOWERS
    layers: tuple[PositiveInt, ...] = ()  # from 1, in every tower; empty = all
    targets: tuple[Target, ...] = TARGETS


@dataclass(frozen=True, kw_only=True)
class AttentionConfig(TargetConfig):
    """Attention kernels are fine-tuned, as in CAT-Seg."""

    method: Literal["attention"] = "attention"
    targets: tuple[Target, ...] = ("query", "value")


@dataclass(frozen=True, kw_only=True)
class LoraConfig(TargetConfig):
    """LoRA: a product of rank `rank`, scaled by alpha / rank, is added."""

    method: Literal["lora"] = "lora"
    targets: tuple[Target, ...] = ("query", "value")
    rank: PositiveInt = 8
    alpha: Positive = 8.0


@dataclass(frozen=True, kw_only=True)
class BlockConfig(TargetConfig):
    """Fields of the methods that multiply by block-diagonal matrices."""

    block_size: PositiveInt = 128
    cayley: Literal["solve", "neumann"] = "solve"  # exact, or a series of products
    neumann_terms: PositiveInt = 5  # of the series; it needs generators of spectral norm below 1
    coft_radius: NonNegative = 0.0  # largest Frobenius norm of a block's generator; 0 = unconstrained


@dataclass(frozen=True, kw_only=True)
class OftConfig(BlockConfig):
    """OFT: orthogonal blocks on the input side."""

    method: Literal["oft"] = "oft"


@dataclass(frozen=True, kw_only=True)
class BoftConfig(BlockConfig):
    """BOFT: a product of `num_factors` butterfly factors of orthogonal blocks."""

    method: Literal["boft"] = "boft"
    num_factors: PositiveInt = 2


@dataclass(frozen=True, kw_only=True)
class HClipConfig(BlockConfig):
    """The paper; the defaults are the published code's."""

    method: Literal["hclip"] = "hclip"
    orthogonal: tuple[Tower, ...] = ("text",)  # towers whose blocks are rotations; other blocks are free
    parts: tuple[Literal["pop", "dcrc"], ...] = ("pop", "dcrc")  # blocks that train, relations that train
    relation: Literal["linear", "mlp"] = "linear"  # as published; or the paper's two-layer networks


AdapterConfig = HClipConfig | NoneConfig | FullConfig | AttentionConfig | LoraConfig | OftConfig | BoftConfig
"""`config.adapters`; its `method` says which."""

METHODS = {kind.method: kind for kind in get_args(AdapterConfig)}
"""The class of each method."""
