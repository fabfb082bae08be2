from pathlib import Path

from hclip_jax.demo.examples import NUM_EXAMPLES, write_examples
from hclip_jax.images.image_io import read_image
from hclip_jax.text.name_list import split_names


def test_examples_name_what_they_show(tmp_path: Path) -> None:
    rows = write_examples(tmp_path)
    assert len(rows) == NUM_EXAMPLES
    for path, class_names in rows:
        assert read_image(path).shape[2] == 3
        assert len(split_names(class_names, "class names")) >= 2
