"""Kernels of the segmentation head in C++, for CPUs and programs without gradients.

kernels  the kernels as JAX functions, and whether they are used
library  the compiled kernels, registered with XLA

kernels.cc has the handlers that XLA calls, arguments.h what they hand on, parallel.h the threads. The .inc
files are compiled once for each width of vectors, as path.inc lists them: lanes (vectors), product
(matrices), norm, mlp, and a file for each kernel: swin, classes, decoder.
"""
