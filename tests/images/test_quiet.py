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


def test_a_filter_that_a_thread_left_behind_others_does_not_count() -> None:
    with quiet_pillow(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet_pillow():
            warnings.warn_explicit("broken", UserWarning, "x.py", 1, module="PIL.Image")
        assert caught == []


def test_filters_are_restored_when_the_last_thread_leaves() -> None:
    second_is_inside, first_has_left = threading.Event(), threading.Event()

    def second() -> None:
        with quiet_pillow():
            second_is_inside.set()
            first_has_left.wait(60)

    thread = threading.Thread(target=second)
    with warnings.catch_warnings():
        warnings.resetwarnings()  # those of other tests' threads
        with quiet_pillow():
            thread.start()
            second_is_inside.wait(60)
        assert warnings.filters
        first_has_left.set()
        thread.join()
        assert not warnings.filters
