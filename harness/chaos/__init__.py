"""Breaking things around a cache, on purpose and on record."""
