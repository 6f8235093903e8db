"""JPMAP at a temperature: PnP-HVAE whose objective never rises, in toy models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.operators import Mask
from jaxrestore.solvers import JPMAP, PnPHVAE, Stopping, restore
from jaxrestore.solvers.objective import joint_objective
from tests.oracles.affine_hierarchy import (
    as_arrays,
    exact_hierarchy,
    joint_minimiser,
)
from tests.solvers.problems import gaussian

SHAPE, SIGMA, GAMMA, TAU = (4, 4, 1), 0.1, 0.25, 0.75


@pytest.mark.slow
def test_the_safeguard_reaches_the_joint_minimum_that_algorithm_3_misses():
    with jax.enable_x64(True):
        exact = exact_hierarchy(0, SHAPE, std=GAMMA, gain=1.0)
        prior = as_arrays(exact, jnp.float64)
        rng = np.random.default_rng(3)
        seen = np.arange(16).reshape(SHAPE) % 3 > 0
        y = jnp.asarray(rng.uniform(size=SHAPE) * seen)
        observation = gaussian(y, Mask(jnp.asarray(seen * 1.0)), jnp.float64(SIGMA))
        matrix = np.diag(seen.ravel() * 1.0)
        x, z = joint_minimiser(exact, matrix, y, SIGMA, GAMMA, TAU)
        sizes = np.cumsum([len(o) for o in exact.prior_offsets])[:-1]
        decoded = prior.at(tuple(map(jnp.asarray, np.split(z, sizes))), SHAPE[:2])
        best = joint_objective(
            observation, jnp.asarray(x).reshape(SHAPE), decoded, TAU, GAMMA
        )

        def excess(method, steps):
            limits = {"stopping": Stopping(1e-12), "max_steps": steps}
            found = restore(method, observation, history=True, **limits)
            values = np.asarray(found.history["objective"])[: int(found.steps)]
            return values - float(best)

        settings = {"temperature": jnp.float64(TAU), "decoder_std": jnp.float64(GAMMA)}
        greedy = excess(PnPHVAE(prior, **settings), 200)
        safe = excess(
            JPMAP(prior, descent_steps=30, descent_rate=3e-3, **settings), 300
        )
    assert greedy[-1] > 0.01 and np.all(np.diff(safe) <= 0)
    print(f"J1 above the minimum: {greedy[-1]:.4f} and {safe[-1]:.5f}")
    assert -1e-9 < safe[-1] < 0.2 * greedy[-1]
