import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.solvers import temperature


def test_linear_starts_at_the_top_and_stops_one_step_before_the_bottom():
    values = temperature.linear(0.8, 0.4, 4)
    np.testing.assert_allclose(values, [0.8, 0.7, 0.6, 0.5], rtol=1e-6)
    np.testing.assert_allclose(temperature.linear(0.3, 0.3, 3), 0.3)


def test_constant_and_explicit():
    assert temperature.constant(0.5).shape == ()
    np.testing.assert_allclose(temperature.explicit([1, 0.5], 2), [1, 0.5])
    array = jnp.array([0.5, 0.4])
    assert temperature.check(array, 2) is array


@pytest.mark.parametrize("bad", [0, -0.5, 1.01, float("nan"), "warm", None, [0.5, 0]])
def test_values_outside_are_refused(bad):
    with pytest.raises(InputError, match="temperature is .*expected numbers above 0"):
        temperature.check(bad)


@pytest.mark.parametrize("length", [1, 3])
def test_wrong_length_is_refused(length):
    with pytest.raises(InputError, match="one number or 2 numbers"):
        temperature.explicit([0.5] * length, 2)
    with pytest.raises(InputError, match="2 numbers"):
        temperature.check(jnp.full(length, 0.5), 2)


def test_linear_refuses_no_groups():
    with pytest.raises(InputError, match="num_groups"):
        temperature.linear(0.5, 0.5, 0)
