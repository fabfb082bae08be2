"""Tokenized prompts of a class list, as a pytree."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
from jax import Array

from hclip_jax.text.templates import fill_templates

_LENGTH_MULTIPLE = 8


# The sizes are static: each combination of sizes needs its own compiled program.
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Prompts:
    """The S prompts of T class names in P templates; a name with synonyms may have several.

    Attributes:
        tokens: int32 [S, N], see `templates.TokenizedPrompts`.
        segment_ids: int32 [S], the class prompt t * P + p of each row; T * P on padding, which
            `jax.ops.segment_sum(features, segment_ids, num_segments=T * P)` drops.
        num_classes: T.
        num_templates: P.
        shared_prefix_len: number of leading tokens that all prompts share.
    """

    tokens: np.ndarray | Array
    segment_ids: np.ndarray | Array
    num_classes: int = dataclasses.field(metadata={"static": True})
    num_templates: int = dataclasses.field(metadata={"static": True})
    shared_prefix_len: int = dataclasses.field(metadata={"static": True})


def make_prompts(
    class_names: Sequence[str], templates: Sequence[str], synonyms: str, context_length: int
) -> Prompts:
    """Tokenized prompts for T class names; arguments and errors as in `templates.fill_templates`."""
    prompts = fill_templates(class_names, templates, synonyms, context_length)
    return Prompts(
        prompts.tokens, prompts.segment_ids, len(class_names), len(templates), prompts.shared_prefix_len
    )


def average_templates(prompts: Prompts) -> Prompts:
    """The same prompts as one template, P = 1: `Model.encode_text` averages those of a class."""
    segment_ids = np.asarray(prompts.segment_ids) // prompts.num_templates
    return dataclasses.replace(prompts, segment_ids=segment_ids, num_templates=1)


def pad_prompts(prompts: Prompts, multiple: int) -> Prompts:
    """Repeats the last prompt until S is a multiple of `multiple`, the number of devices.

    Padding has the segment id T * P, one past the last, which segment sums drop.
    """
    num_padding = -len(prompts.tokens) % multiple
    padding_id = prompts.num_classes * prompts.num_templates
    return dataclasses.replace(
        prompts,
        tokens=np.pad(np.asarray(prompts.tokens), ((0, num_padding), (0, 0)), mode="edge"),
        segment_ids=np.pad(np.asarray(prompts.segment_ids), (0, num_padding), constant_values=padding_id),
    )


def pad_classes(prompts: Prompts, max_classes: int, context_length: int) -> Prompts:
    """Pads T, S and N to a few sizes, so that class lists of similar lengths share compiled programs.

    Padded classes have no prompt, so their text features are 0. Padded prompts repeat the last one and are
    dropped by segment sums.

    Args:
        prompts: prompts of T class names.
        max_classes: lists that fit into this number still do.
        context_length: the largest N.
    """
    num_classes = _padded_size(prompts.num_classes)
    if prompts.num_classes <= max_classes:
        num_classes = min(num_classes, max_classes)
    tokens, segment_ids = np.asarray(prompts.tokens), np.asarray(prompts.segment_ids)
    num_rows, length = tokens.shape
    rows = _padded_size(num_rows) - num_rows
    columns = min(-(-length // _LENGTH_MULTIPLE) * _LENGTH_MULTIPLE, context_length) - length
    padding_id = num_classes * prompts.num_templates
    return dataclasses.replace(
        prompts,
        tokens=np.pad(np.pad(tokens, ((0, rows), (0, 0)), mode="edge"), ((0, 0), (0, columns))),
        segment_ids=np.pad(segment_ids, (0, rows), constant_values=padding_id),
        num_classes=num_classes,
    )


def _padded_size(size: int) -> int:
    """8, 16, 32, 64, then multiples of 64."""
    return max(8, 1 << (size - 1).bit_length()) if size <= 64 else -(-size // 64) * 64
