"""python -m jaxrestore.convert: published checkpoints to ours, and back."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from jaxrestore.cli.entry import run_command
from jaxrestore.convert.files import read_arrays, write_torch
from jaxrestore.convert.formats import (
    FORMATS,
    format_of,
    from_state_dict,
    to_state_dict,
)
from jaxrestore.errors import InputError
from jaxrestore.priors.registry import ARCHITECTURES
from jaxrestore.priors.weights import load_prior, save_prior, sha256

_EXAMPLES = """examples:
  python -m jaxrestore.convert --format=vdvae --config=ffhq256 \\
      ffhq256-iter-1700000-model-ema.th ffhq256.safetensors
  python -m jaxrestore.convert --format=patch_vdvae model.pt patch.safetensors
  python -m jaxrestore.convert --export-torch ffhq256.safetensors ffhq256.th
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see python -m jaxrestore.convert --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m jaxrestore.convert",
        description="Convert published checkpoints to ours, and back.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source", help="state_dict (.pt, .th, .npz), or a prior of ours"
    )
    parser.add_argument("out", help=".safetensors to write, or a torch file")
    parser.add_argument("--format", choices=sorted(FORMATS), help="of the checkpoint")
    names = "; ".join(f"{name}: {', '.join(m.CONFIGS)}" for name, m in FORMATS.items())
    parser.add_argument(
        "--config",
        help=f"published network ({names}) or a .json file with the model's settings; "
        "default: what the tensors tell",
    )
    parser.add_argument(
        "--export-torch", action="store_true", help="from ours to a torch state_dict"
    )
    return parser


def _config(format: str, name: str | None) -> Any:
    if name is None or not name.endswith(".json"):
        return name
    try:
        values = json.loads(Path(name).read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"config={name!r}: not a readable JSON file ({error})"
        ) from error
    return ARCHITECTURES[format][1].from_dict(values)


def main(argv: Sequence[str]) -> int:
    """Convert as the arguments (program name first) say; exit code 0.

    Raises:
        InputError: the arguments, the source or the target cannot be used.
    """
    args = _parser().parse_args(argv[1:])
    if args.export_torch:
        prior = load_prior(args.source)
        sections = FORMATS[format_of(prior)].SECTIONS
        write_torch(to_state_dict(prior), sections, args.out)
    else:
        if args.format is None:
            raise InputError(f"--format is missing: expected {' or '.join(FORMATS)}")
        config = _config(args.format, args.config)
        prior = from_state_dict(read_arrays(args.source), args.format, config)
        origin = {
            "description": f"converted from {Path(args.source).name}",
            "source_sha256": sha256(args.source),
        }
        save_prior(prior, args.out, origin)
    print(f"wrote {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv))
