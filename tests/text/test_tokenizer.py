import json
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.text.tokenizer import END, START, encode, tokenize

CASES = json.loads((Path(__file__).parents[1] / "parity" / "tokenizer.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case["text"][:20]))
def test_ids_equal_the_released_tokenizer(case):
    assert [START, *encode(case["text"]), END] == case["ids"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case["text"][:20]))
def test_ids_do_not_depend_on_case_or_surrounding_space(case):
    assert encode(f"  {case['text']}\n") == encode(case["text"].lower()) == encode(case["text"])


def test_every_byte_has_a_token():
    ids = encode(" ".join(chr(code) for code in range(0x21, 0x3000)))
    assert 0 <= min(ids) <= max(ids) < START


def test_special_tokens_in_a_text():
    assert encode("<|startoftext|> a <|EndOfText|>") == [START, *encode("a"), END]


def test_html_is_unescaped_twice():
    # With the "<", ftfy does not unescape the text itself.
    assert encode("< &amp;amp;") == encode("< &")


def test_words_and_digits_are_encoded_independently():
    assert encode("traffic light") == encode("traffic") + encode("light")
    assert encode("2026") == [i for digit in "2026" for i in encode(digit)]


def test_result_is_a_copy_of_the_cache():
    encode("traffic light").clear()
    assert len(encode("traffic light")) == 2


def test_rows_are_start_ids_end_and_zeros():
    rows = tokenize([case["text"] for case in CASES], context_length=16)
    assert rows.dtype == np.int32
    assert rows.shape == (len(CASES), 16)
    for row, case in zip(rows, CASES, strict=True):
        assert row.tolist() == case["ids"] + [0] * (16 - len(case["ids"]))


def test_context_length_is_the_maximum():
    assert tokenize(["cat " * 75], 77)[0, -1] == END
    with pytest.raises(UserError, match=r"'cat cat .* 78 tokens.*at most 77"):
        tokenize(["dog", "cat " * 76], 77)


def test_no_texts():
    assert tokenize([], 77).shape == (0, 77)
