"""Evaluation by the published protocol.

evaluate          the evaluation sets of a training
confusion_matrix  detectron2's metrics from one confusion matrix
report            metrics as JSON, CSV and Markdown
"""
