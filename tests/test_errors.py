from hclip_jax.errors import some


def test_some_joins_up_to_three_items_and_counts_more() -> None:
    assert some([]) == ""
    assert some(iter("abc")) == "a, b, c"
    assert some("abcd") == "a, b, c, ... (4 in all)"
    assert some(map(str, range(1234))) == "0, 1, 2, ... (1,234 in all)"
