"""The checkers, one a file: each reads a history and finds what no correct cache can show. Pure and exact.

A new one is a module here with `ID`, `TITLE`, `LAW`, `EXAMPLE` and `find(history, promises)`, a row of `CHECKERS`,
a mutant in tests/zoo and tests/check/checkers with one history that it finds and one that it must not.
"""
