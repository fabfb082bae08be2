import os

import pytest

from hclip_jax import runtime
from hclip_jax.io import cache

YNN = "--xla_cpu_experimental_ynn_fusion_type"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "")  # so that what prepare() sets is undone
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    monkeypatch.setenv(cache.VARIABLE, "/kept")


@pytest.mark.parametrize(
    ("before", "after"),
    [("", f"{YNN}="), ("--xla_dump_to=x", f"--xla_dump_to=x {YNN}="), (f"{YNN}=reduce", f"{YNN}=reduce")],
)
def test_the_flag_is_added_unless_the_user_set_it(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    monkeypatch.setenv("XLA_FLAGS", before)
    runtime.prepare()
    runtime.prepare()
    assert os.environ["XLA_FLAGS"] == after


def test_programs_are_kept_unless_the_user_says_where_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.prepare()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == ""
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setenv(cache.VARIABLE, "")
    runtime.prepare()
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    monkeypatch.setenv(cache.VARIABLE, "/kept")
    runtime.prepare()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "/kept/programs"
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
