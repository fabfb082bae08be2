import pytest

from hclip_jax.data.named_ids import named_ids
from hclip_jax.errors import UserError


def test_the_order_of_the_names_without_void() -> None:
    assert named_ids(["sky", "void", "tree"], "map") == (("sky", "tree"), [0, -1, 1])


def test_a_class_list_decides_by_name_or_synonym() -> None:
    names = ("tree, plant", "Traffic Light", "plant")
    assert named_ids(["traffic_light", "tree", "plant", "void"], "map", names) == (names, [1, 0, 2, -1])
    assert named_ids(["void"], "map", ("a", "void"))[1] == [1]


def test_a_name_that_the_class_list_lacks() -> None:
    with pytest.raises(UserError, match=r"map has the name 'car', which is in no line of the class list"):
        named_ids(["sky", "car"], "map", ("sky",))
    assert named_ids(["sky", "car"], "map", ("sky",), [True, False])[1] == [0, -1]


def test_names_that_cannot_name_a_class() -> None:
    with pytest.raises(UserError, match="are both 'sky'"):
        named_ids(["sky", "sky"], "map")
    with pytest.raises(UserError, match="holds no class names"):
        named_ids(["void"], "map")
