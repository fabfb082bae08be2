import numpy as np

from hclip_jax.configs import tiny
from hclip_jax.data.scenes.captions import caption, captioned_scene, full_caption
from hclip_jax.data.scenes.label_sets import STUFF, SYNONYMS, THING, THINGS
from hclip_jax.text import tokenizer

TERM_BY_SYNONYM = {synonym: term for term, synonym in SYNONYMS.items()}


def phrases(text: str) -> list[str]:
    """The phrases of a caption, one for each thing."""
    return (
        text.removeprefix("a photo of a ").removesuffix(" in the scene").removeprefix("a ").split(" and a ")
    )


def test_full_caption_names_all_visible_things() -> None:
    for index in range(20):
        things = captioned_scene("test", index, 64)["things"]
        named = phrases(full_caption(things))
        assert len(named) == len(things) >= 3
        for thing, phrase in zip(things, named, strict=True):
            if thing < len(STUFF):
                assert phrase == STUFF[thing]
            else:
                assert phrase == " ".join(THINGS[thing - len(STUFF)])


def test_captions_name_only_visible_things() -> None:
    rng = np.random.default_rng(0)
    num_synonyms = 0
    for index in range(100):
        things = captioned_scene("train", index, 32)["things"]
        visible = {THING} | {term for phrase in phrases(full_caption(things)) for term in phrase.split()}
        for phrase in phrases(caption(things, rng)):
            terms = " ".join(TERM_BY_SYNONYM.get(word, word) for word in phrase.split())
            assert set(terms.split()) <= visible
            num_synonyms += terms != phrase
    assert num_synonyms > 20


def test_scenes_are_functions_of_split_and_index() -> None:
    first, second = captioned_scene("train", 3, 48), captioned_scene("train", 3, 48)
    np.testing.assert_array_equal(first["image"], second["image"])
    np.testing.assert_array_equal(first["things"], second["things"])
    for other in (captioned_scene("test", 3, 48), captioned_scene("train", 4, 48)):
        assert (other["image"] != first["image"]).any()


def test_all_tokens_of_captions_have_different_embeddings_in_the_tiny_clip() -> None:
    texts = [*SYNONYMS, *SYNONYMS.values(), "a photo of a and in the scene"]
    ids = {token for text in texts for token in tokenizer.encode(text)} | {tokenizer.START, tokenizer.END}
    assert len({token % tiny.get_config().clip.text.vocab_size for token in ids}) == len(ids)
