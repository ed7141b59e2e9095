"""Kinds of harm, one a file: its settings, what it does to a stage, and its row in `registry.py`."""
