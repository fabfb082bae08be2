"""The examples in docstrings run and give what they say."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module", ["hclip_jax.adapters.methods", "hclip_jax.models.hclip", "hclip_jax.segmenter"]
)
def test_the_examples_of_a_module(module: str) -> None:
    results = doctest.testmod(importlib.import_module(module))
    assert results.attempted, f"{module} has no example"
    assert not results.failed
