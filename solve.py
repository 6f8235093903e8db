"""Restore photographs: python solve.py --help."""

import sys

from jaxrestore.cli.solve import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
