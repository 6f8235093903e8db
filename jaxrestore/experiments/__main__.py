"""python -m jaxrestore.experiments NAME --images=DIR --out=DIR."""

import sys

from jaxrestore.cli.entry import run_command
from jaxrestore.experiments.command import main

if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv))
