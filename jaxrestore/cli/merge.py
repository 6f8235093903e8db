"""The command line of merge: the journals of shards become one summary."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxrestore.cli.flags import CommandLine
from jaxrestore.cli.solve import SOME_FAILED
from jaxrestore.data.files import exclusive
from jaxrestore.errors import InputError
from jaxrestore.report.summary import Summary
from jaxrestore.report.table import score_table
from jaxrestore.settings import setting, text

_USAGE = """\
One summary of a folder that the shards of a run have filled.

  {0} --output=FOLDER

Writes FOLDER/summary.json in place of FOLDER/records-*.jsonl, and names the shards that
have not run or not finished. Refused while a shard is still at work there.
"""


@dataclass(frozen=True)
class MergeFlags:
    """The plain flags."""

    output: str = setting("restored", text, "folder that the shards wrote to")


@dataclass(frozen=True)
class _None:
    """The dotted settings: none, all are plain flags."""


def main(argv: Sequence[str]) -> int:
    """Merge as the arguments say.

    Args:
        argv: program name, then the arguments.

    Returns:
        0 when all images are restored, 1 when some are not, or shards are missing.

    Raises:
        InputError: the folder cannot be used.
    """
    usage, nothing = _USAGE.format(argv[0]), lambda _: _None
    line = CommandLine(argv[0], usage, MergeFlags, nothing, positional="output")
    parsed = line.parse(argv)
    if parsed is None:
        return 0
    folder = Path(parsed.flags.output)
    if not folder.is_dir():
        raise InputError(f"--output={folder}: does not exist, expected a run's folder")
    with exclusive(folder, "--output"):
        summary = Summary.merge(folder / "summary.json")
    if summary.records:
        print(score_table([summary.records[name] for name in sorted(summary.records)]))
    print(f"{len(summary.records)} restored, {len(summary.failed)} failed")
    missing = summary.missing()
    for part in missing:
        print(f"missing: {part}")
    print(f"Scores and settings: {summary.path}")
    return SOME_FAILED if summary.failed or missing else 0
