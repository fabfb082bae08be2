"""Writes the PyTorch files of this folder, and checks that PyTorch can read a file of `write_torch`.

Not a test: run once, by hand, with torch (2.13.0), numpy, ml_dtypes and pillow installed:

    PYTHONPATH=. python tests/weights/files/make_torch_files.py
"""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch import nn

from hclip_jax.weights.torch_zip.writer import write_torch

FOLDER = Path(__file__).parent


class Block(nn.Module):
    """A linear layer and its scale."""

    def __init__(self) -> None:
        """Maps 3 to 2 features."""
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.scale = nn.Parameter(torch.randn(2).half())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the scaled output."""
        return self.linear(x) * self.scale


class Net(nn.Module):
    """A module with submodules, a buffer, a tied parameter and attributes that are not tensors."""

    sizes: list[int]
    notes: dict[str, float]

    def __init__(self) -> None:
        """Creates two blocks."""
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.blocks[1].scale = self.blocks[0].scale
        self.register_buffer("resolution", torch.tensor(224))
        self.sizes = [3, 2]
        self.notes = {"rate": 0.5}
        self.token = nn.Parameter(torch.randn(4, 3).T)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Applies all blocks to the same input."""
        for block in self.blocks:
            x = x + block(x).sum()
        return x + self.resolution + self.token.sum() + self.sizes[0] + self.notes["rate"]


def plain() -> OrderedDict[str, torch.Tensor]:
    """A state dict with every dtype and kind of view."""
    base = torch.randn(5, 4)
    tensors = OrderedDict(
        float32=torch.randn(2, 3),
        float16=torch.randn(3).half(),
        bfloat16=torch.randn(2, 2).bfloat16(),
        float64=torch.randn(2).double(),
        int64=torch.tensor([-1, 2**40]),
        int32=torch.tensor([[7]], dtype=torch.int32),
        int16=torch.tensor([-300], dtype=torch.int16),
        int8=torch.tensor([-8], dtype=torch.int8),
        uint8=torch.tensor([0, 255], dtype=torch.uint8),
        bool=torch.tensor([True, False, True]),
        scalar=torch.tensor(4.6),
        empty=torch.zeros(0, 3),
        transposed=torch.randn(3, 4).T,
        steps=torch.arange(24).reshape(2, 3, 4)[:, 1:, ::2].permute(2, 0, 1),
        base=base,
        rows=base[1:3],
        tied=base,
        parameter=nn.Parameter(torch.randn(2)),
    )
    vars(tensors)["_metadata"] = OrderedDict({"": {"version": 1}})  # as in a state_dict()
    return tensors


def training() -> dict[str, Any]:
    """A checkpoint in detectron2's format."""
    net = Block()
    optimizer = torch.optim.AdamW([{"params": [p], "lr": 0.1} for p in net.parameters()])
    net(torch.randn(3)).sum().backward()
    optimizer.step()
    trainer: dict[str, Any] = {"iteration": 5, "hooks": {"LRScheduler": {"base_lrs": [0.1], "last_epoch": 6}}}
    trainer["_trainer"] = {"iteration": 5, "optimizer": optimizer.state_dict()}
    return {"model": net.state_dict(), "trainer": trainer, "iteration": 5}


def written() -> dict[str, np.ndarray]:
    """Every dtype that `write_torch` supports, a tied name, a transposed tensor and an empty one."""
    values = np.arange(6).reshape(2, 3)
    dtypes = (np.float32, np.float16, ml_dtypes.bfloat16, np.float64, np.int64, np.int32, np.uint8, np.bool_)
    tensors = {f"layer.{np.dtype(dtype).name}": (values / 2).astype(dtype) for dtype in dtypes}
    scalar = np.array(-1.5, np.float32)
    return tensors | {"scalar": scalar, "tied": scalar, "empty": np.zeros((0, 3), np.int64), "é": values.T}


def numpy(tensor: torch.Tensor) -> np.ndarray:
    """The values of a tensor; bfloat16, which NumPy lacks, as float32."""
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def main() -> None:
    """Writes all files."""
    torch.manual_seed(0)
    expected: dict[str, Any] = {}

    torch.save(plain_tensors := plain(), FOLDER / "plain.pth")
    expected |= {f"plain/{name}": numpy(tensor) for name, tensor in plain_tensors.items()}

    torch.save(checkpoint := training(), FOLDER / "training.pth", pickle_protocol=4)
    expected |= {f"training/{name}": numpy(tensor) for name, tensor in checkpoint["model"].items()}

    net = torch.jit.script(Net())
    torch.jit.save(net, FOLDER / "scripted.pt")
    expected |= {f"scripted/{name}": numpy(tensor) for name, tensor in net.state_dict().items()}

    torch.save(net.state_dict(), FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)
    np.savez(FOLDER / "torch_files.npz", **expected)

    write_torch(FOLDER / "written.pth", written())
    for mmap in (False, True):
        content = torch.load(FOLDER / "written.pth", weights_only=True, mmap=mmap)
        assert type(content) is OrderedDict
        assert list(content) == list(written())
        for name, values in written().items():
            tensor = content[name]
            assert str(tensor.dtype) == f"torch.{values.dtype.name}"
            assert tuple(tensor.shape) == values.shape
            assert tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes() == values.tobytes(), name
            assert tensor.data_ptr() % 64 == 0 or not tensor.numel() or not mmap
        assert content["scalar"].data_ptr() == content["tied"].data_ptr()
    print("PyTorch", torch.__version__, "can read files of write_torch")


if __name__ == "__main__":
    main()
