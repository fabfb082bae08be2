"""Ablation: the same training with one change a method, over several seeds.

plan   the trainings, their commands and their final metrics
table  mean and standard deviation of the metrics over the seeds
plot   the table as a plot
"""
