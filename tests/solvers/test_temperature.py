"""How temperatures are written, and what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.solvers.temperature import for_groups, linear, temperature


def test_linear_starts_at_the_top_and_stops_one_step_before_the_bottom():
    values = linear(0.8, 0.4, 4)
    np.testing.assert_allclose(values, [0.8, 0.7, 0.6, 0.5], rtol=1e-6)
    np.testing.assert_allclose(linear(0.3, 0.3, 3), 0.3)
    checked = temperature("0.8:0.4", "temperature")
    np.testing.assert_array_equal(for_groups(checked, 4), values)


@pytest.mark.parametrize("good", [0.5, "0.5", "1/2", np.float32(0.5)])
def test_one_number(good):
    assert temperature(good, "temperature") == 0.5


@pytest.mark.parametrize("good", [[1, 0.5], (1.0, 0.5), "1, 0.5", np.array([1, 0.5])])
def test_one_for_each_group(good):
    np.testing.assert_allclose(for_groups(temperature(good, "t"), 2), [1, 0.5])


BAD = [0, -0.5, 1.01, float("nan"), "warm", None, [0.5, 0], [], "0.8:0.5:0.2", "0.9,"]


@pytest.mark.parametrize("bad", BAD)
def test_values_outside_are_refused(bad):
    with pytest.raises(InputError, match="temperature=.*expected a number in"):
        temperature(bad, "temperature")


@pytest.mark.parametrize("length", [1, 3])
def test_wrong_length_is_refused(length):
    for values in [0.5] * length, jnp.full(length, 0.5):
        with pytest.raises(InputError, match="one number or 2 numbers"):
            for_groups(np.asarray(values), 2)
