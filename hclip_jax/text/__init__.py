"""Class names to prompts to tokens."""
