"""Values of the global names and persistent ids in PyTorch's pickles: storages, tensors and plain data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from hclip_jax.errors import printable
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.torch_zip.pickle_vm import Function, Module, Opaque, Refused, short_text
from hclip_jax.weights.torch_zip.strided_view import strided_view

STORAGES: dict[str, np.dtype] = {
    "torch.FloatStorage": np.dtype(np.float32),
    "torch.HalfStorage": np.dtype(np.float16),
    "torch.BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "torch.DoubleStorage": np.dtype(np.float64),
    "torch.LongStorage": np.dtype(np.int64),
    "torch.IntStorage": np.dtype(np.int32),
    "torch.ShortStorage": np.dtype(np.int16),
    "torch.CharStorage": np.dtype(np.int8),
    "torch.ByteStorage": np.dtype(np.uint8),
    "torch.BoolStorage": np.dtype(np.bool_),
}
# Functions whose first argument is already the data.
_WRAPPERS = (
    "torch.Size",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch.jit._pickle.build_intlist",
    "torch.jit._pickle.build_doublelist",
    "torch.jit._pickle.build_boollist",
    "torch.jit._pickle.build_tensorlist",
    "torch.jit._pickle.restore_type_tag",
)
_MAX_TENSORS = 100_000
_MAX_OVERLAP = 8  # bytes of all different views for each byte of the file; without overlap it is below 1
_OVERLAP_OF_SMALL_FILES = 2**20  # bytes


@dataclass(frozen=True)
class Storage:
    """A flat array in an entry of the archive; `read` takes the first byte and the one after the last."""

    key: str
    dtype: np.dtype
    numel: int
    read: Callable[[int, int], bytes]


class TorchObjects:
    """Resolves the global names and persistent ids of one archive, for `run_pickle`."""

    def __init__(
        self,
        open_storage: Callable[[str, int], Callable[[int, int], bytes]],
        is_torchscript: bool,
        size: int,
    ) -> None:
        """Resolves the names of one archive.

        Args:
            open_storage: maps key and size in bytes of a storage to a function that reads a part of it;
                raises ValueError if the archive has no such storage of that size.
            is_torchscript: whether the archive is TorchScript, whose own classes become `Module`.
            size: bytes of the archive.
        """
        self._open_storage = open_storage
        self._is_torchscript = is_torchscript
        self._bytes_left = _MAX_OVERLAP * size + _OVERLAP_OF_SMALL_FILES
        self._tensors: dict[tuple, LazyArray] = {}
        self._globals: dict[str, Any] = dict(STORAGES)
        self._globals |= {name: Function(name, lambda arguments: arguments[0]) for name in _WRAPPERS}
        for name, call in (
            ("collections.OrderedDict", self._ordered_dict),
            ("torch._utils._rebuild_tensor_v2", self._tensor),
        ):
            self._globals[name] = Function(name, call)

    def find(self, name: str) -> Any:
        """The value of a dotted global name; `Opaque` if weights do not need it."""
        if self._is_torchscript and name.startswith("__torch__."):
            return Module
        return self._globals.get(name) or Opaque(printable(name))

    def storage(self, identity: Any) -> Storage:
        """The storage of a persistent id ("storage", type, key, device, numel).

        Raises:
            ValueError: the id is no such tuple, or the archive has no such storage.
        """
        match identity if type(identity) is tuple and len(identity) <= 6 else ():
            # PyTorch 1.4 and 1.5 append None.
            case (str(kind), np.dtype() as dtype, str(key), str(), int(numel), *rest) if rest in ([], [None]):
                if kind == "storage":
                    read = self._open_storage(short_text(key), numel * dtype.itemsize)
                    return Storage(key, dtype, numel, read)
        raise ValueError("its pickle refers to something that is not a storage")

    def _ordered_dict(self, arguments: tuple) -> dict:
        if arguments:
            raise ValueError("its pickle fills an OrderedDict in a way that PyTorch does not")
        return {}

    def _tensor(self, arguments: tuple) -> LazyArray:
        match arguments:
            case (Storage() as storage, int(offset), tuple(shape), tuple(strides), bool(), _):
                pass
            case _:
                raise ValueError("its pickle describes a tensor in a way that PyTorch does not")
        view = strided_view(storage.read, storage.dtype, storage.numel, offset, shape, strides)
        # Names of one tensor share one object, so that the writer stores it once.
        tensor = self._tensors.setdefault((storage.key, storage.dtype, offset, shape, strides), view.array)
        if tensor is view.array:
            self._bytes_left -= view.num_bytes
        if len(self._tensors) > _MAX_TENSORS:
            raise Refused(f"holds more than {_MAX_TENSORS} tensors, which no weights do")
        if self._bytes_left < 0:
            raise Refused(
                f"has tensors of more than {_MAX_OVERLAP} times its size, which lie over each other as those "
                f"of no model do; save clones of them"
            )
        return tensor
