"""Training as in the published code, on any number of devices.

losses       sigmoid cross-entropy over classes and pixels
optimizer    AdamW, one schedule, a learning-rate multiplier for each part
state        the training state; trainable and frozen parameters
step         one update, compiled once
init         parameters before the first step
start        a trained model that a training starts from
microbatch   a loss summed over parts of the batch
checkpoints  Orbax: state and data position, the newest few, and the best by best; quiet_orbax: its failures
checksums    damage of a checkpoint's files
choose       the newest checkpoint, or another one
restore      the weights of a work directory
inputs       inputs.json: CLIP and data set between two runs
workdir      config.json and the check that a resumed run uses the same configuration
metrics      metrics.jsonl
mirrors      copies of metrics.jsonl in TensorBoard and W&B
pace         throughput, time left, memory
page         report.html while a training goes on
report       what a run prints
prepare      everything before the first step
loop         the steps
evaluate     the evaluation of a checkpoint; suite: that on several sets
stop         requests of a scheduler or a person to end; requests: agreed on by all processes
"""
