"""The paper: a differentiable map from CLIP weights to CLIP weights.

cayley     free blocks -> orthogonal blocks
relations  blocks of all layers and both towers -> blocks that know of each other (DCRC)
rotate     blocks, kernels -> rotated kernels (POP)
hclip      the three in a row: adapt(clip_params, adapter_params) -> clip_params
energy     the hyperspherical energy that orthogonal rotations keep
"""
