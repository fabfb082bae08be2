"""Phrases that name things of the built-in scenes, by any of their terms or synonyms."""

import numpy as np

from hclip_jax.data.scenes.label_sets import STUFF, SYNONYMS, THING, THINGS

NUM_THINGS = len(STUFF) + len(THINGS)

_STUFF_SYNONYM_SHARE = 0.5
_TERM_SYNONYM_SHARE = 0.4
_ATTRIBUTE_SHARE = 0.85  # of phrases that say the pattern, and of those that say the colour
_SHAPE_SHARE = 0.4  # of phrases that say the shape; the others say THING


def phrase(thing: int, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """Makes a phrase such as "spotted red object".

    Args:
        thing: index into STUFF + THINGS.
        rng: the source of randomness.

    Returns:
        The phrase, and which of STUFF + THINGS it is true of, bool [NUM_THINGS].
    """
    if thing < len(STUFF):
        name = STUFF[thing]
        return _word(name, _STUFF_SYNONYM_SHARE, rng), np.arange(NUM_THINGS) == thing
    terms = THINGS[thing - len(STUFF)]
    says = rng.random(3) < (_ATTRIBUTE_SHARE, _ATTRIBUTE_SHARE, _SHAPE_SHARE)
    if not says.any():
        says[1] = True  # the colour: THING alone would be true of every object
    words = [term for term, said in zip(terms[:2], says[:2], strict=True) if said]
    words.append(terms.shape if says[2] else THING)
    is_named = [
        all(a == b for a, b, said in zip(other, terms, says, strict=True) if said) for other in THINGS
    ]
    text = " ".join(_word(word, _TERM_SYNONYM_SHARE, rng) for word in words)
    return text, np.array([False] * len(STUFF) + is_named)


def _word(term: str, synonym_share: float, rng: np.random.Generator) -> str:
    return SYNONYMS[term] if rng.random() < synonym_share else term
