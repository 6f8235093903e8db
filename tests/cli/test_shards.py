"""Large folders: parts of them, lists, two runs at once, and one summary."""

import json
import os
import shutil

import pytest

from jaxrestore.cli.entry import run_command
from jaxrestore.cli.items import Item, items, part, shard_of
from jaxrestore.cli.main import main as jaxrestore
from jaxrestore.data.files import exclusive
from jaxrestore.errors import InputError

NAMES = [Item(f"folder/{i}", None) for i in range(400)]


def test_shards_are_a_partition_that_does_not_depend_on_the_others():
    shards = [part(NAMES, (i, 4)) for i in range(4)]
    assert sorted(sum(shards, []), key=NAMES.index) == NAMES
    assert all(70 < len(shard) < 130 for shard in shards)
    fewer = part(NAMES[::3], (2, 4))
    assert fewer == [item for item in shards[2] if item in NAMES[::3]]


def test_the_array_job_says_which(monkeypatch):
    with pytest.raises(InputError, match="SLURM_ARRAY_TASK_ID"):
        shard_of("slurm")
    task = {"ID": "14", "MIN": "10", "STEP": "2", "COUNT": "4"}
    for name, value in task.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert shard_of("slurm") == (2, 4) and shard_of("3/4") == (3, 4)
    for wrong in ("4/4", "-1/4", "1", "a/b", "0/0"):
        with pytest.raises(InputError, match=f"--shard={wrong}: expected"):
            shard_of(wrong)


def test_names_of_folders_and_lists(tmp_path, photo):
    for name in ("in/a.png", "in/sub/a.png", "in/sub/b.png", "in/sub/b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        photo(name, (8, 8, 3))
    names = [item.name for item in items(str(tmp_path / "in"), recursive=True)]
    assert names == ["a", "sub/a", "sub/b.jpg", "sub/b.png"]
    assert [item.name for item in items(str(tmp_path / "in"))] == ["a"]
    listed = tmp_path / "list.txt"
    listed.write_text(f"in/sub/a.png\n\n{tmp_path}/in/a.png\nin/sub/a.png\n")
    assert [item.name for item in items(str(listed))] == ["sub/a", "a"]
    listed.write_text("\n")
    with pytest.raises(InputError, match="list is empty"):
        items(str(listed))


def test_merged_shards_equal_one_run(run, photo, tmp_path, capsys):
    for i in range(5):
        folder = tmp_path / "in" / str(i % 2)
        folder.mkdir(parents=True, exist_ok=True)
        photo(f"in/{i % 2}/{i}.png", (16, 16, 3), i)
    given = ("--config=denoise", "--simulate", f"--input={tmp_path / 'in'}")
    given += ("--recursive", "--no_figures")
    assert run(*given, output=tmp_path / "one")[0] == 0
    for i in range(3):
        assert run(*given, f"--shard={i}/3", output=tmp_path / "parts")[0] == 0
    assert not (tmp_path / "parts" / "summary.json").exists()
    code = run_command(jaxrestore, ["", "merge", f"--output={tmp_path / 'parts'}"])
    assert code == 0 and "5 restored, 0 failed" in capsys.readouterr().out
    kept = ("name", "psnr", "ssim", "residual", "input_sha256")
    found = [
        [{key: record[key] for key in kept} for record in content["images"]]
        for content in (
            json.loads((tmp_path / folder / "summary.json").read_text())
            for folder in ("one", "parts")
        )
    ]
    assert found[0] == found[1] and len(found[0]) == 5
    files = sorted(os.listdir(tmp_path / "parts" / "0" / "0"))
    assert files == ["observed.png", "restored.png"]
    # What shards did is done; other numbers of shards, and the figures, are, too.
    assert "5 of 5" in run(*given, output=tmp_path / "parts")[2]
    code, _, err = run(*given, "--seed=1", "--shard=0/3", output=tmp_path / "parts")
    assert "of other settings" in err and code == 2


def test_two_runs_into_one_folder_are_refused(run, photo, tmp_path):
    out, source = tmp_path / "out", photo("in/0.png", (16, 16, 3))
    for i in range(1, 4):
        photo(f"in/{i}.png", (16, 16, 3))
    assert 0 < len(part(items(str(source.parent)), (0, 2))) < 4
    given = ("--config=denoise", "--simulate", f"--input={source.parent}")
    with exclusive(out, "--output"):
        for more in ((), ("--shard=0/1",)):
            code, _, err = run(*given, *more)
            assert code == 2 and "another process is writing there" in err
    with exclusive(out, "--output", "0-of-2"):
        assert run(*given)[0] == 2
        assert run(*given, "--shard=0/2")[0] == 2
        assert run(*given, "--shard=1/2")[0] == 0
    shutil.rmtree(out)
    assert run(*given)[0] == 0
