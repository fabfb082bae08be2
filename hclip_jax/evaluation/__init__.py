"""Evaluation by the published protocol.

evaluate          the evaluation sets of a training
evaluate_set      one set: predictions, counts, report, overlays
suite             the file that names several sets; suite_sets opens them
run_suite         a model on a suite: cells runs or finds each set, suite_rows and suite_table make the table
confusion_matrix  detectron2's metrics from one confusion matrix
image_counts      pixel counts of every image, and their file NAME.npz
bootstrap         confidence intervals of mIoU, and the paired test of two models
comparison        two models set by set: a table with intervals and p-values
report            metrics as JSON, CSV and Markdown; stored reads them again
advice            for a model that has not learnt most classes
backbones         names of CLIP's sizes in the published figures
"""
