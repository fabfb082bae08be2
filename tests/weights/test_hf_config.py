"""The config.json beside a file of weights is not believed blindly."""

import json
from pathlib import Path
from typing import Any

import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.open_checkpoint import open_checkpoint
from tests.weights.sample_files import FILES

TEXT = {"num_attention_heads": 1}
OPENCLIP_SETTINGS: tuple[dict[str, Any], ...] = (
    *({"model_cfg": value} for value in (3, [1], "x", True)),
    *({"model_cfg": {"vision_cfg": value, "text_cfg": {"heads": 2}}} for value in (3, "x")),
    *({"model_cfg": {"text_cfg": value}} for value in (3, "x", [])),
    *({"model_cfg": {"text_cfg": {"heads": value}}} for value in ("two", [2], -2, 0, 3, 2.5, 1e400, True)),
    *(
        {"model_cfg": {"vision_cfg": {"head_width": value}, "text_cfg": {"heads": 2}}}
        for value in (0, "x", -4, 9, 10**30)
    ),
    {"model_cfg": {"quick_gelu": "no"}},
    {"model_cfg": {"text_cfg": {"hf_tokenizer_name": "facebook/xlm-v-base"}}},
)
HUGGINGFACE_SETTINGS: tuple[dict[str, Any], ...] = (
    {"model_type": "siglip"},
    *({"model_type": "clip", "vision_config": value} for value in (3, "x", [1])),
    *(
        {"model_type": "clip", "vision_config": {"num_attention_heads": value}, "text_config": TEXT}
        for value in ("x", 0, -1, 3, [1], "\n" * 5000)
    ),
    *(
        {"model_type": "clip", "vision_config": {"hidden_act": value, **TEXT}, "text_config": TEXT}
        for value in ("relu", 3, ["gelu"], "gelu")
    ),
)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *(("open_clip", settings) for settings in OPENCLIP_SETTINGS),
        *(("huggingface", settings) for settings in HUGGINGFACE_SETTINGS),
    ],
)
def test_settings_that_are_not_as_they_should_be(name: str, settings: Any, tmp_path: Path) -> None:
    weights = next(path for path in (FILES / name).iterdir() if path.suffix == ".safetensors")
    (tmp_path / weights.name).write_bytes(weights.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError) as error:
        open_checkpoint(tmp_path)
    message = str(error.value)
    assert message.startswith(f"{tmp_path}")
    assert "config.json" in message
    assert message.isprintable()
