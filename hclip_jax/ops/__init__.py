"""Operations shared by the CLIP towers and the segmentation head.

activations, attention, conv, dense, normalization and roll have two paths, chosen by `backend.on_cpu`. The
public functions of a file are the plain form, which GPUs and TPUs run. Below them stands the CPU path: the
same operation with a gradient written by hand, because XLA's own gradient is slow on CPUs.

precision    precision of products of float32
rows         products and sums over many rows, which most of these gradients end in
inverse      inverse of I + S for skew-symmetric S
resize       bilinear and bicubic resampling as in PyTorch
chunked_map  applies a function to chunks of the class axis
remat        recomputes activations in the backward pass
collectives  sums and exchanges over an axis of the mesh
native       kernels of the head for CPUs
tpu          kernels of the head for TPUs
types        array types for annotations
"""
