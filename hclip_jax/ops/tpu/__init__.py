"""Kernels of the segmentation head in Pallas, for TPUs: the operations of modules of models/head.

product      matrix products inside of a kernel
swin         a Swin block
swin_window  the same on a window of a class
windows      the windows, read from the grid of patches and written back
"""
