"""Methods side by side: the same training with one thing changed at a time, over several seeds.

plan    which trainings there are, and the command of each
table   what came of them: mean and spread over the seeds
plot    the table as a picture
"""
