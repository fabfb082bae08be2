"""Makes numbers.npz: what huggingface/peft's own layers make of the weight of a small linear layer.

    pip install torch peft==0.21.2
    python tests/adapters/peft/make_numbers.py

Each case holds the adapter's parameters as peft names them, drawn at random, and the merged weight [out, in];
the weight before is `weight`. All is float64 but for BOFT, whose permutations peft makes in float32.

Without a GPU peft's BOFT falls back to one factor, as the kernel that builds its block-diagonal matrices is
CUDA; here torch.block_diag takes its place, by the two names under which the layer asks for it.
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import peft
import torch
from peft.tuners.boft import layer as boft_layer

VERSION = "0.21.2"
WIDTH, BLOCK = 16, 4


def block_diagonals(blocks: torch.Tensor) -> list[torch.Tensor]:
    """[N, M, b, b] -> [[N, M b, M b]], as the CUDA kernel."""
    return [torch.stack([torch.block_diag(*own) for own in blocks])]


def merged(config: peft.PeftConfig, dtype: torch.dtype) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The parameters of a random adapter and the weight that it is merged into."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(WIDTH, WIDTH)).to(dtype)
    with torch.no_grad():
        model[0].weight.copy_(torch.from_numpy(WEIGHT))
    model = peft.get_peft_model(model, config).to(dtype)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for name, p in parameters.items():
            if "boft_s" not in name:  # the scale of the outputs stays 1
                p.copy_(torch.from_numpy(0.2 * rng.standard_normal(tuple(p.shape))))
    values = {name.split(".")[3]: p.detach().numpy().copy() for name, p in parameters.items()}
    x = torch.from_numpy(rng.standard_normal((5, WIDTH))).to(dtype)
    before = model(x)
    whole = model.merge_and_unload()
    torch.testing.assert_close(whole(x), before)  # peft's own two ways agree
    return values, whole[0].weight.detach().numpy()


def main() -> None:
    """Writes the file beside this one."""
    assert peft.__version__ == VERSION, f"peft is {peft.__version__}, but this is written for {VERSION}"
    boft_layer.get_fbd_cuda = lambda: SimpleNamespace(forward=block_diagonals)
    oft = {"target_modules": ["0"], "r": 0, "oft_block_size": BLOCK}
    boft = {"target_modules": ["0"], "boft_block_size": BLOCK}
    cases = {
        "oft_neumann": peft.OFTConfig(**oft, use_cayley_neumann=True, num_cayley_neumann_terms=6),
        "oft_exact": peft.OFTConfig(**oft, use_cayley_neumann=False),
        "oft_coft": peft.OFTConfig(**oft, use_cayley_neumann=False, coft=True, eps=0.5),
        "boft_1": peft.BOFTConfig(**boft, boft_n_butterfly_factor=1),
        "boft_2": peft.BOFTConfig(**boft, boft_n_butterfly_factor=2),
        "boft_3": peft.BOFTConfig(**boft, boft_n_butterfly_factor=3),
        "lora": peft.LoraConfig(target_modules=["0"], r=3, lora_alpha=6),
    }
    numbers: dict[str, np.ndarray] = {"weight": WEIGHT, "peft": np.array(peft.__version__)}
    for name, config in cases.items():
        dtype = torch.float32 if name.startswith("boft") else torch.float64
        values, after = merged(config, dtype)
        numbers |= {f"{name}/{parameter}": value for parameter, value in values.items()}
        numbers[f"{name}/merged"] = after
    np.savez_compressed(Path(__file__).parent / "numbers.npz", allow_pickle=False, **numbers)


WEIGHT = np.random.default_rng(0).standard_normal((WIDTH, WIDTH))

if __name__ == "__main__":
    main()
