import os

from hclip_jax.errors import one_line, some


def test_some_joins_up_to_three_items_and_counts_more() -> None:
    assert some([]) == ""
    assert some(iter("abc")) == "a, b, c"
    assert some("abcd") == "a, b, c, ... (4 in all)"
    assert some(map(str, range(1234))) == "0, 1, 2, ... (1,234 in all)"


def test_one_line_is_printable_and_short() -> None:
    assert one_line("Größe 日本 [red]:cat:") == "Größe 日本 [red]:cat:"
    assert one_line("a\nb\x1b[31m" + os.fsdecode(b"\xff")) == r"a\nb\x1b[31m\udcff"
    assert one_line("x" * 500) == "x" * 500
    assert one_line("a" * 300 + "b" * 300, 200) == "a" * 100 + " ... " + "b" * 100
