"""Tokenized prompts of a class list, as a pytree."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
from jax import Array

from hclip_jax.text.templates import fill_templates


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
