from pathlib import Path

import pytest

from hclip_jax.data.image_names import unique_names


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (["a.png", "x/b.c.jpg"], ["a", "b.c"]),
        (["t/ulm/0.png", "t/bonn/0.png"], ["ulm-0", "bonn-0"]),
        (["x/y-z.png", "x-y/z.png", "x/z.png"], ["x-y-z-0", "x-y-z-1", "x-z-2"]),
        (["/a/0.png", "b/0.png"], None),
    ],
)
def test_names_are_stems_with_as_many_folders_as_tell_them_apart(
    images: list[str], names: list[str] | None
) -> None:
    found = unique_names([Path(image) for image in images])
    assert len(set(found)) == len(images)
    assert names is None or found == names
