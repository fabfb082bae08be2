"""The fields of a configuration: types, choices and ranges. `configs/vitb.py` says what they mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from hclip_jax.config.adapters import AdapterConfig
from hclip_jax.config.ranges import NonNegative, NonNegativeInt, Positive, PositiveInt, Range

# Layers are unrolled (the head) or stacked (CLIP), images are allocated: absurd sizes must be refused first.
NumLayers = Annotated[int, Range(largest=1000)]
NumHeadLayers = Annotated[int, Range(largest=32)]
ImageSize = Annotated[int, Range(largest=2**14)]
MlpRatio = Annotated[float, Range(largest=1000)]

Dtype = Literal["float32", "bfloat16"]
Activation = Literal["quick_gelu", "gelu"]
RematPolicy = Literal["none", "dots", "full"]
Part = Literal["clip", "adapters", "head"]


@dataclass(frozen=True)
class ImageTower:
    """CLIP's image tower."""

    num_layers: NumLayers
    width: PositiveInt
    num_heads: PositiveInt
    mlp_ratio: MlpRatio
    patch_size: PositiveInt
    image_size: ImageSize  # that the position embedding was trained with


@dataclass(frozen=True)
class TextTower:
    """CLIP's text tower."""

    num_layers: NumLayers
    width: PositiveInt
    num_heads: PositiveInt
    mlp_ratio: MlpRatio
    vocab_size: PositiveInt
    context_length: PositiveInt


@dataclass(frozen=True)
class ClipConfig:
    """CLIP: both towers and where their weights come from."""

    weights: str
    embed_dim: PositiveInt
    activation: Activation
    image: ImageTower
    text: TextTower


@dataclass(frozen=True)
class HeadConfig:
    """The segmentation head."""

    hidden_dim: PositiveInt
    num_layers: NumHeadLayers
    num_heads: PositiveInt
    window_size: PositiveInt
    guidance_dim: PositiveInt
    guidance_layers: tuple[PositiveInt, ...]
    decoder_dims: tuple[PositiveInt, ...]
    decoder_guidance_dims: tuple[PositiveInt, ...]
    decoder_guidance_proj_dims: tuple[PositiveInt, ...]
    max_classes: PositiveInt
    prior_prob: NonNegative


@dataclass(frozen=True)
class ModelConfig:
    """How the model computes; the results agree within rounding."""

    image_size: ImageSize  # of CLIP's input
    dtype: Dtype  # of the towers' activations
    head_dtype: Dtype
    class_chunk_size: PositiveInt
    tower_remat_policy: RematPolicy
    head_remat_policy: RematPolicy


@dataclass(frozen=True)
class PromptConfig:
    """How class names become prompts."""

    templates: tuple[str, ...]
    synonyms: Literal["first", "mean"]


@dataclass(frozen=True)
class Architecture:
    """The configuration of a model, without its training."""

    clip: ClipConfig
    adapters: AdapterConfig
    head: HeadConfig
    model: ModelConfig
    prompts: PromptConfig


@dataclass(frozen=True)
class InferenceProtocol:
    """How an image of any size becomes inputs of the model."""

    kind: Literal["sliding", "single"]
    pooling: PositiveInt
    shortest_edge: PositiveInt
    longest_edge: PositiveInt
    canvas_size: PositiveInt
    crop_size: PositiveInt  # of the windows
    stride: PositiveInt


@dataclass(frozen=True)
class DataConfig:
    """The training data."""

    root: str
    classes_file: str
    label_set: str
    split: str
    crop_size: PositiveInt
    num_workers: NonNegativeInt
    # Absent from work directories of older versions.
    ignore: tuple[NonNegativeInt, ...] = ()
    images: str = ""
    labels: str = ""
    colour_map: str = ""


@dataclass(frozen=True)
class LrMultipliers:
    """Factor of the learning rate for each part."""

    clip: NonNegative
    adapters: NonNegative
    head: NonNegative


@dataclass(frozen=True)
class TrainConfig:
    """The training recipe."""

    num_train_steps: PositiveInt
    batch_size: PositiveInt
    microbatch: NonNegativeInt
    trainable: tuple[Part, ...]
    learning_rate: Positive
    warmup_steps: NonNegativeInt
    lr_multipliers: LrMultipliers
    weight_decay: NonNegative
    max_grad_norm: Positive
    unlabeled: Literal["negative", "ignore"]
    pooling: PositiveInt
    log_every: PositiveInt
    checkpoint_every: PositiveInt
    checkpoint_minutes: NonNegative
    max_to_keep: PositiveInt
    evaluate_every: NonNegativeInt
    evaluate_first: bool
    # Older work directories have none of these.
    best_metric: str = "mIoU"
    log_to: tuple[Literal["tensorboard", "wandb"], ...] = ()


@dataclass(frozen=True)
class EvaluationSet:
    """One data set to evaluate on, with its class names."""

    root: str
    classes_file: str
    label_set: str
    split: str
    fold_background: NonNegativeInt
    # Absent from work directories of older versions.
    ignore: tuple[NonNegativeInt, ...] = ()
    images: str = ""
    labels: str = ""
    colour_map: str = ""


@dataclass(frozen=True)
class EvaluationConfig:
    """The evaluation during and after training."""

    protocol: Literal["sliding", "single"]
    pooling: PositiveInt
    shortest_edge: PositiveInt
    longest_edge: PositiveInt
    canvas_size: PositiveInt
    stride: PositiveInt
    batch_size: PositiveInt
    num_images: NonNegativeInt
    num_overlays: NonNegativeInt
    sets: Mapping[str, EvaluationSet]
    suite: str = ""  # older work directories have none


@dataclass(frozen=True)
class Config:
    """A training: a model, its data and its evaluation."""

    seed: NonNegativeInt
    clip: ClipConfig
    adapters: AdapterConfig
    head: HeadConfig
    model: ModelConfig
    prompts: PromptConfig
    data: DataConfig
    train: TrainConfig
    evaluation: EvaluationConfig
    start: str = ""  # absent from work directories of older versions

    @property
    def architecture(self) -> Architecture:
        """The model."""
        return Architecture(self.clip, self.adapters, self.head, self.model, self.prompts)

    @property
    def protocol(self) -> InferenceProtocol:
        """The protocol of the evaluation, at the crop size of the training."""
        e = self.evaluation
        return InferenceProtocol(
            kind=e.protocol,
            pooling=e.pooling,
            shortest_edge=e.shortest_edge,
            longest_edge=e.longest_edge,
            canvas_size=e.canvas_size,
            crop_size=self.data.crop_size,
            stride=e.stride,
        )
