"""The small weight files of tests/weights/files, unpacked to a temporary folder."""

import tarfile
import tempfile
from pathlib import Path

_folder = tempfile.TemporaryDirectory(prefix="hclip_jax_files_")
FILES = Path(_folder.name)

with tarfile.open(Path(__file__).parent / "files" / "files.tar.xz") as archive:
    archive.extractall(FILES, filter="data")
