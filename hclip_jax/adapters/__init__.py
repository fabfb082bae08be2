"""Tuning methods: differentiable maps from CLIP weights to CLIP weights. No model is imported here.

methods    every method behind one signature: init(rng, clip) -> adapters, apply(clip, adapters) -> clip
hclip      the paper: POP, DCRC and the Cayley map
oft, boft  block-diagonal rotations, and products of them
lora       an added matrix of low rank
finetune   nothing, attention kernels, or whole towers fine-tuned

targets    selects the attention matrices that a method changes
cayley     free blocks -> orthogonal blocks
relations  mixes blocks across layers and towers (DCRC)
rotate     blocks, kernels -> rotated kernels (POP)
energy     the hyperspherical energy that orthogonal rotations keep
"""

from hclip_jax.adapters.methods import AdapterMethod, adapt, make_method

__all__ = ["AdapterMethod", "adapt", "make_method"]
