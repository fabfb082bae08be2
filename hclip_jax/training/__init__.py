"""Training as the published code does it, on any number of devices.

losses       sigmoid cross-entropy over classes and pixels
optimizer    AdamW, one schedule, a multiplier for each part
state        what trains, what is frozen, and what is saved
step         one update, compiled once
checkpoints  Orbax: state and data position, the newest few
metrics      metrics.jsonl
loop         all of it in order
"""
