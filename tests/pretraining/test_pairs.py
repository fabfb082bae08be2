import numpy as np

from hclip_jax.pretraining.pairs import eval_pairs, train_pairs
from hclip_jax.text import tokenizer


def test_train_pairs_are_a_function_of_the_seed() -> None:
    streams = [
        train_pairs(batch_size=2, image_size=32, context_length=48, seed=3, num_workers=0) for _ in range(2)
    ]
    (first, second), (repeated, _) = ([next(stream) for _ in range(2)] for stream in streams)
    for stream in streams:
        stream.close()
    assert first["image"].shape == (2, 32, 32, 3)
    assert first["tokens"].shape == (2, 48)
    for name in ("image", "tokens"):
        np.testing.assert_array_equal(first[name], repeated[name])
        assert (first[name] != second[name]).any()


def test_eval_pairs_are_a_prefix_of_the_test_split() -> None:
    pairs, more = eval_pairs(2, 32, 48), eval_pairs(3, 32, 48)
    assert (pairs["image"].shape, pairs["image"].dtype) == ((2, 32, 32, 3), np.uint8)
    assert (pairs["tokens"].shape, pairs["tokens"].dtype) == ((2, 48), np.int32)
    assert (pairs["tokens"][:, 0] == tokenizer.START).all()
    np.testing.assert_array_equal(pairs["image"], more["image"][:2])
    np.testing.assert_array_equal(pairs["tokens"], more["tokens"][:2])
