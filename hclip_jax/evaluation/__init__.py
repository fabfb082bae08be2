"""Evaluation by the published protocol.

evaluate          the evaluation sets of a training
confusion_matrix  detectron2's metrics from one confusion matrix
image_counts      pixel counts of every image, and their file NAME.npz
bootstrap         confidence intervals of mIoU, and the paired test of two models
comparison        two models set by set: a table with intervals and p-values
report            metrics as JSON, CSV and Markdown
"""
