"""Damaged videos: some frames, or a refusal in one sentence; never a warning."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.images.video import open_video
from tests.fuzz.mutate import mutations, outcome
from tests.video_files import write_video

pytest.importorskip("av", reason="PyAV is not installed (the extra video)")


def test_videos(tmp_path: Path) -> None:
    small = {"num_frames": 3, "size": (16, 16)}
    contents = [
        write_video(tmp_path / "a.mp4", **small).read_bytes(),
        write_video(tmp_path / "a.webm", codec="libvpx", **small).read_bytes(),
    ]
    path, refused = tmp_path / "clip.mp4", 0

    def read() -> list[np.ndarray]:
        with open_video(path, max_megapixels=0.1) as video:
            images = [frame.image for frame in itertools.islice(video.frames(), 10)]
            assert all(image.shape == (*video.size, 3) for image in images)
            assert video.problem.isprintable()
        return images

    for content in mutations(contents, 1000):
        path.write_bytes(content)
        refused += outcome(read) is None
    assert 50 < refused < 950
