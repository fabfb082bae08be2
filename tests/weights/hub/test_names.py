"""Names of models on the Hub."""

import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.hub.names import HubName, is_hub_name, parse_hub_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hf:me/tiny", HubName("model", "me/tiny")),
        ("hf:me/tiny/", HubName("model", "me/tiny")),
        ("hf:models/me/tiny.v2", HubName("model", "me/tiny.v2")),
        ("hf:me/tiny@v1.0", HubName("model", "me/tiny", "v1.0")),
        ("hf:me/tiny@refs/pr/3/a/b.pth", HubName("model", "me/tiny", "refs/pr/3", "a/b.pth")),
        ("hf:spaces/you/CAT-Seg/base.pth", HubName("space", "you/CAT-Seg", "", "base.pth")),
        ("hf://spaces/a/b@c0ffee/d e.bin", HubName("space", "a/b", "c0ffee", "d e.bin")),
    ],
)
def test_names_are_parsed(text: str, name: HubName) -> None:
    assert is_hub_name(text)
    assert parse_hub_name(text) == name
    assert parse_hub_name(str(name)) == name


@pytest.mark.parametrize(
    "text",
    [
        "hf:",
        "hf:tiny",
        "hf:spaces/tiny",
        "hf:datasets/me/tiny",
        "hf:me/tiny@",
        "hf:me/tiny/../x",
        "hf:me/tiny/a//b",
        "hf:me/tiny/x@main",
        "hf:me/ti ny",
        "hf:.me/tiny",
        "hf:me/tiny\n",
        "hf:me/tiny/x\x1b[0m",
        "hf:me\\tiny",
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(
        UserError, match=r"is not the name of a model on the Hugging Face Hub; give hf:OWNER/"
    ) as error:
        parse_hub_name(text)
    assert str(error.value).isprintable()


def test_paths_are_no_names() -> None:
    assert not any(map(is_hub_name, ("me/tiny", "./hf:me/tiny", "https://hf.co/me/tiny", "")))
