"""Class names to the sentences that the text tower reads, and whose sentence each one is."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.text import tokenizer
from hclip_jax.text.class_names import check_class_names

if TYPE_CHECKING:
    from jax import Array

# Lengths come in steps, so that nearby vocabularies share one compiled text tower.
_LENGTH_STEP = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Prompts:
    """The sentences of T classes with P templates; a class prompt with synonyms has several.

    Attributes:
        tokens: int32 [S, N], one sentence a row, from tokenizer.START to tokenizer.END, then zeros.
        owner: int32 [S], the class prompt t * P + p of each sentence; T * P on padding, which
            `jax.ops.segment_sum(features, owner, num_segments=T * P)` drops.
        classes: T.
        templates: P.
        alike: with how many tokens all sentences start alike, tokenizer.START and the template's
            words before the class name.
    """

    tokens: "np.ndarray | Array"
    owner: "np.ndarray | Array"
    classes: int
    templates: int
    alike: int


def make_prompts(
    class_names: Sequence[str],
    templates: Sequence[str] = ("A photo of a {} in the scene",),
    synonyms: str = "first",
    context: int = 77,
) -> Prompts:
    """Writes each class name into each template.

    N is the longest sentence rounded up to a multiple of 4, not the whole context. That is exact:
    the text tower's mask is causal and its output is read at END, so nothing after END reaches it.

    Args:
        class_names: T names; a name holds its synonyms separated by ", ".
        templates: P sentences with one "{}" each.
        synonyms: "first" uses the first synonym alone, as the published code does; "mean" writes
            one sentence a synonym, to be averaged by `owner`.
        context: the longest sentence allowed, in tokens; CLIP's text towers know 77 positions.

    Returns:
        The sentences, ordered by class, then template, then synonym.

    Raises:
        UserError: a class name is empty, repeated or too long, or an option is not as said above.
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
    owner: list[int] = []
    pairs = itertools.product(class_names, templates)
    for class_prompt, (name, template) in enumerate(pairs):
        own = synonyms_of(name)
        for synonym in own[:1] if synonyms == "first" else own:
            sentence = template.replace("{}", synonym)
            rows.append([tokenizer.START, *tokenizer.encode(sentence), tokenizer.END])
            owner.append(class_prompt)
            if len(rows[-1]) > context:
                raise UserError(
                    f"Class {name!r} in template {template!r} has {len(rows[-1])} tokens, start "
                    f"and end included, but at most {context} fit; shorten the name or the "
                    "template."
                )

    length = max(map(len, rows))
    length = min(-(-length // _LENGTH_STEP) * _LENGTH_STEP, context)
    tokens = np.zeros((len(rows), length), np.int32)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = ids
    alike = _alike(tokens, templates)
    return Prompts(tokens, np.array(owner, np.int32), len(class_names), len(templates), alike)


def _alike(tokens: np.ndarray, templates: Sequence[str]) -> int:
    """With how many tokens all sentences start alike, as far as the templates say so.

    What class names have in common is not counted: the next vocabulary would need another program.
    """
    before = min(len(tokenizer.encode(template.partition("{}")[0])) for template in templates)
    start = tokens[:, : 1 + before]
    return int((start == start[:1]).all(axis=0).cumprod().sum())


def pad_prompts(prompts: Prompts, multiple: int) -> Prompts:
    """Repeats the last sentence up to a multiple of sentences, so that devices share them evenly.

    The copies belong to class prompt T * P, one past the last, which segment sums drop.
    """
    extra = -len(prompts.tokens) % multiple
    return dataclasses.replace(
        prompts,
        tokens=np.pad(np.asarray(prompts.tokens), ((0, extra), (0, 0)), mode="edge"),
        owner=np.pad(
            np.asarray(prompts.owner), (0, extra), constant_values=prompts.classes * prompts.templates
        ),
    )


def synonyms_of(name: str) -> list[str]:
    """The synonyms that a class name holds, separated by ", ".

    Raises:
        UserError: one of them is empty.
    """
    every = [synonym.strip() for synonym in name.split(", ")]
    if not all(every):
        raise UserError(f'Class {name!r} holds an empty synonym; separate synonyms by one ", " each.')
    return every
