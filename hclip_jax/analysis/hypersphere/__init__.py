"""The changes that a tuning method made to CLIP, measured on the hypersphere.

measure    all measures of one model
energy     hyperspherical energy of each attention matrix, before and after adapting
rotation   rotation angles of the learned blocks, and their distance from orthogonality
relations  cross-layer and cross-tower weights of DCRC
report     the measures as JSON and as Markdown tables
plots      the measures as plots
"""
