"""Files written atomically, the cache folder, progress and Markdown tables."""
