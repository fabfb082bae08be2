import numpy as np

from hclip_jax.config.schema import ImageTower
from hclip_jax.data.scenes.label_sets import STUFF
from hclip_jax.data.scenes.phrases import NUM_THINGS
from hclip_jax.pretraining.regions import MIXED, PHRASES_PER_IMAGE, _resized, eval_regions, train_regions
from hclip_jax.text import tokenizer

TOWER = ImageTower(num_layers=1, width=8, num_heads=1, mlp_ratio=4.0, patch_size=8, image_size=32)


def test_batches_are_a_function_of_the_seed_and_name_visible_things() -> None:
    streams = [train_regions(batch_size=3, tower=TOWER, seed=3, num_workers=0) for _ in range(2)]
    (first, second), (repeated, _) = ([next(stream) for _ in range(2)] for stream in streams)
    for stream in streams:
        stream.close()
    assert (first["image"].shape, first["image"].dtype) == ((3, 32, 32, 3), np.uint8)
    assert first["things"].shape == (3, 4, 4)
    assert (first["tokens"][..., 0] == tokenizer.START).all()
    assert first["named"].shape == (3, PHRASES_PER_IMAGE, NUM_THINGS)
    for name in ("image", "things", "tokens", "named"):
        np.testing.assert_array_equal(first[name], repeated[name])
        assert (first[name] != second[name]).any()
    for things, named in zip(first["things"], first["named"], strict=True):
        assert named[:, np.unique(things[things != MIXED])].any(axis=1).all()


def test_a_patch_shows_the_thing_that_covers_it() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    things = np.zeros((32, 32), np.int32)
    things[:, 8:13] = 1  # five of eight columns of the second patches
    things[:, 16:20] = 2  # half of the third
    image[things == 1] = 255
    pixels, shown = _resized(image, things, (0, 0, 32, 32), TOWER)
    np.testing.assert_array_equal(pixels, image)
    np.testing.assert_array_equal(shown, [[0, 1, MIXED, 0]] * 4)
    _, shown = _resized(image, things, (8, 0, 12, 4), TOWER)
    assert (shown == 1).all()


def test_evaluation_shows_whole_scenes_of_the_test_split() -> None:
    (images, things), (more, _) = eval_regions(2, TOWER), eval_regions(3, TOWER)
    np.testing.assert_array_equal(images, more[:2])
    assert all(np.intersect1d(grid, np.arange(len(STUFF))).size for grid in things)
