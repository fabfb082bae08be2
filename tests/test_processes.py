import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hclip_jax import processes


def test_bytes_of_any_length_reach_every_process(monkeypatch: pytest.MonkeyPatch):
    contents = [b"counts", b"", b"\x00\xff of process 2"]
    own, met, arrays = threading.local(), threading.Barrier(3), [np.zeros(0)] * 3

    def allgather(array: np.ndarray) -> np.ndarray:
        arrays[own.index] = array
        met.wait()
        stacked = np.stack(arrays)
        met.wait()
        return stacked

    def gather(index: int) -> list[bytes]:
        own.index = index
        return processes.gather(contents[index])

    monkeypatch.setattr("jax.experimental.multihost_utils.process_allgather", allgather)
    monkeypatch.setattr(processes, "count", lambda: 3)
    monkeypatch.setattr(processes, "index", lambda: own.index)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(gather, range(3))) == [contents] * 3


def test_a_single_process():
    assert (processes.index(), processes.count(), processes.is_primary()) == (0, 1, True)
    processes.barrier("here")
    processes.agree(version="1")
    processes.progress()
    processes.announce_stop(15)
    values = np.array([2**40, 1])
    assert processes.total(values) is values
    assert processes.gather(b"counts") == [b"counts"]
    with pytest.raises(ZeroDivisionError), processes.failing_together():
        _ = 1 / 0
