"""Programs compiled ahead of time for TPUs, on a machine without one.

topology     TPU slices by the names that people say, and the devices of one to compile for
programs     the training step and the evaluation, lowered for these devices from shapes alone
hlo          the text of a compiled program, read: computations, loops, source lines
traffic      what it moves between the memory of a chip and the chip
collectives  its transfers between chips: size, times, mesh axis and source line
report       the report of a program, its JSON and its tables
checks       the problems of a report: memory, sums of gradients in loops, growth
"""
