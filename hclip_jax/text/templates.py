"""Class names written into prompt templates and tokenized. Needs no JAX."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.text import tokenizer
from hclip_jax.text.class_names import check_class_names, split_synonyms

# Lengths are rounded up to a multiple of this, so that similar class lists share one compiled text tower.
_LENGTH_MULTIPLE = 4


class TokenizedPrompts(NamedTuple):
    """The S prompts of T class names in P templates; a name with synonyms may have several.

    Attributes:
        tokens: int32 [S, N], one prompt a row, from tokenizer.START to tokenizer.END, then zeros.
        segment_ids: int32 [S], the class prompt t * P + p that each row belongs to.
        shared_prefix_len: number of leading tokens that all prompts share: tokenizer.START and the
            template's words before the class name.
    """

    tokens: np.ndarray
    segment_ids: np.ndarray
    shared_prefix_len: int


def fill_templates(
    class_names: Sequence[str], templates: Sequence[str], synonyms: str, context_length: int
) -> TokenizedPrompts:
    """Writes each class name into each template.

    N is the longest prompt rounded up to a multiple of 4, not the context length. This is exact: the text
    tower's mask is causal and its output is read at END, so tokens after END have no effect.

    Args:
        class_names: T names; a name holds its synonyms separated by ", ".
        templates: P templates with one "{}" each.
        synonyms: "first" uses the first synonym only, as the published code does; "mean" writes one prompt
            a synonym, to be averaged by segment.
        context_length: maximum number of tokens of a prompt, START and END included.

    Returns:
        The prompts, ordered by class, then template, then synonym.

    Raises:
        UserError: a class name is empty, repeated or too long, or another argument is invalid.
    """
    class_names = check_class_names(class_names, "class_names")
    if synonyms not in ("first", "mean"):
        raise UserError(f'synonyms is {synonyms!r}; choose "first" or "mean".')
    if not templates:
        raise UserError('templates is empty; give at least one, such as "A photo of a {}".')
    for template in templates:
        if template.count("{}") != 1:
            raise UserError(
                f'Template {template!r} holds "{{}}" {template.count("{}")} times; write it once, '
                "where the class name goes."
            )

    rows: list[list[int]] = []
    segment_ids: list[int] = []
    for segment_id, (name, template) in enumerate(itertools.product(class_names, templates)):
        names = split_synonyms(name)
        for synonym in names[:1] if synonyms == "first" else names:
            prompt = template.replace("{}", synonym)
            rows.append([tokenizer.START, *tokenizer.encode(prompt), tokenizer.END])
            segment_ids.append(segment_id)
            if len(rows[-1]) > context_length:
                raise UserError(
                    f"Class {name!r} in template {template!r} has {len(rows[-1])} tokens, start "
                    f"and end included, but at most {context_length} fit; shorten the name or the "
                    "template."
                )

    length = max(map(len, rows))
    length = min(-(-length // _LENGTH_MULTIPLE) * _LENGTH_MULTIPLE, context_length)
    tokens = np.zeros((len(rows), length), np.int32)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = ids
    return TokenizedPrompts(tokens, np.array(segment_ids, np.int32), _shared_prefix_len(tokens, templates))


def _shared_prefix_len(tokens: np.ndarray, templates: Sequence[str]) -> int:
    """Number of leading tokens that all prompts share, as far as the templates determine it.

    A prefix that the class names share is not counted: the next class list would need another program.
    """
    before = min(len(tokenizer.encode(template.partition("{}")[0])) for template in templates)
    start = tokens[:, : 1 + before]
    return int((start == start[:1]).all(axis=0).cumprod().sum())
