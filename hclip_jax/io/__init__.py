"""Files written atomically, the cache folder, progress, tables, and command-line parsing."""
