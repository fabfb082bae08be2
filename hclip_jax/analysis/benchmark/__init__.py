"""How long the parts of the system take, and how much memory.

cases       what is timed, from a configuration
arithmetic  floating-point operations of a program, loops counted in full
measure     a case in a process of its own: compilation, runs, memory, the machine's own speed
"""
