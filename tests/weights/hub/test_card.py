"""The model card: metadata that the Hub reads, and text."""

import dataclasses

from huggingface_hub import ModelCard

from hclip_jax.config.overrides import read_config
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.hub.card import Facts, model_card
from hclip_jax.weights.hub.names import parse_hub_name
from tests.weights.sample_models import without_clip

NAME = parse_hub_name("hf:me/streets")
NO_FACTS = Facts()


def card(model: Checkpoint, facts: Facts = NO_FACTS, class_names: tuple[str, ...] = ()) -> ModelCard:
    assert model.spec is not None
    return ModelCard(model_card(model, model.spec._replace(class_names=class_names), NAME, facts))


def test_metadata(model: Checkpoint) -> None:
    data = card(model, Facts("mit", "openai/clip", {"val": {"mIoU": 41.256}, "empty": {}})).data.to_dict()
    assert data["license"] == "mit"
    assert data["base_model"] == "openai/clip"
    assert data["pipeline_tag"] == "image-segmentation"
    assert data["tags"] == ["open-vocabulary-segmentation", "clip", "jax", "tuning:hclip"]
    (index,) = data["model-index"]
    assert index["name"] == "streets"
    (result,) = index["results"]
    assert (result["dataset"]["name"], result["metrics"][0]["value"]) == ("val", 41.26)
    assert "model-index" not in card(model).data.to_dict()
    assert "base_model" not in card(model).data.to_dict()


def test_class_names_and_origin_are_no_markup(model: Checkpoint) -> None:
    odd = dataclasses.replace(model, source="a | b")
    text = card(odd, class_names=("sky, clouds", "</details><script>", "Straße")).text
    assert "0. sky, clouds\n1. &lt;/details&gt;&lt;script&gt;\n2. Straße\n" in text
    assert "| origin | a \\| b |" in text


def test_use_and_limits_depend_on_the_model(model: Checkpoint) -> None:
    assert 'Segmenter.load("hf:me/streets")' in card(model).text
    assert 'Segmenter.load("hf:me/streets", base="CLIP")' in card(without_clip(model)).text
    assert "drawings" not in card(model).text
    assert "drawings" in card(dataclasses.replace(model, clip=read_config("tiny").clip)).text
