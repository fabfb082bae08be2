import threading
import warnings
from pathlib import Path

from PIL import Image

from hclip_jax.images.image_io import read_image
from hclip_jax.images.quiet import quiet_pillow
from tests.fuzz.image_files import RGB, encoded, exif


def test_broken_exif_data_do_not_warn(tmp_path: Path) -> None:
    content = encoded(Image.fromarray(RGB), "JPEG", exif=exif(1))
    path = tmp_path / "photo.jpg"
    path.write_bytes(
        content.replace(b"\x01\x10\x00\x02\x00\x00\x00\x07", b"\x01\x10\x00\x02\x00\x00\xff\x07")
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read_image(path).shape == RGB.shape
        assert caught == []
        with Image.open(path) as image:  # the program's own use of Pillow still warns
            image.getexif()
        assert len(caught) > 0


def test_filters_are_restored_when_the_last_thread_leaves() -> None:
    before = list(warnings.filters)
    second_is_inside, first_has_left = threading.Event(), threading.Event()

    def second() -> None:
        with quiet_pillow():
            second_is_inside.set()
            first_has_left.wait(5)

    thread = threading.Thread(target=second)
    with quiet_pillow():
        thread.start()
        second_is_inside.wait(5)
    assert list(warnings.filters) != before
    first_has_left.set()
    thread.join()
    assert list(warnings.filters) == before
