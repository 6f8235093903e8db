"""Images that share a program, solved at once: results, records and checks as alone."""

import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import jaxrestore
from jaxrestore import InputError
from jaxrestore.cli import side_by_side, trust
from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.side_by_side import SideBySide, fitting
from jaxrestore.cli.solve import command_line
from jaxrestore.cli.task import Task
from jaxrestore.data.images import LoadedImage, read_image
from jaxrestore.solvers.many import memory_of_many

SETTINGS = {"noise_std": 0.1, "stopping.max_steps": 2, "check": False}


@pytest.fixture
def counted(monkeypatch):
    """How many images each call of the solver was given."""
    counts = []
    run, run_many = Chosen.run, Chosen.run_many

    def alone(self, *arguments):
        counts.append(1)
        return run(self, *arguments)

    def several(self, questions, *arguments):
        counts.append(len(questions))
        return run_many(self, questions, *arguments)

    monkeypatch.setattr(Chosen, "run", alone)
    monkeypatch.setattr(Chosen, "run_many", several)
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    return counts


def pixels(*sizes):
    rng = np.random.default_rng(0)
    return [rng.random((*size, 3), np.float32) for size in sizes]


@pytest.mark.slow
def test_arrays_together_and_alone(toy, counted):
    """Also where one is of another size, and one fails."""
    images = pixels((12, 16), (12, 16), (16, 12), (12, 16))
    settings = {**SETTINGS, "prior": str(toy)}
    alone = jaxrestore.Restorer("denoise", settings)(images)
    assert counted == [1] * 4
    together = jaxrestore.Restorer("denoise", settings | {"batch": 4})(images)
    assert sorted(counted[4:]) == [1, 3]
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_folders_together_and_alone(run, photo, tmp_path, counted):
    """Records stay each image's own, what is done is skipped, others go on."""
    for i, size in enumerate([(16, 20), (16, 20), (20, 16), (16, 20), (16, 20)]):
        photo(f"in/{i}.png", (*size, 3), i)
    given = "--config=denoise", f"--input={tmp_path / 'in'}", "--noise_std=0.1"
    given += "--nocheck", "--no_figures"
    assert run(*given, "--batch=1")[0] == 0
    there = tmp_path / "many"
    (tmp_path / "in" / "4.png").write_text("no picture")
    code, _, err = run(*given, "--batch=4", output=there)
    assert code == 1 and "4.png: cannot be read as an image" in err
    assert counted == [1] * 5 + [3, 1]
    summary = json.loads((there / "summary.json").read_text())
    assert [record["name"] for record in summary["images"]] == list("0123")
    assert [record.get("batch") for record in summary["images"]] == [3, 3, None, 3]
    for name in "0123":
        here, other = (
            read_image(folder / name / "restored.png").pixels
            for folder in (tmp_path / "out", there)
        )
        np.testing.assert_allclose(here, other, atol=1.01 / 255)
    run(*given, "--batch=2", output=there)  # decides nothing, so all is done
    assert counted[7:] == []


def config(*arguments):
    return command_line("").parse(["", "--config=denoise", *arguments]).config


def problem(task, level, name="a"):
    noise = np.random.default_rng(0).standard_normal((16, 16, 3), np.float32)
    return task.problem(name, LoadedImage(0.5 + np.float32(level) * noise))


def test_who_is_doubted_is_tried_again_with_others_like_it(monkeypatch, toy, counted):
    """Those that are noisier than they are told; the attempts are each image's own."""

    def doubt(problem, outcome):
        return "" if problem.noise_std > problem.observed.std() else "noisier"

    monkeypatch.setattr(trust, "_doubt", doubt)
    given = config(f"--prior={toy}", "--noise_std=0.02", "--batch=4")
    chosen = Chosen(given)
    task = Task(given, False, chosen.prior)
    problems = [problem(task, level) for level in (0.01, 0.03, 0.01, 0.03, 0.045)]
    told = SideBySide(chosen, given, "")(problems)
    assert counted == [4, 1, 3, 1]
    levels = [end.problem.noise_std / 0.02 for end in told]
    np.testing.assert_allclose(levels, [1, 1.6, 1, 1.6, 2.56], rtol=1e-3)
    raised = [sum("told instead" in note for note in end.notes) for end in told]
    assert raised == [0, 1, 0, 1, 2]


@pytest.mark.slow
def test_as_many_as_memory_holds(monkeypatch, toy, counted):
    """What the compiled program takes decides; batches have sizes of powers of 2."""
    free = 1e12
    monkeypatch.setattr(side_by_side, "free_memory", lambda: free)
    given = config(f"--prior={toy}", "--noise_std=0.02", "--batch=16")
    chosen = Chosen(given)
    one = problem(Task(given, False, chosen.prior), 0.02)

    def room(number):
        return SideBySide(chosen, given, "").room(one, number)

    assert (room(1), room(3), room(4)) == (1, 4, 4)
    asked = chosen.asked(chosen.method(one)[0], one)
    free = memory_of_many(asked, 2, jax.devices()[:1]) / 0.8 + 1
    assert room(4) == 2
    free = 1.0
    assert room(4) == 1


@pytest.mark.slow
def test_on_accelerators_one_image_says_where_to_begin(monkeypatch, toy, counted):
    free, looked = 1e12, []
    measured = memory_of_many

    def memory(asked, size, devices):
        looked.append(size)
        return measured(asked, size, devices)

    monkeypatch.setattr(side_by_side, "is_processor", lambda device: False)
    monkeypatch.setattr(side_by_side, "memory_of_many", memory)
    monkeypatch.setattr(side_by_side, "free_memory", lambda: free)
    given = config(f"--prior={toy}", "--noise_std=0.02")
    chosen = Chosen(given)
    one = problem(Task(given, False, chosen.prior), 0.02)
    assert SideBySide(chosen, given, "").room(one, 3) == 4
    taken = chosen.memory(chosen.method(one)[0], one).memory
    free = 4 * taken / 0.8
    assert SideBySide(chosen, given, "").room(one, 500) <= 4
    assert max(looked) == 4  # nothing much too large is compiled


@pytest.mark.parametrize(("budget", "found"), [(1e9, 8), (45, 4), (10, 1), (0, 1)])
def test_fitting(budget, found):
    assert fitting(lambda n: 5 + 10 * n, 8, budget) == found


def test_refused(run, photo, tmp_path):
    source = f"--input={photo()}"
    code, _, err = run("--config=denoise", source, "--batch=0")
    assert code == 2 and "batch=0: expected a whole number from 1" in err
    given = SimpleNamespace(batch=4, mesh="rows", check=True)
    chosen = SimpleNamespace(kind=jaxrestore.solvers.PnPHVAE)
    with pytest.raises(InputError, match="--batch=4: has no use with --mesh=rows"):
        SideBySide(chosen, given, "")
