"""Volume terms and iterated reconstructions."""

import jax
import numpy as np

from jaxrestore.experiments.iterated import picked
from jaxrestore.experiments.volume import measure
from jaxrestore.priors import PatchVDVAE
from tests.priors.random_weights import random_prior
from tests.priors.test_tools import PATCH


def test_distances_are_those_of_the_shift():
    prior = random_prior(PatchVDVAE, PATCH)
    image = jax.random.uniform(jax.random.key(0), (16, 16, 3))
    moves = measure(prior, image, 0.8, jax.random.key(1), draws=4)
    assert moves.shift.shape == (PATCH.num_groups - 1, 4)
    # ||t e||^2 with e standard normal: t^2 times the number of elements.
    per_element = moves.distance / (moves.shift**2 * moves.elements)
    np.testing.assert_allclose(per_element.mean(), 1, atol=0.3)
    assert np.all(np.abs(moves.change) > 0)  # random networks: volumes do depend
    still = measure(prior, image, 0.8, jax.random.key(1), reach=0.0, draws=4)
    np.testing.assert_allclose(still.change, 0, atol=1e-4)
    np.testing.assert_allclose(still.distance, 0, atol=1e-4)


def test_volume(experiment):
    rows = experiment("volume")
    assert len(rows) == 2 * 2
    assert {"image", "group", "shift", "distance", "change"} <= rows[0].keys()


def test_iterated(experiment, tmp_path):
    rows = experiment("iterated")
    assert [row["step"] for row in rows] == list("1234") * 2
    changes = np.array([float(row["change"]) for row in rows]).reshape(2, 4)
    ratios = np.array([float(row["contraction"]) for row in rows]).reshape(2, 4)
    np.testing.assert_allclose(ratios[:, 1] < 1, changes[:, 1] < changes[:, 0])
    assert (tmp_path / "out" / "iterated_change.png").exists()


def test_picked_steps_go_from_the_first_to_the_last():
    assert picked(100)[0] == 0 and picked(100)[-1] == 100 and len(picked(100)) == 7
    assert picked(2) == [0, 1, 2]
