"""Figures, tables and summaries of a run."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxrestore.errors import InputError
from jaxrestore.report import charts, sheets
from jaxrestore.report.shards import missing, shard_number
from jaxrestore.report.summary import Summary
from jaxrestore.report.table import score_table

_RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(64, 96, 3), (96, 40, 1), (5, 7, 3), (1, 1, 1)])
def test_comparison_of_any_shape(tmp_path, shape):
    clean = _RNG.random(shape)
    small = clean[::2, ::2]
    panels = [
        sheets.Panel("observed", small, "20.00 dB, SSIM 0.500"),
        sheets.Panel("restored", clean + 2, "30.00 dB"),
        sheets.Panel("clean", clean),
    ]
    sheets.comparison(tmp_path / "comparison.png", panels)
    width, height = Image.open(tmp_path / "comparison.png").size
    assert width == 1080 and height > 400
    assert len(list(tmp_path.iterdir())) == 1


def test_detail_looks_where_something_is():
    image = np.zeros((100, 200, 3))
    image[60:80, 120:150] = _RNG.random((20, 30, 3))
    top, left, side = sheets._detail(image)
    assert top <= 65 and top + side >= 75 and left <= 130 and left + side >= 140


def test_convergence(tmp_path):
    steps = np.full(20, np.nan)
    steps[:8] = 0.5 ** np.arange(8)
    history = {"residual": steps, "objective": -1e5 * steps, "contraction": steps}
    charts.convergence(tmp_path / "convergence.png", history, 1e-4)
    assert Image.open(tmp_path / "convergence.png").size[0] == 1474


def test_convergence_of_a_fixed_point(tmp_path):
    history = dict.fromkeys(("residual", "objective", "contraction"), np.zeros(3))
    charts.convergence(tmp_path / "convergence.png", history, 0)
    assert (tmp_path / "convergence.png").is_file()


def test_summary_is_resumed_with_equal_settings_alone(tmp_path):
    path = tmp_path / "summary.json"
    summary = Summary.resume(path, {"device": "x"}, {"a": 1})
    record = {"name": "one", "input_sha256": "s", "psnr": np.float32(30), "ssim": None}
    summary.add({**record, "residual": np.inf, "temperature": np.ones(2)})
    summary.fail("two", "broken")
    summary.finish()
    content = json.loads(path.read_text())
    assert content["images"][0]["residual"] == "inf"
    assert content["images"][0]["temperature"] == [1, 1]
    assert content["mean"] == {"psnr": 30}
    (failed,) = content["failed"]
    assert (failed["name"], failed["error"]) == ("two", "broken")

    again = Summary.resume(path, {"device": "y"}, {"a": 1})
    assert again.is_done("one", "s", [path])
    assert not again.is_done("one", "other content", [path])
    assert not again.is_done("one", "s", [tmp_path / "lost.png"])
    assert not again.is_done("two", "s", [path])
    assert not Summary.resume(path, {}, {"a": 2}).records


def test_a_journal_outlives_its_run(tmp_path):
    """Killed in the middle of a line; other settings forget it."""
    path, record = tmp_path / "summary.json", {"name": "one", "input_sha256": "s"}
    killed = Summary.resume(path, {}, {"a": 1})
    killed.begin(2)
    killed.fail("two", "broken")
    killed.add(record)
    with open(killed.journal, "a") as file:
        file.write('{"name": "thr')
    again = Summary.resume(path, {}, {"a": 1})
    assert list(again.records) == ["one"] and list(again.failed) == ["two"]
    again.add({**record, "name": "two"})
    assert not Summary.resume(path, {}, {"a": 1}).failed
    again.finish()
    assert [file.name for file in tmp_path.iterdir()] == ["summary.json"]
    other = Summary.resume(path, {}, {"a": 2})
    other.begin(0)
    assert not other.records and json.loads(path.read_text())["images"] == []


def test_shards_share_settings_and_see_each_other(tmp_path):
    path = tmp_path / "summary.json"
    for shard in ("0-of-2", "1-of-2"):
        one = Summary.resume(path, {"device": "x"}, {"a": 1}, shard)
        one.begin(0)
        one.add({"name": shard, "input_sha256": "s", "psnr": 30 + int(shard[0])})
        one.finish()
    assert len(one.records) == 2 and not path.exists()
    with pytest.raises(InputError, match="records-0-of-2.jsonl there is of other"):
        Summary.resume(path, {}, {"a": 2}, "0-of-2")
    merged = Summary.merge(path)
    content = json.loads(path.read_text())
    assert content["mean"] == {"psnr": 30.5} and content["device"] == "x"
    assert [file.name for file in tmp_path.iterdir()] == ["summary.json"]
    assert Summary.merge(path).records == merged.records
    with pytest.raises(InputError, match="holds nothing, expected results"):
        Summary.merge(tmp_path / "other" / "summary.json")


def test_a_shard_whose_journal_was_merged_goes_on(tmp_path):
    """As may be where nothing can be locked."""
    path = tmp_path / "summary.json"
    running = Summary.resume(path, {"device": "x"}, {"a": 1}, "0-of-1")
    running.begin(2)
    running.add({"name": "one", "input_sha256": "s"})
    Summary.merge(path)
    running.add({"name": "two", "input_sha256": "s"})
    assert list(Summary.merge(path).records) == ["one", "two"]


def test_of_equal_names_the_latest_counts(tmp_path):
    """Whatever the order of the files: it failed in the first, then in the second."""
    path = tmp_path / "summary.json"
    for name, shards in (("one", ("2-of-4", "0-of-2")), ("two", ("0-of-3", "1-of-3"))):
        for shard, again in zip(shards, (False, True), strict=True):
            run = Summary.resume(path, {}, {"a": 1}, shard)
            run.begin(1)
            if again == (name == "one"):
                run.add({"name": name, "input_sha256": "s"})
            else:
                run.fail(name, "the disk was full")
    for found in (Summary.resume(path, {}, {"a": 1}), Summary.merge(path)):
        assert list(found.records) == ["one"] and list(found.failed) == ["two"]


def test_what_shards_have_not_done_is_named():
    names = [str(i) for i in range(20)]
    four = {f"{i}-of-4": sum(shard_number(n, 4) == i for n in names) for i in range(4)}
    assert missing(four, names) == [] and missing({}, names) == []
    absent = {key: images for key, images in four.items() if key[0] != "2"}
    assert missing(absent, names) == ["shard 2/4 has not run"]
    three = [name for name in names if shard_number(name, 4) != 3]
    number = four["3-of-4"]
    assert missing(four, three) == [f"shard 3/4 has done 0 of {number} images"]
    # All of another number are enough.
    assert missing(absent | {"0-of-1": 20}, names) == []


def test_a_summary_remembers_what_is_missing(tmp_path):
    path, names = tmp_path / "summary.json", [str(i) for i in range(8)]
    for i in (0, 1):
        own = [name for name in names if shard_number(name, 2) == i]
        run = Summary.resume(path, {}, {"a": 1}, f"{i}-of-2")
        run.begin(len(own))
        for name in own[: len(own) - i]:
            run.add({"name": name, "input_sha256": "s"})
        if i == 0:
            assert Summary.merge(path).missing() == ["shard 1/2 has not run"]
    for _ in range(2):
        (line,) = Summary.merge(path).missing()
        assert line.startswith("shard 1/2 has done")
        assert json.loads(path.read_text())["missing"] == [line]
    run.add({"name": own[-1], "input_sha256": "s"})
    assert Summary.merge(path).missing() == []
    # An earlier run of fewer images does not stand for shards of more.
    Summary.resume(path, {}, {"a": 1}, "0-of-3").begin(5)
    assert "shard 1/3 has not run" in Summary.merge(path).missing()
    assert "shard 1/3 has not run" in Summary.merge(path).missing()


def test_foreign_summary(tmp_path):
    for text in ("{}", "no json", "[1]"):
        (tmp_path / "summary.json").write_text(text)
        with pytest.raises(InputError, match="choose another"):
            Summary.resume(tmp_path / "summary.json", {}, {})


def test_table_has_the_columns_that_are_known():
    record = {"name": "a", "steps": 5, "seconds": 1.25, "status": "converged"}
    assert score_table([record]).splitlines() == [
        "image  steps  seconds  status",
        "a          5      1.2  converged",
    ]
    scored = [{**record, "name": n, "psnr": p} for n, p in (("a", 20.0), ("b", 30.0))]
    lines = score_table(scored).splitlines()
    assert "25.00" in lines[-1] and lines[-1].startswith("mean") and len(lines) == 4
