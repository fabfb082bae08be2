"""Time and memory of the parts of the system.

jobs        the names of the cases, and which sizes each depends on
cases       the timed functions, built from a configuration
operations  single operations with their gradient
suite       the jobs of an accelerator's benchmark, resumable
flops       floating-point operations of a program, with every iteration of its loops
measure     one job in a new process: compilation, time, memory, matmul rate
"""
