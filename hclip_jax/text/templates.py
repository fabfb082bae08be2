"""Fills prompt templates with class names and tokenizes them. Needs no JAX."""

import itertools
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hclip_jax.errors import UserError, printable
from hclip_jax.text import tokenizer
from hclip_jax.text.class_names import check_class_names
from hclip_jax.text.reading import describe_all, same_readings, split_synonyms

# N is rounded up to a multiple of this, so that similar class lists share one compiled text tower.
_LENGTH_MULTIPLE = 4


class TokenizedPrompts(NamedTuple):
    """The S prompts of T class names in P templates; a name with synonyms may have several.

    Attributes:
        tokens: int32 [S, N], one prompt a row, from tokenizer.START to tokenizer.END, then zeros.
        segment_ids: int32 [S], the class prompt t * P + p that each row belongs to.
        shared_prefix_len: number of leading tokens that all prompts share: tokenizer.START and the
            template's tokens before the class name.
    """

    tokens: np.ndarray
    segment_ids: np.ndarray
    shared_prefix_len: int


def check_templates(templates: Sequence[str]) -> None:
    """Raises UserError if there is no template, or one without exactly one "{}"."""
    if not templates:
        raise UserError('templates is empty; give at least one, such as "A photo of a {}"')
    for template in templates:
        if template.count("{}") != 1:
            raise UserError(
                f'template {template!r} holds "{{}}" {template.count("{}")} times; write it once, '
                "in the place of the class name"
            )


def fill_templates(
    class_names: Sequence[str], templates: Sequence[str], synonyms: str, context_length: int
) -> TokenizedPrompts:
    """Tokenized prompts for T class names: each name in each template.

    N is the length of the longest prompt rounded up to a multiple of 4, not the context length. This is
    exact: the text tower's mask is causal and its output is taken at END, so tokens after END have no effect.

    Args:
        class_names: T names; a name holds its synonyms separated by ", ".
        templates: P templates with one "{}" each.
        synonyms: "first" uses the first synonym only, as the published code does; "mean" makes one prompt
            a synonym, whose features are to be averaged by segment.
        context_length: maximum number of tokens of a prompt, START and END included.

    Returns:
        The prompts, ordered by class, then template, then synonym.

    Warns of class names that CLIP reads as the same words because only their first synonym is used: their
    text features are equal, and rounding decides between them.

    Raises:
        UserError: a class name is empty, repeated or too long, or another argument is invalid.
    """
    class_names = check_class_names(class_names, "class_names")
    if synonyms not in ("first", "mean"):
        raise UserError(f'synonyms is {synonyms!r}; choose "first" or "mean"')
    check_templates(templates)
    if equal := same_readings(class_names, synonyms):
        remedy = ', or use synonyms "mean"' if synonyms == "first" else ""
        warnings.warn(
            "CLIP reads the same words in several class names, so rounding decides between them: "
            f"{describe_all(equal, synonyms)}; rename all but one{remedy}",
            stacklevel=2,
        )
    rows: list[list[int]] = []
    segment_ids: list[int] = []
    for segment_id, (name, template) in enumerate(itertools.product(class_names, templates)):
        all_synonyms = split_synonyms(name)
        for synonym in all_synonyms[:1] if synonyms == "first" else all_synonyms:
            prompt = template.replace("{}", synonym)
            rows.append([tokenizer.START, *tokenizer.encode(prompt), tokenizer.END])
            segment_ids.append(segment_id)
            if len(rows[-1]) > context_length:
                raise UserError(
                    f"class '{printable(name)}' in template '{printable(template)}' has {len(rows[-1])} "
                    f"tokens, start and end included, but at most {context_length} fit; shorten the name or "
                    "the template"
                )

    length = max(map(len, rows))
    length = min(-(-length // _LENGTH_MULTIPLE) * _LENGTH_MULTIPLE, context_length)
    tokens = np.zeros((len(rows), length), np.int32)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = ids
    return TokenizedPrompts(tokens, np.array(segment_ids, np.int32), _shared_prefix_len(tokens, templates))


def _shared_prefix_len(tokens: np.ndarray, templates: Sequence[str]) -> int:
    """Number of leading tokens that all prompts share because of the templates.

    Tokens that the class names share are not counted: each class list would need another compiled program.
    """
    template_len = min(len(tokenizer.encode(template.partition("{}")[0])) for template in templates)
    prefix = tokens[:, : 1 + template_len]
    return int((prefix == prefix[:1]).all(axis=0).cumprod().sum())
