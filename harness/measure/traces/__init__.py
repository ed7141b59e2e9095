"""Recorded accesses, read a chunk at a time: what is read is not kept, so a trace may be of any length.

A format is a module with a function from blocks of bytes to chunks of `Accesses`, and a row of
`formats.FORMATS`. `opening` knows compression, `text` and `records` what formats of text and of numbers
share. Refuses to guess: what it cannot tell or read is a UsageError with the place.
"""

from harness.measure.traces.columns import FOREVER_MS, Accesses
from harness.measure.traces.formats import FORMATS, named, read
from harness.measure.traces.interning import Interner

__all__ = ["FOREVER_MS", "FORMATS", "Accesses", "Interner", "named", "read"]
