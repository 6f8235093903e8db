"""python -m jaxrestore: as the command `jaxrestore`."""

from jaxrestore.cli.main import script

if __name__ == "__main__":
    script()
