"""The fields of a configuration. What they mean stands beside their values in `configs/vitb.py`."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ImageTower:
    layers: int
    width: int
    heads: int
    mlp_ratio: float
    patch: int
    resolution: int  # of the pictures the position embedding was trained with


@dataclass(frozen=True)
class TextTower:
    layers: int
    width: int
    heads: int
    mlp_ratio: float
    vocabulary: int
    context: int


@dataclass(frozen=True)
class ClipConfig:
    weights: str
    embed: int
    activation: str
    image: ImageTower
    text: TextTower


@dataclass(frozen=True)
class AdapterConfig:
    method: str
    towers: tuple[str, ...]
    layers: tuple[int, ...]
    targets: tuple[str, ...]
    block: int
    factors: int
    rank: int
    alpha: float
    orthogonal: tuple[str, ...]
    parts: tuple[str, ...]
    relation: str
    cayley: str
    neumann_terms: int
    coft_radius: float


@dataclass(frozen=True)
class HeadConfig:
    hidden: int
    layers: int
    heads: int
    window: int
    guidance: int
    guidance_blocks: tuple[int, ...]
    decoder: tuple[int, ...]
    decoder_guidance: tuple[int, ...]
    decoder_guidance_projection: tuple[int, ...]
    slots: int
    prior: float


@dataclass(frozen=True)
class ModelConfig:
    resolution: int  # pictures are brought to this size before CLIP
    dtype: str  # of the towers' activations
    head_dtype: str
    classes_at_once: int
    keep_towers: str
    keep_head: str


@dataclass(frozen=True)
class PromptConfig:
    templates: tuple[str, ...]
    synonyms: str


@dataclass(frozen=True)
class Architecture:
    """What a model is, whatever it was trained on."""

    clip: ClipConfig
    adapters: AdapterConfig
    head: HeadConfig
    model: ModelConfig
    prompts: PromptConfig


@dataclass(frozen=True)
class Protocol:
    """How a picture of any size is shown to a model."""

    kind: str  # sliding | single
    pooling: int
    short_side: int
    longest_side: int
    canvas: int
    crop: int  # side of the windows
    stride: int


@dataclass(frozen=True)
class DataConfig:
    root: str
    classes: str
    vocabulary: str
    split: str
    crop: int
    workers: int


@dataclass(frozen=True)
class RateMultipliers:
    clip: float
    adapters: float
    head: float


@dataclass(frozen=True)
class TrainConfig:
    steps: int
    batch: int
    trainable: tuple[str, ...]
    learning_rate: float
    warmup: int
    multipliers: RateMultipliers
    weight_decay: float
    clip_norm: float
    ignore: str
    pooling: int
    log_every: int
    checkpoint_every: int
    keep_checkpoints: int
    evaluate_every: int
    evaluate_first: bool


@dataclass(frozen=True)
class EvaluationSet:
    root: str
    classes: str
    vocabulary: str
    split: str
    fold_background: int


@dataclass(frozen=True)
class EvaluationConfig:
    protocol: str
    pooling: int
    short_side: int
    longest_side: int
    canvas: int
    stride: int
    batch: int
    pictures: int
    overlays: int
    sets: Mapping[str, EvaluationSet]


@dataclass(frozen=True)
class Config(Architecture):
    """A training: a model, its data and its evaluation."""

    seed: int
    data: DataConfig
    train: TrainConfig
    evaluation: EvaluationConfig

    @property
    def protocol(self) -> Protocol:
        """The protocol of the evaluation."""
        e = self.evaluation
        return Protocol(
            e.protocol, e.pooling, e.short_side, e.longest_side, e.canvas, self.data.crop, e.stride
        )
