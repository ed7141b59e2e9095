"""Cachegate: prove that a cache change is safe before you ship it. Start with `harness/README.md`."""

__version__ = "0.1.0"
