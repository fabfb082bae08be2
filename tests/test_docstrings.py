"""The examples in the docstrings of the public API run and print what they say."""

import doctest
import importlib

import jax
import pytest

MODULES = {
    "hclip_jax.adapters.methods": {"adapt", "make_method"},
    "hclip_jax.models.hclip": {"Model"},
    "hclip_jax.segmenter": {"Segmenter"},
}


@pytest.mark.parametrize(("name", "documented"), MODULES.items())
def test_examples(name: str, documented: set[str]) -> None:
    module = importlib.import_module(name)
    examples = [test for test in doctest.DocTestFinder().find(module, name) if test.examples]
    assert {test.name.removeprefix(f"{name}.") for test in examples} >= documented
    # Users do not have the strict modes of the tests.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for test in examples:
            result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
            assert result.failed == 0, test.name
