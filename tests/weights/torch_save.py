"""Writes checkpoints as torch.save does, whatever lies beside the tensors, without PyTorch."""

import collections
import io
import pickle
import sys
import types
import zipfile
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from hclip_jax.weights.lazy_array import LazyArray


class FloatStorage:
    """The name torch.FloatStorage."""


def _rebuild_tensor_v2() -> None:
    """The name torch._utils._rebuild_tensor_v2."""


def _rebuild_qtensor() -> None:
    """The name torch._utils._rebuild_qtensor."""


FloatStorage.__module__ = "torch"
_rebuild_tensor_v2.__module__ = _rebuild_qtensor.__module__ = "torch._utils"
_MODULES = {
    "torch": types.SimpleNamespace(FloatStorage=FloatStorage),
    "torch._utils": types.SimpleNamespace(
        _rebuild_tensor_v2=_rebuild_tensor_v2, _rebuild_qtensor=_rebuild_qtensor
    ),
}


class _Storage(NamedTuple):
    key: str
    size: int


class Quantized:
    """A tensor that PyTorch rebuilds by another function."""


class _Pickler(pickle.Pickler):
    """Pickles `LazyArray` as tensors of float32."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=2)
        self.storages: dict[int, np.ndarray] = {}
        self._alive: list[Any] = []  # so that no id is used twice

    def persistent_id(self, obj: Any) -> Any:
        return ("storage", FloatStorage, obj.key, "cpu", obj.size) if type(obj) is _Storage else None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Quantized):
            return _rebuild_qtensor, (self._storage(np.zeros(1)), 0, (1,), (1,))
        if not isinstance(obj, LazyArray):
            return NotImplemented
        self._alive.append(obj)
        strides = tuple(int(np.prod(obj.shape[i + 1 :])) for i in range(len(obj.shape)))
        storage = self._storage(np.asarray(obj))
        return _rebuild_tensor_v2, (storage, 0, obj.shape, strides, False, collections.OrderedDict())

    def _storage(self, array: np.ndarray) -> _Storage:
        self.storages[len(self.storages)] = array.astype("<f4")
        return _Storage(str(len(self.storages) - 1), array.size)


def torch_save(path: Path, content: Any) -> Path:
    """Writes nested dicts with `LazyArray`s and any other objects; returns `path`."""
    buffer = io.BytesIO()
    with mock.patch.dict(sys.modules, _MODULES):
        pickler = _Pickler(buffer)
        pickler.dump(content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", buffer.getvalue())
        for key, array in pickler.storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
    return path
