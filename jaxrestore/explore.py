"""What a prior knows, as pictures: python -m jaxrestore.explore --help."""

import sys

from jaxrestore.cli.entry import run_command
from jaxrestore.cli.explore import main

if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv))
