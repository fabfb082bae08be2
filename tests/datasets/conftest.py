"""Made-up data sets in the official layouts, and the labels that the published scripts made of them.

official_samples.zip holds both, its README and the script that wrote it.
"""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.datasets.cityscapes import make_cityscapes

SAMPLES = Path(__file__).parent / "official_samples.zip"


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked archive; not to be changed."""
    folder = tmp_path_factory.mktemp("official_samples")
    with zipfile.ZipFile(SAMPLES) as archive:
        archive.extractall(folder)
    make_cityscapes(folder / "synthetic/cityscapes")
    return folder


@pytest.fixture(scope="session")
def official(samples: Path) -> Path:
    """A source with all data sets; not to be changed."""
    return samples / "synthetic"


@pytest.fixture
def copy(official: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies the folder of a data set to a source of its own, and returns the copied folder."""

    def copied(name: str) -> Path:
        return Path(shutil.copytree(official / name, tmp_path / "source" / name))

    return copied


@pytest.fixture(scope="session")
def expected(samples: Path) -> dict[str, np.ndarray]:
    """Labels of the published scripts by KEY/SPLIT/NAME."""
    cityscapes = make_cityscapes(samples / "again")  # the same labels
    with np.load(samples / "expected/synthetic.npz") as arrays:
        return {**arrays, **{f"cityscapes_19/{name}": label for name, label in cityscapes.items()}}


def change_label(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Replaces the stored values of a grey PNG."""
    with Image.open(path) as image:
        pixels = np.array(image)
    Image.fromarray(change(pixels).astype(np.uint8)).save(path)
