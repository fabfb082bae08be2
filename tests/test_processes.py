import numpy as np
import pytest

from hclip_jax import processes


def test_a_single_process():
    assert (processes.index(), processes.count(), processes.is_primary()) == (0, 1, True)
    processes.barrier("here")
    processes.agree(version="1")
    processes.progress()
    processes.announce_stop(15)
    values = np.array([2**40, 1])
    assert processes.total(values) is values
    with pytest.raises(ZeroDivisionError), processes.failing_together():
        _ = 1 / 0
