import numpy as np
import pytest

from hclip_jax.data.rle import decode_mask, encode_mask


def encode(runs: list[int]) -> str:
    """The inverse of the string form, by its definition."""
    text = ""
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        while True:
            group, value = value & 31, value >> 5
            more = value != (-1 if group & 16 else 0)
            text += chr(48 + group + 32 * more)
            if not more:
                break
    return text


def runs_of(mask: np.ndarray) -> list[int]:
    values = np.concatenate([[False], mask.T.ravel()])
    changes = np.flatnonzero(values[1:] != values[:-1])
    return np.diff([0, *changes, mask.size]).tolist()


def test_a_string_that_pycocotools_wrote() -> None:
    mask = decode_mask(f"11n{'0' * 82}O", 31, 42)
    np.testing.assert_array_equal(mask, (np.arange(31) == 1)[:, None] & (np.arange(42) < 42))
    assert encode_mask(mask) == f"11n{'0' * 82}O"


def test_a_disc_as_pycocotools_encodes_it() -> None:
    rows, columns = np.mgrid[:40, :50]
    text = "j`05P16K4M2N2N2O0O2O000O2O00000001N10001N101N2N2N3L5Ja>"
    assert encode_mask((rows - 20) ** 2 + (columns - 25) ** 2 < 150) == text


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((3, 4), bool),
        np.ones((3, 4), bool),
        np.eye(5, 7, dtype=bool),
        np.arange(40).reshape(1, 40) % 3 == 0,
        np.arange(4000).reshape(2000, 2) < 1500,  # runs over 2^10
    ],
)
def test_round_trip(mask: np.ndarray) -> None:
    for counts in (encode(runs_of(mask)), runs_of(mask)):
        np.testing.assert_array_equal(decode_mask(counts, *mask.shape), mask)
    assert encode_mask(mask) == encode(runs_of(mask))


def test_random_masks() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        mask = rng.random(rng.integers(1, 60, 2)) < rng.random()
        np.testing.assert_array_equal(decode_mask(encode(runs_of(mask)), *mask.shape), mask)


@pytest.mark.parametrize("counts", ["", "1", [13], [-1, 13], "\x7f", "5P", [6, 5]])
def test_broken_runs_are_refused(counts: str | list[int]) -> None:
    with pytest.raises(ValueError, match="its runs"):
        decode_mask(counts, 3, 4)
