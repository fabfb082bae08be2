"""The name table of OpenAI's CLIP."""

from hclip_jax.configs import vitl
from hclip_jax.weights.layouts.openai import clip_tensors
from tests.weights.published_shapes import full_size, openai_vitl


def test_names_and_shapes_are_those_of_the_published_state_dict() -> None:
    assert {t.name: list(t.shape) for t in clip_tensors(full_size(vitl).clip)} == openai_vitl()
