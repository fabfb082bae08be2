"""Tuning: a differentiable map from CLIP weights to CLIP weights.

tuning     every method behind one signature: init(rng, clip) -> adapters, adapt(clip, adapters) -> clip
hclip      the paper: POP, DCRC and the Cayley map in a row
oft, boft  block-diagonal rotations, and products of them
lora       a matrix of low rank added
copies     fine-tuning in place: nothing, attention, or all of CLIP

kernels    which attention matrices of which tower a method changes
cayley     free blocks -> orthogonal blocks
inverse    skew S -> (I + S)^-1, by products alone
relations  blocks of all layers and both towers -> blocks that know of each other (DCRC)
rotate     blocks, kernels -> rotated kernels (POP)
energy     the hyperspherical energy that orthogonal rotations keep
"""
