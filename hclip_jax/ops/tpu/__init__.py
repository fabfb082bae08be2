"""Kernels of the segmentation head in Pallas, for TPUs: the operations of modules of models/head.

product  matrix products inside of a kernel
swin     a Swin block
windows  its windows, read from the grid of patches and written back
"""
