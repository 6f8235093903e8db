"""Restore photographs: python solve.py --help."""

import sys

from jaxrestore.cli.entry import run_command
from jaxrestore.cli.solve import main

if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv))
