"""Mutation testing: breaks the numerics one operator or constant at a time and runs the tests.

    python -m tests.mutation --list                              # all mutants, and their number in each file
    python -m tests.mutation --sample=30 --seed=1                # some, from as many files as possible
    python -m tests.mutation --jobs=2 --output=mutation.jsonl    # all; the same command again continues
    python -m tests.mutation --again --output=mutation.jsonl     # after new tests: the survivors only

It measures which errors in a formula the tests do not notice; pytest does not collect it. A mutant is killed
if a test fails, if the package cannot be imported, or if the tests exceed their time limit. The score is the
killed share of the mutants that were run. Equivalent mutants (equivalent.py) are not run.

A survivor is printed as `file:line [kind]` with the source before and after the change. It has one of three
reasons:

- A test is missing. Write it, and see it fail on the mutant.
- The code has no effect. Delete it.
- The change cannot have an effect on a result. Add it to equivalent.py with the reason.

Mutants run in copies of the repository in a temporary folder. The unmutated tests run first: they must pass,
they set the time limit, and mutants reuse those of their compiled programs that the change does not affect.
Records in --output are of the sources at that time; start a new file when sources have changed.

find         mutants of operators, constants and conditions
gradients    mutants of gradients
source       byte offsets of a source text
equivalent   mutants that cannot be noticed, with reasons
run          which tests run, and runs them
"""
