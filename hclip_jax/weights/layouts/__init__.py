"""Name tables between other formats and our parameter tree."""
