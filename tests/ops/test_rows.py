import jax
import pytest

from hclip_jax.ops import backend
from hclip_jax.ops.rows import matmul_over_rows, sum_over_rows
from tests import tolerance


@pytest.mark.parametrize("on_cpu", [True, False])
@pytest.mark.parametrize(("rows", "d", "f"), [(6, 2, 5), (6, 5, 2), (7, 3, 3), (1, 1, 1)])
def test_products_and_sums_over_rows(
    rows: int, d: int, f: int, on_cpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "on_cpu", lambda: on_cpu)
    x, y = (jax.random.normal(jax.random.key(n), (rows, n)) for n in (d, f))
    tolerance.assert_close(matmul_over_rows(x, y), x.T @ y, atol=1e-5)
    tolerance.assert_close(sum_over_rows(x), x.sum(0), atol=1e-5)
