"""Wrong values in the config.json beside a weights file are refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.hf_config import HfConfig
from hclip_jax.weights.open_checkpoint import open_checkpoint
from tests.weights.sample_files import FILES

TEXT = {"num_attention_heads": 1}
OPENCLIP_CONFIGS: tuple[dict[str, Any], ...] = (
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
HUGGINGFACE_CONFIGS: tuple[dict[str, Any], ...] = (
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
    ("name", "config"),
    [
        *(("open_clip", config) for config in OPENCLIP_CONFIGS),
        *(("huggingface", config) for config in HUGGINGFACE_CONFIGS),
    ],
)
def test_wrong_configs_are_refused(name: str, config: Any, tmp_path: Path) -> None:
    weights = next(path for path in (FILES / name).iterdir() if path.suffix == ".safetensors")
    (tmp_path / weights.name).write_bytes(weights.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError) as error:
        open_checkpoint(tmp_path)
    message = str(error.value)
    assert message.startswith(f"{tmp_path}")
    assert "config.json" in message
    assert message.isprintable()


def test_the_file_of_the_wrong_field_is_named(tmp_path: Path) -> None:
    for path in (FILES / "open_clip").iterdir():
        shutil.copy(path, tmp_path)
    config = {"model_cfg": {"text_cfg": {"heads": "two"}}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(
        UserError, match=r"of the open_clip_config.json .* give weights and open_clip_config.json"
    ):
        open_checkpoint(tmp_path)


def test_null_counts_as_absent() -> None:
    config = HfConfig({"text_config": None, "vision_config": {"hidden_act": None}}, "weights")
    assert config.count("text_config.num_attention_heads", 8) == 8
    assert config.choice("vision_config.hidden_act", "gelu", ("gelu",)) == "gelu"
    assert config.get("vision_config") == {"hidden_act": None}


def test_message_names_field_value_and_allowed_values() -> None:
    config = HfConfig({"text_config": {"num_attention_heads": "two"}}, "weights.pt")
    with pytest.raises(UserError) as error:
        config.count("text_config.num_attention_heads", 8)
    assert str(error.value).startswith(
        "weights.pt: text_config.num_attention_heads of the config.json beside it is 'two'; it must be a"
    )
