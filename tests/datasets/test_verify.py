from pathlib import Path

import pytest

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.dataset import FileError, Files, Listing
from hclip_jax.datasets.verify import check_split, incomplete, join_refusals
from hclip_jax.errors import UserError

ADE = CATALOGUE["ade20k_150"]
NAMES = [f"ADE_val_{number:08d}" for number in range(1, 2001)]


def listing(names: list[str], missing: list[str]) -> Listing:
    return Listing([Files(name, Path(), None) for name in names], missing)


def test_a_complete_split() -> None:
    state = check_split(ADE, "val", listing(NAMES, []))
    assert state == (2000, 2000, "same", ())


def test_missing_images_are_named() -> None:
    missing = [NAMES[16], NAMES[17]]
    state = check_split(ADE, "val", listing([name for name in NAMES if name not in missing], missing))
    assert (state.num_found, state.digest) == (1998, "differs")
    assert incomplete(ADE, {"val": state}) == (
        "ade20k_150: 1,998 of 2,000 validation images; missing ADE_val_00000017, ADE_val_00000018: unpack "
        "ADEChallengeData2016.zip (sha1 219e1696abb36c8ba3a3afe7fb2f4b4606a897c7) again, or give --partial "
        "to prepare what is there (its figures are not comparable, and every report will say so)"
    )


def test_other_files_beside_a_complete_split() -> None:
    assert not check_split(ADE, "val", listing(NAMES, ["holiday.png"])).problems
    coco = CATALOGUE["coco_stuff_171"]
    names = [f"{number:012d}" for number in range(5000)]
    assert not check_split(coco, "val", listing(names, ["999999999999.png"])).problems
    (problem, missing) = check_split(coco, "val", listing(names[1:], ["999999999999.png"])).problems
    assert (problem, missing) == ("4,999 of 5,000 validation images", "missing 999999999999.png")


def test_as_many_images_of_another_list() -> None:
    (problem,) = check_split(ADE, "val", listing([*NAMES[:-1], "ADE_val_00002001"], [])).problems
    assert problem.startswith(
        "its list of names is not the official one (sha256 of the sorted names is not 3"
    )


def test_only_optional_splits_may_be_absent() -> None:
    assert not check_split(ADE, "train", None).problems
    assert check_split(ADE, "val", None).problems == ("no val images",)


def test_refusals_of_one_reason_are_one_sentence() -> None:
    wrong = [FileError(f"{name}.png holds 183", "but ids end at 181") for name in "abcd"]
    assert join_refusals([wrong[0]]) == "a.png holds 183, but ids end at 181"
    assert join_refusals([*wrong, UserError("e.png is empty")]) == (
        "a.png holds 183, b.png holds 183, c.png holds 183, ... (4 in all), but ids end at 181; "
        "e.png is empty"
    )
    assert join_refusals(wrong * 250).endswith("(and perhaps more)")


@pytest.mark.parametrize("reason", ["", "but so"])
def test_refusals_can_be_pickled(reason: str) -> None:
    import pickle

    error = pickle.loads(pickle.dumps(FileError("a", reason)))
    assert (error.item, error.reason, str(error)) == ("a", reason, f"a, {reason}" if reason else "a")
