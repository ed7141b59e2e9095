"""`python -m harness` is `cachegate`."""

from harness.cli import main

main()
