"""Damaged names of models on the Hub: a name, or a refusal in one sentence."""

from hclip_jax.weights.hub.names import parse_hub_name
from tests.fuzz.mutate import mutations, outcome

NAMES = (
    "hf:openai/clip-vit-base-patch16",
    "hf:spaces/hamacojr/CAT-Seg-weights/model_base.pth",
    "hf:me/tiny@refs/pr/3/a/b.safetensors",
    "hf://models/me/tiny.v2@v1.0",
)


def test_hub_names():
    refused = 0
    for content in mutations([text.encode() for text in NAMES], 1000):
        name = outcome(lambda: parse_hub_name(content.decode("utf-8", "surrogateescape")))  # noqa: B023
        refused += name is None
        assert name is None or parse_hub_name(str(name)) == name
        assert name is None or ".." not in name.path.split("/")
    assert 100 < refused < 900
