"""Kernels of the segmentation head in C++, for CPUs: the operations of modules of models/head.

call     whether the kernels are used, and the call of one
classes  the class aggregation, for programs without gradients
decoder  the decoder
library  the compiled kernels, registered with XLA
swin     a Swin block

In C++, kernels.cc compiles everything: path.inc lists the .inc files, compiled once for each width of
vectors: lanes (vectors), product (matrices), norm, mlp, and files for each kernel: swin, classes, decoder.
Files called _handlers.h have the functions that XLA calls, with handlers.h in common; arguments.h says what
they hand on, parallel.h shares work among threads.
"""
