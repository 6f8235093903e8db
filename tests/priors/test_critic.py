"""The critic: what it sees, what it counts, its gradient, its file."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxrestore.errors import InputError
from jaxrestore.nets.convolution import _plain, convolve
from jaxrestore.priors import Critic, CriticConfig, load_prior, save_prior
from tests.contracts.cases import laws, normal, relative

PROFILE = np.array([1, 3, 6, 7, 6, 3, 1])  # three times [1, 1, 1]
SMALL = CriticConfig(widths=(4, 3), image_channels=1)  # sees 7x7


@pytest.fixture(scope="module")
def critic():
    return Critic.create(CriticConfig(), jax.random.key(0))


def small(boundary="valid", seed=0):
    config = replace(SMALL, boundary=boundary)
    return Critic.create(config, jax.random.key(seed))


def summing(boundary):
    """A critic that adds up its patch with weights PROFILE x PROFILE."""
    critic = small(boundary)

    def fill(path, leaf):
        is_kernel = "kernel" in path[-1].key
        return jnp.full(leaf.shape, 1 / leaf.shape[2] if is_kernel else 0.0)

    return Critic(jax.tree_util.tree_map_with_path(fill, critic.params), critic.config)


def test_published_size(critic):
    assert critic.config.receptive_field == 15
    assert sum(leaf.size for leaf in jax.tree.leaves(critic)) == 107_265


def test_receptive_field_is_15_pixels(critic):
    image = jax.random.uniform(jax.random.key(1), (31, 33, 3))
    assert critic.score_map(image).shape == (17, 19)
    centre = jax.jit(jax.grad(lambda x: critic.score_map(x)[8, 9]))(image)
    seen = np.argwhere(np.abs(centre).max(-1) > 0)
    np.testing.assert_array_equal(seen.min(0), [8, 9])
    np.testing.assert_array_equal(seen.max(0), [22, 23])


def test_map_holds_the_scores_of_the_patches(critic):
    image = jax.random.uniform(jax.random.key(1), (17, 16, 3))
    patches = [image[i : i + 15, j : j + 15] for i in range(3) for j in range(2)]
    scores = critic.score_patches(jnp.stack(patches)).reshape(3, 2)
    np.testing.assert_allclose(critic.score_map(image), scores, rtol=1e-4, atol=1e-6)
    valid = replace(critic, config=replace(critic.config, boundary="valid"))
    np.testing.assert_allclose(valid(image), scores.mean(), rtol=1e-4, atol=1e-6)


def test_mirrored_images_count_each_pixel_equally():
    image = jnp.ones((9, 11, 1))
    counts = summing("symmetric").gradient(image) * image.size
    np.testing.assert_allclose(counts, PROFILE.sum() ** 2, rtol=1e-5)


def test_inner_patches_count_the_border_less():
    image = jnp.ones((9, 11, 1))
    counts = summing("valid").gradient(image)[..., 0] * (3 * 5)
    rows, columns = (np.convolve(np.ones(n), PROFILE) for n in (3, 5))
    np.testing.assert_allclose(counts, np.outer(rows, columns), rtol=1e-5)


@pytest.mark.parametrize("boundary", ["valid", "symmetric"])
def test_gradient_against_finite_differences(boundary):
    critic, image = small(boundary, seed=3), normal(4, (9, 8, 1))
    direction, step = normal(5, image.shape), 1e-3
    change = critic(image + step * direction) - critic(image - step * direction)
    inner = jnp.vdot(critic.gradient(image), direction)
    np.testing.assert_allclose(change / (2 * step), inner, rtol=2e-2)


@pytest.mark.slow
def test_vmap_is_a_loop_and_large_images_are_fine():
    critic, images = small("symmetric"), normal(0, (3, 12, 9, 1))
    one_by_one = jnp.stack([critic.gradient(image) for image in images])
    assert relative(jax.vmap(critic.gradient)(images), one_by_one) < 1e-5


def test_images_that_do_not_fit(critic):
    valid = replace(critic, config=replace(critic.config, boundary="valid"))
    with pytest.raises(InputError, match=r"14, 20, 3.*at least 15x15"):
        valid(jnp.zeros((14, 20, 3)))
    with pytest.raises(InputError, match="3 channels"):
        critic(jnp.zeros((20, 20, 1)))
    assert np.isfinite(critic(jnp.zeros((2, 20, 3))))


@pytest.mark.parametrize(
    ("field", "value"), [("widths", ()), ("image_channels", 2), ("boundary", "same")]
)
def test_config_errors(field, value):
    with pytest.raises(InputError, match=rf"model\.{field}="):
        CriticConfig(**{field: value})


def test_weights_file(tmp_path):
    critic = small("valid")
    save_prior(critic, tmp_path / "c.safetensors", {"step": "1"})
    again = load_prior(tmp_path / "c.safetensors")
    assert again.config == critic.config
    jax.tree.map(np.testing.assert_array_equal, again.params, critic.params)


@pytest.mark.slow
@laws
@given(st.integers(0, 9999), st.integers(3, 9), st.integers(1, 4), st.integers(0, 1))
def test_own_rule_is_the_convolution_and_its_derivatives(seed, side, depth, padding):
    x, kernel = normal(seed, (2, side, 5, depth)), normal(1, (3, 3, depth, 5))
    second, weights = normal(2, (3, 3, 5, 5)), normal(3, (2, side + 2, 7, 5))

    def derivatives(rule):
        """As in the criterion: a gradient with respect to x, differentiated again."""

        def inner(x, kernel):
            # Two layers, so that the inner gradient depends on the kernel and on x.
            h = jnp.pad(
                jnp.tanh(rule(x, kernel, padding)), [(0, 0), *[(1, 1)] * 2, (0, 0)]
            )
            h = rule(h, second, padding)
            return jnp.sum(weights[:, : h.shape[1], : h.shape[2]] * h)

        def slopes(kernel):
            return jnp.sum(jax.grad(inner)(x, kernel) ** 2)

        first = jax.value_and_grad(inner, (0, 1))(x, kernel)
        return first, jax.value_and_grad(slopes)(kernel)

    own, native = derivatives(convolve), derivatives(_plain)
    for a, b in zip(jax.tree.leaves(own), jax.tree.leaves(native), strict=True):
        assert relative(a, b) < 1e-4
