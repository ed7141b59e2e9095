"""`python -m harness` is `cachegate`."""

import sys

if not sys.flags.safe_path:
    sys.path.append(sys.path.pop(0))  # the working directory comes after what is installed, as for every child

from harness.cli import main  # after the path is right

if __name__ == "__main__":
    main()
