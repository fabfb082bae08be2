import os
import time
from pathlib import Path

from hclip_jax.demo.retention import KEPT_SECONDS, new_answer_folder, remove_old_answers


def test_answers_are_kept_for_an_hour_and_other_files_stay(tmp_path: Path) -> None:
    old, new = new_answer_folder(tmp_path), new_answer_folder(tmp_path)
    example = tmp_path / "scene_0.png"
    for path in (old / "a.png", new / "b.png", example):
        path.touch()
    for path in (old, example):
        os.utime(path, (time.time() - KEPT_SECONDS - 60,) * 2)
    remove_old_answers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([new, example])
