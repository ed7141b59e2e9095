"""What is asked of a cache: definitions, no logic."""
