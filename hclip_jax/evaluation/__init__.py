"""Evaluation by the published protocol.

sliding_window  where the windows lie, how their probabilities become a picture's
predictor       pictures in, class ids or probabilities out
iou             one confusion matrix, detectron2's figures
report          json, csv, md
evaluate        all of it over a data set
"""
