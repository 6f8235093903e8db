"""Large folders: parts of them, lists, two runs at once, and one summary."""

import errno
import json
import os
import shutil
from types import SimpleNamespace

import pytest

from jaxrestore.cli import outputs
from jaxrestore.cli.entry import run_command
from jaxrestore.cli.items import Item, items, part, shard_of
from jaxrestore.cli.main import main as jaxrestore
from jaxrestore.cli.side_by_side import SideBySide
from jaxrestore.cli.trust import Told
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
    assert [item.name for item in items(str(listed))] == ["in/sub/a", "in/a"]
    # Names do not depend on what else is there, elsewhere neither.
    (tmp_path / "lists").mkdir()
    elsewhere = tmp_path / "lists" / "list.txt"
    for content in ("../in/a.png", "b.png\n../in/a.png\n../in/sub/a.png"):
        elsewhere.write_text(content)
        names = [item.name for item in items(str(elsewhere))]
        assert f"{tmp_path}/in/a" == f"/{names[content.startswith('b')]}"
    elsewhere.write_text(f"../in/a.png\n{str(tmp_path)[1:]}/in/a.png")
    with pytest.raises(InputError, match="would both be called"):
        items(str(elsewhere))
    listed.write_text("\n")
    with pytest.raises(InputError, match="list is empty"):
        items(str(listed))


def test_results_and_hidden_folders_are_not_searched(photo, tmp_path):
    for name in ("a.png", "out/a/restored.png", ".thumbs/a.png", "b/.old/a.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        photo(f"in/{name}", (8, 8, 3))
    root = tmp_path / "in"
    for output in (root / "out", root / "b" / ".." / "out"):
        assert [item.name for item in items(str(root), True, output)] == ["a"]
    both = ["a", "out/a/restored"]
    for output in (tmp_path / "elsewhere", tmp_path):
        assert [item.name for item in items(str(root), True, output)] == both
    with pytest.raises(InputError, match="--output=.*: is the folder of the images"):
        items(str(root), True, root)


@pytest.fixture
def unsolved(monkeypatch):
    """Runs whose solver does nothing; a list of the names of what was restored."""
    done = []

    def write(folder, problem, outcome, scores, config, source, figures):
        done.append(folder.name)
        for name in outputs.names(config, figures):
            (folder / name).touch()

    def solved(_, problems, progress, tell):
        return [Told(problem, SimpleNamespace(record={}), []) for problem in problems]

    monkeypatch.setattr(SideBySide, "__call__", solved)
    monkeypatch.setattr(outputs, "scores", lambda problem, outcome: {})
    monkeypatch.setattr(outputs, "write", write)
    return done


def restoring(photo, sizes):
    """Arguments for a folder of images of these sizes."""
    for i, size in enumerate(sizes):
        source = photo(f"in/{i}.png", (*size, 3), i)
    return "--config=denoise", f"--input={source.parent}", "--noise_std=0.1"


def stopped(*_):
    raise KeyboardInterrupt


def merge(folder):
    return run_command(jaxrestore, ["", "merge", f"--output={folder}"])


def test_the_only_image_of_a_shard_says_why_it_failed(run, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.png").write_text("no picture")
    given = "--config=denoise", f"--input={tmp_path / 'in'}"
    for more in ((), ("--shard=0/1",)):
        code, _, err = run(*given, *more)
        assert code == (1 if more else 2)
        assert err.count("broken.png: cannot be read as an image") == 1


def test_a_run_with_nothing_left_to_do_sums_up_what_shards_did(
    run, photo, unsolved, tmp_path
):
    given = restoring(photo, [(16, 16)] * 3)
    assert run(*given, "--shard=0/1")[0] == 0
    code, out, err = run(*given)
    assert code == 0 and "3 of 3 done before" in err and len(unsolved) == 3
    assert f"Scores and settings: {tmp_path / 'out' / 'summary.json'}" in out
    content = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [record["name"] for record in content["images"]] == ["0", "1", "2"]
    assert not list((tmp_path / "out").glob("*.jsonl"))


def test_merge_names_the_shards_that_are_missing(
    run, photo, unsolved, tmp_path, capsys, monkeypatch
):
    given = restoring(photo, [(16, 16)] * 4)
    assert run(*given, "--shard=0/2")[0] == 0
    assert merge(tmp_path / "out") == 1
    assert "missing: shard 1/2 has not run" in capsys.readouterr().out
    with monkeypatch.context() as patched:
        patched.setattr(outputs, "write", stopped)
        assert run(*given, "--shard=1/2")[0] == 130
    assert merge(tmp_path / "out") == 1
    assert "missing: shard 1/2 has done 0 of" in capsys.readouterr().out
    assert run(*given, "--shard=1/2")[0] == 0
    assert merge(tmp_path / "out") == 0 and len(unsolved) == 4
    assert "missing" not in capsys.readouterr().out


def test_a_shard_without_images_has_run(run, photo, unsolved, tmp_path, capsys):
    given = restoring(photo, [(16, 16)])
    numbers = sorted(range(3), key=lambda i: len(part([Item("0", None)], (i, 3))))
    for i in numbers:
        assert run(*given, f"--shard={i}/3")[0] == 0
        assert len(list((tmp_path / "out").glob("*.jsonl"))) == numbers.index(i) + 1
    assert merge(tmp_path / "out") == 0


def test_with_programs_another_image_forgets_nothing(run, photo, unsolved, tmp_path):
    given = *restoring(photo, [(16, 16), (20, 24)]), "--programs=1"
    assert run(*given)[0] == 0
    photo("in/2.png", (130, 70, 3))
    code, _, err = run(*given)
    assert code == 0 and "2 of 3 done before" in err and unsolved == ["0", "1", "2"]
    # With canvases or without are different results.
    assert "done before" not in run(*given[:-1])[2]


def test_with_programs_an_image_below_the_kernel_fails_alone(
    run, photo, unsolved, tmp_path
):
    _, *given = restoring(photo, [(16, 16), (4, 4), (20, 24)])
    given = "--config=gaussian_deblur", *given, "--kernel.std=1", "--programs=1"
    code, _, err = run(*given)
    assert code == 1 and unsolved == ["0", "2"]
    assert err.count("error: 1: --kernel: 5x5 is larger than the image's 4x4") == 1


def test_locks_work_where_a_shared_one_needs_reading(tmp_path, monkeypatch):
    """As on NFS, where the system maps locks of files to locks of their bytes."""
    fcntl = pytest.importorskip("fcntl")
    real = fcntl.flock

    def flock(file, how):
        if how & fcntl.LOCK_SH and not file.readable():
            raise OSError(errno.EBADF, "bad file descriptor")
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        exclusive(tmp_path, "--output", "0-of-2"),
        pytest.raises(InputError, match="another process is writing there"),
        exclusive(tmp_path, "--output"),
    ):
        pass


def test_merged_shards_equal_one_run(run, photo, tmp_path, capsys):
    for i in range(5):
        folder = tmp_path / "in" / str(i % 2)
        folder.mkdir(parents=True, exist_ok=True)
        photo(f"in/{i % 2}/{i}.png", (16, 16, 3), i)
    given = ("--config=denoise", "--simulate", f"--input={tmp_path / 'in'}")
    given += ("--recursive", "--no_figures")
    assert run(*given, output=tmp_path / "one")[0] == 0
    for i in range(4):
        assert run(*given, f"--shard={i}/4", output=tmp_path / "parts")[0] == 0
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
    code, _, err = run(*given, "--seed=1", "--shard=0/4", output=tmp_path / "parts")
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
