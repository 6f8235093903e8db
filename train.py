"""Train a prior: python train.py --config=FILE --workdir=FOLDER."""

import sys

from jaxrestore.cli.entry import run_command
from jaxrestore.cli.train import main

if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv))
