"""Text features and patch features of a Segmenter."""

import dataclasses

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from hclip_jax import Model, Segmenter
from hclip_jax.errors import UserError
from hclip_jax.inference import predictor as predictor_module
from hclip_jax.inference.predictor import Predictor
from hclip_jax.io import cache
from hclip_jax.sharding import make_mesh
from tests import tolerance, trained
from tests.small_models import micro
from tests.trained import CLASS_NAMES, RGB


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return trained.segmenter()


def test_text_features(segmenter: Segmenter) -> None:
    text = segmenter.embed_text(CLASS_NAMES)
    assert text.shape == (3, 1, 16)
    assert text.dtype == np.float32
    tolerance.assert_within(np.linalg.norm(text, axis=-1), np.ones((3, 1)), 1e-5)
    config = micro()
    model = Model(config.architecture)
    prompts = model.prompts(CLASS_NAMES)
    predictor = Predictor(model, trained.params(), prompts, make_mesh(1), config.protocol)
    tolerance.assert_within(text, predictor.text, 1e-6)

    first, second = (segmenter.embed_text([name])[0] for name in ("road", "street"))
    tolerance.assert_within(text[1], first, 1e-5)
    mean = segmenter.embed_text(CLASS_NAMES, synonyms="mean")
    tolerance.assert_within(mean[1], (first + second) / np.linalg.norm(first + second), 1e-5)
    assert np.abs(mean[1] - text[1]).max() > 1e-3
    averaging = trained.segmenter("mean")
    np.testing.assert_array_equal(averaging.embed_text(CLASS_NAMES), mean)
    tolerance.assert_within(averaging.embed_text(CLASS_NAMES, synonyms="first"), text, 1e-6)
    with pytest.warns(UserWarning, match="'Road'"):  # one row a name, though CLIP reads two as the same words
        doubled = segmenter.embed_text(["road, street", "cat", "Road"])
    np.testing.assert_array_equal(doubled[2], doubled[0])
    tolerance.assert_within(doubled[1], text[0], 1e-5)
    with pytest.raises(UserError, match="has no single feature a class"):
        segmenter.embed_text(CLASS_NAMES, synonyms="max")


def test_templates(segmenter: Segmenter) -> None:
    trained_with = micro().prompts.templates
    given = segmenter.embed_text(CLASS_NAMES, templates=trained_with)
    tolerance.assert_within(given, segmenter.embed_text(CLASS_NAMES), 1e-6)
    templates = ("a drawing of a {}", "the {} in winter")
    first, second = (segmenter.embed_text(CLASS_NAMES, templates=[template]) for template in templates)
    assert np.abs(first - second).max() > 1e-3
    both = segmenter.embed_text(CLASS_NAMES, templates=templates)
    mean = first + second
    tolerance.assert_within(both, mean / np.linalg.norm(mean, axis=-1, keepdims=True), 1e-5)
    one, two = (segmenter(RGB, CLASS_NAMES, templates=t, fast=True) for t in (templates[:1], templates))
    assert np.abs(one.probabilities - two.probabilities).max() > 1e-5
    with pytest.raises(UserError, match=r"template 'a thing' holds \"{}\" 0 times"):
        segmenter(RGB, CLASS_NAMES, templates=["a thing"])


def test_templates_that_the_head_distinguishes_are_replaced_one_by_one() -> None:
    config = micro()
    prompts = dataclasses.replace(config.prompts, templates=("a {}", "the {}"))
    model = Model(dataclasses.replace(config.architecture, prompts=prompts))
    segmenter = Segmenter(model, trained.params(), config.protocol)
    swapped = segmenter.embed_text(CLASS_NAMES, templates=("the {}", "a {}"))
    tolerance.assert_within(swapped[:, ::-1], segmenter.embed_text(CLASS_NAMES), 1e-6)
    with pytest.raises(UserError, match="the number of templates is 1, but the model was trained with 2"):
        segmenter.embed_text(CLASS_NAMES, templates=("a {}",))


@pytest.mark.parametrize("shape", [(40, 56), (9, 9), (400, 100)])
def test_patch_features(segmenter: Segmenter, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    patches, cost = segmenter.patch_features(image, CLASS_NAMES)
    assert patches.shape == (4, 4, 16)
    assert patches.dtype == np.float32
    tolerance.assert_within(np.linalg.norm(patches, axis=-1), np.ones((4, 4)), 1e-5)
    assert cost is not None
    assert cost.shape == (3, 1, 4, 4)
    assert cost.dtype == np.float32
    text = segmenter.embed_text(CLASS_NAMES)
    for t in range(3):
        tolerance.assert_within(cost[t, 0], patches @ text[t, 0], 1e-6)
    plain = segmenter.patch_features(image)
    assert plain.cost is None
    np.testing.assert_array_equal(plain.patches, patches)


def test_patch_features_are_those_of_the_segmentation(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = []
    logits = predictor_module.segment_views

    def recording(
        model: Model, mesh: Mesh, pooling: int, clip: dict, head: dict, views: jax.Array, *rest: object
    ) -> jax.Array:
        features.append(model.encode_image(clip, views[:, 0]).patch_features[0])
        return logits(model, mesh, pooling, clip, head, views, *rest)

    monkeypatch.setenv(cache.VARIABLE, "")  # no program of an earlier test

    monkeypatch.setattr(predictor_module, "segment_views", recording)
    segmenter(RGB, CLASS_NAMES, fast=True)
    expected = np.asarray(features[0]) / np.linalg.norm(features[0], axis=-1, keepdims=True)
    tolerance.assert_within(segmenter.patch_features(RGB).patches, expected, 1e-5)
