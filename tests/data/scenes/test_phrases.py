import numpy as np

from hclip_jax.configs import tiny
from hclip_jax.data.scenes.label_sets import STUFF, SYNONYMS, THING, THINGS
from hclip_jax.data.scenes.phrases import NUM_THINGS, phrase
from hclip_jax.text import tokenizer

TERM_BY_SYNONYM = {synonym: term for term, synonym in SYNONYMS.items()}


def terms_of(text: str) -> set[str]:
    """The first names of the terms of a phrase."""
    return {text} & set(STUFF) or {TERM_BY_SYNONYM.get(word, word) for word in text.split()}


def test_a_phrase_is_true_of_exactly_the_things_that_have_its_terms() -> None:
    rng = np.random.default_rng(0)
    for thing in rng.integers(NUM_THINGS, size=300):
        text, is_named = phrase(int(thing), rng)
        assert is_named[thing]
        terms = terms_of(text)
        for other in range(NUM_THINGS):
            known = {STUFF[other]} if other < len(STUFF) else {*THINGS[other - len(STUFF)], THING}
            assert is_named[other] == (terms <= known), (text, other)


def test_all_terms_and_synonyms_occur_and_no_phrase_names_every_object() -> None:
    rng = np.random.default_rng(0)
    texts = [phrase(thing, rng)[0] for _ in range(10) for thing in range(NUM_THINGS)]
    assert {word for text in texts for word in terms_of(text)} == set(SYNONYMS)
    words = set(" ".join(texts).split())
    assert all(set(synonym.split()) <= words for synonym in SYNONYMS.values())
    assert not {THING, SYNONYMS[THING]} & set(texts)


def test_all_tokens_of_phrases_have_different_embeddings_in_the_tiny_clip() -> None:
    texts = [*SYNONYMS, *SYNONYMS.values(), "a photo of a and in the scene"]
    ids = {token for text in texts for token in tokenizer.encode(text)} | {tokenizer.START, tokenizer.END}
    assert len({token % tiny.get_config().clip.text.vocab_size for token in ids}) == len(ids)
