import numpy as np
import pytest

from hclip_jax.configs import tiny
from hclip_jax.data.scenes.captions import caption, captioned_scene, full_caption
from hclip_jax.data.scenes.label_sets import PATTERNS, STUFF, SYNONYMS, THING, THINGS
from hclip_jax.data.scenes.patterns import pattern_mask
from hclip_jax.text import tokenizer

FIRST = {synonym: word for word, synonym in SYNONYMS.items()}


def objects(text: str) -> list[str]:
    return (
        text.removeprefix("a photo of a ").removesuffix(" in the scene").removeprefix("a ").split(" and a ")
    )


def test_a_full_caption_says_all_that_can_be_seen() -> None:
    for index in range(20):
        things = captioned_scene("test", index, 64)["things"]
        said = objects(full_caption(things))
        assert len(said) == len(things) >= 3
        for thing, phrase in zip(things, said, strict=True):
            if thing < len(STUFF):
                assert phrase == STUFF[thing]
            else:
                assert phrase == " ".join(THINGS[thing - len(STUFF)])


def test_captions_say_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    by_synonym = 0
    for index in range(100):
        things = captioned_scene("train", index, 32)["things"]
        known = {THING} | {word for phrase in objects(full_caption(things)) for word in phrase.split()}
        said = caption(things, rng)
        for phrase in objects(said):
            first = " ".join(FIRST.get(word, word) for word in phrase.split())
            assert set(first.split()) <= known
            by_synonym += first != phrase
    assert by_synonym > 20


def test_scenes_are_functions_of_split_and_index() -> None:
    a, b = captioned_scene("train", 3, 48), captioned_scene("train", 3, 48)
    np.testing.assert_array_equal(a["image"], b["image"])
    np.testing.assert_array_equal(a["things"], b["things"])
    for other in (captioned_scene("test", 3, 48), captioned_scene("train", 4, 48)):
        assert (other["image"] != a["image"]).any()


def test_the_words_of_the_world_have_embeddings_of_their_own_in_the_tiny_clip() -> None:
    texts = [*SYNONYMS, *SYNONYMS.values(), "a photo of a and in the scene"]
    ids = {token for text in texts for token in tokenizer.encode(text)} | {tokenizer.START, tokenizer.END}
    assert len({token % tiny.get_config().clip.text.vocab_size for token in ids}) == len(ids)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_cover_some_of_an_object_and_plain_none(pattern: str) -> None:
    rng = np.random.default_rng(0)
    shares = [pattern_mask(pattern, 40, rng).mean() for _ in range(10)]
    if pattern == "plain":
        assert max(shares) == 0
    else:
        assert 0.1 < min(shares) <= max(shares) < 0.65
