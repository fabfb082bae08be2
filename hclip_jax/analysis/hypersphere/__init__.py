"""What a tuning method did to CLIP, as geometry on the hypersphere.

measure    everything below of one model
energy     hyperspherical energy of each attention matrix, before and after
turning    by which angles blocks rotate, and how far they are from being rotations
relations  who hears of whom: layers of layers, blocks of blocks, one tower of the other (DCRC)
report     the measures for programs, and as a table to read
plots      the measures as pictures
"""
