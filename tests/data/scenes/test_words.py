import numpy as np
import pytest

from hclip_jax.data.scenes.label_sets import LABEL_SETS, SYNONYMS, THINGS, class_ids
from hclip_jax.data.types import IGNORE


@pytest.mark.parametrize("vocabulary", LABEL_SETS)
def test_every_class_is_of_something_that_can_be_drawn(vocabulary: str) -> None:
    ids = class_ids(vocabulary)
    assert set(ids.tolist()) - {IGNORE} == set(range(len(LABEL_SETS[vocabulary])))
    assert (ids == IGNORE).any() == (vocabulary == "seen")


def test_no_word_is_its_own_or_anothers_synonym() -> None:
    words = [*SYNONYMS, *SYNONYMS.values()]
    assert len(set(words)) == len(words)


def test_the_regrouped_words_split_what_compositions_join() -> None:
    compositions, regrouped = class_ids("all")[-len(THINGS) :], class_ids("regrouped")[-len(THINGS) :]
    pairs = np.unique(np.stack([compositions, regrouped]), axis=1)
    assert pairs.shape[1] == len(THINGS)  # together they tell every object
