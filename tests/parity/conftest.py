"""The folder of arrays that the authors' code made."""

from pathlib import Path

_DEFAULT = Path(__file__).parent.parent / "goldens" / "vble_glow"


def pytest_addoption(parser):
    parser.addoption(
        "--goldens",
        default=str(_DEFAULT),
        help="folder of .npz files as in %(default)s",
    )
