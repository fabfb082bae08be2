"""Which files of a large data set are looked at when it is opened, so that it takes seconds on any disk.

The others are looked at when they are read, with the same sentences; `hclip check` looks at all.
"""

MOST = 4000
"""More files than this are looked at in a sample."""


def spread(count: int, most: int = MOST) -> range:
    """Indices below `count`, all of them or at most `most`, spread evenly.

    The step is odd, so that a list of images and labels in turn is looked at in both.
    """
    return range(0, count, -(-count // most) | 1 if count > most else 1)
