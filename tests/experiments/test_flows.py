"""Analysis and synthesis with a flow."""

import jax
import numpy as np
import pytest

from jaxrestore.experiments.flows import TASKS, problem

VAL = "--val={}/images"


@pytest.mark.slow
def test_table(experiment, tmp_path):
    rows = experiment("flows", VAL, prior="flow")
    methods = [row["method"] for row in rows]
    assert methods == [
        "start",
        "synthesis",
        "analysis",
        "analysis-density",
        "total variation",
    ]
    text = (tmp_path / "out" / "flows.md").read_text()
    assert "deviation" in text and " ± " in text
    assert (tmp_path / "out" / "flows_leads.png").exists()


@pytest.mark.slow
def test_starts(experiment, tmp_path):
    rows = experiment("flow_starts", prior="flow")
    assert len(rows) == 6 and all(int(row["steps"]) == 2 for row in rows)
    assert (tmp_path / "out" / "flow_starts_sheet.png").exists()


@pytest.mark.parametrize("name", TASKS)
def test_observations_are_what_the_operators_say(name):
    image = np.asarray(jax.random.uniform(jax.random.key(0), (64, 64, 1)))
    (case,) = problem(name, 0.0).degrade({"a": image}, jax.random.key(1)).values()
    (seen,) = case
    y = np.asarray(seen.y)
    if name.startswith("average"):
        r = int(name[-1])
        blocks = image.reshape(64 // r, r, 64 // r, r, 1).mean((1, 3))
        np.testing.assert_allclose(y, blocks, atol=1e-5)
    if name == "uniform blur":
        rolls = [
            np.roll(image, (i, j), (0, 1)) for i in range(-3, 4) for j in range(-3, 4)
        ]
        np.testing.assert_allclose(y, np.mean(rolls, 0), atol=1e-5)
    if name == "square":
        hidden = np.asarray(seen.operator.mask)[..., 0] == 0
        assert hidden.sum() == 21**2 and hidden[32, 32] and not hidden[20, 32]
    if name == "missing":
        assert 0.37 < np.asarray(seen.operator.mask).mean() < 0.43
    assert float(seen.noise.std) == pytest.approx(1 / 255)
