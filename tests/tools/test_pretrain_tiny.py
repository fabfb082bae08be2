from pathlib import Path

import numpy as np
import pytest

from hclip_jax.tools.pretrain_tiny import main
from hclip_jax.weights.model_directory import load_model
from tests.tools.calling import Capture, refuse, succeed


@pytest.mark.slow
def test_target_is_a_clip_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("hclip_jax.pretraining.train._NUM_EVAL_IMAGES", 2)
    config = tmp_path / "micro.py"
    config.write_text("from tests.small_models import micro_dict as get_config\n")
    target = tmp_path / "clip"
    flags = (f"--config={config}", "--num_train_steps=2", "--batch_size=4", "--num_workers=0")
    assert succeed(main, target, *flags, capture=capsys).endswith(" parameters\n")
    model = load_model(target)
    assert model.parts == ("clip",)
    assert {array.dtype for array in model.params.values()} == {np.dtype(np.float16)}
    assert "exists" in refuse(main, target, *flags, capture=capsys)
