import numpy as np
import pytest

from hclip_jax.data.scenes.label_sets import LABEL_SETS, SYNONYMS, THINGS, class_ids
from hclip_jax.data.types import IGNORE


@pytest.mark.parametrize("label_set", LABEL_SETS)
def test_every_class_names_something_that_can_be_drawn(label_set: str) -> None:
    ids = class_ids(label_set)
    assert set(ids.tolist()) - {IGNORE} == set(range(len(LABEL_SETS[label_set])))
    assert (ids == IGNORE).any() == (label_set == "seen")


def test_terms_and_synonyms_are_distinct() -> None:
    terms = [*SYNONYMS, *SYNONYMS.values()]
    assert len(set(terms)) == len(terms)


def test_composition_and_regrouped_class_determine_the_object() -> None:
    compositions, regrouped = class_ids("all")[-len(THINGS) :], class_ids("regrouped")[-len(THINGS) :]
    pairs = np.unique(np.stack([compositions, regrouped]), axis=1)
    assert pairs.shape[1] == len(THINGS)
