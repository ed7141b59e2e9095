"""Importing this puts the working directory behind all other folders in which Python looks for modules.

Locust puts it in front, so that a psutil.py of the project under test would be run in place of the library.
"""

from __future__ import annotations

import sys
from pathlib import Path


def working_directory_last() -> None:
    """Move it there, if it is among them."""
    here = Path.cwd().resolve()
    others = [each for each in sys.path if Path(each).resolve() != here]
    if len(others) < len(sys.path):
        sys.path[:] = [*others, str(here)]


working_directory_last()
