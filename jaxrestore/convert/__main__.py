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
from jaxrestore.convert.lpips import from_state_dicts
from jaxrestore.errors import InputError
from jaxrestore.metrics.lpips import save_lpips
from jaxrestore.nets.perceptual import STACKS
from jaxrestore.priors.registry import ARCHITECTURES
from jaxrestore.priors.weights import load_prior, save_prior, sha256

_EXAMPLES = """examples:
  python -m jaxrestore.convert --format=vdvae --config=ffhq256 \\
      ffhq256-iter-1700000-model-ema.th ffhq256.safetensors
  python -m jaxrestore.convert --format=patch_vdvae model.pt patch.safetensors
  python -m jaxrestore.convert --export-torch ffhq256.safetensors ffhq256.th
  python -m jaxrestore.convert --format=lpips --heads=lpips/weights/v0.1/alex.pth \\
      alexnet-owt-7be5be79.pth lpips-alex.safetensors
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
    parser.add_argument(
        "--format", choices=sorted([*FORMATS, "lpips"]), help="of source"
    )
    parser.add_argument("--heads", help="linear weights of the lpips package")
    published = {name: module.CONFIGS for name, module in FORMATS.items()}
    published |= {"lpips": STACKS}
    names = "; ".join(f"{name}: {', '.join(c)}" for name, c in published.items())
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


def _origin(source: str) -> dict[str, str]:
    return {
        "description": f"converted from {Path(source).name}",
        "source_sha256": sha256(source),
    }


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
    elif args.format is None:
        raise InputError(
            f"--format is missing: expected lpips or {' or '.join(FORMATS)}"
        )
    elif args.format == "lpips":
        heads = read_arrays(args.heads) if args.heads else None
        distance = from_state_dicts(read_arrays(args.source), heads, args.config)
        save_lpips(distance, args.out, _origin(args.source))
    else:
        config = _config(args.format, args.config)
        prior = from_state_dict(read_arrays(args.source), args.format, config)
        save_prior(prior, args.out, _origin(args.source))
    print(f"wrote {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv))
