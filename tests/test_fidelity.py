"""docs/fidelity.md names files, tests and commands that exist."""

import ast
import re
from pathlib import Path

import pytest

from jaxrestore.experiments import EXPERIMENTS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "fidelity.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| statement", "| status"))
]
STATUSES = [row[0] for row in ROWS if len(row) == 2]
STATEMENTS = [row for row in ROWS if len(row) != 2]
TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")


def test_every_row_has_a_known_status():
    assert len(STATEMENTS) > 60 and len(STATUSES) == 7
    for row in STATEMENTS:
        assert len(row) == 3, row
        assert row[2] in STATUSES, row


def test_what_is_shown_or_wrong_names_a_test_and_what_is_absent_nothing():
    for statement, where, status in STATEMENTS:
        named = TEST.search(where) or "examples/" in where
        if status == "shown":
            assert named, statement
        if status in ("measured", "command", "partly"):
            assert named or "`" in where or ".md" in where, statement
        assert (where == "-") == (status == "absent"), statement


@pytest.mark.parametrize("path", sorted({p for p, _ in TEST.findall(PAGE.read_text())}))
def test_tests_exist(path):
    tree = ast.parse((ROOT / path).read_text())
    defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    named = {name for file, name in TEST.findall(PAGE.read_text()) if file == path}
    assert named <= defined, named - defined


def test_files_and_commands_exist():
    text = PAGE.read_text()
    files = re.findall(r"`((?:jaxrestore|configs|examples)/[\w/]+\.py)`", text)
    assert len(files) > 10
    for file in files:
        assert (ROOT / file).is_file(), file
    commands = re.findall(r"`experiments (\w+)`", text)
    assert commands and set(commands) <= set(EXPERIMENTS)


def test_links_lead_to_pages_and_headings():
    for target in re.findall(r"\]\(([^)]+)\)", PAGE.read_text()):
        page, _, anchor = target.partition("#")
        lines = (PAGE.parent / page).read_text().splitlines()
        heads = {_anchor(line) for line in lines if line.startswith("#")}
        assert not anchor or anchor in heads, target


def _anchor(heading: str) -> str:
    words = heading.lstrip("# ").lower().replace(" ", "-")
    return re.sub(r"[^\w-]", "", words)
