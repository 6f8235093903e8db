"""Our PatchVDVAE gives the numbers of the authors' code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.priors.hvae.gaussian import Gaussian
from jaxrestore.priors.hvae.patch_vdvae import to_network
from jaxrestore.priors.hvae.rules import Tempered
from jaxrestore.training.recipes.patch_vdvae import (
    balanced_kl,
    kl_weight,
    reconstruction_kl,
)
from tests.parity import golden

# The authors' own float32 error, against float64, is 5e-7 on images, 3e-6 on latents
# and 6e-4 nats on sums of a few thousand elements; we allow five times as much.
IMAGE, LATENT, NATS = 2.5e-6, 1.5e-5, 3e-3


@pytest.fixture(scope="module")
def prior():
    return golden.prior()


@pytest.fixture(scope="module")
def stored():
    return golden.load("patchvdvae_tiny")


@pytest.fixture(scope="module")
def images(stored):
    return jnp.asarray(stored["x"], jnp.float32) / 255.0


def test_weight_count(prior):
    assert sum(leaf.size for leaf in jax.tree.leaves(prior)) == 31_981


def test_tempered_reconstruction(prior, stored, images):
    tau = jnp.asarray(stored["temperature"])
    ours = jax.jit(jax.vmap(lambda image: prior.reconstruct(image, tau)))(images)
    np.testing.assert_allclose(
        golden.thin(ours.mean, stored["mean"]), stored["mean"], atol=IMAGE
    )
    std = golden.thin(ours.std, stored["std"])
    np.testing.assert_allclose(2 * std, stored["std"], atol=IMAGE)
    for group, latent in enumerate(ours.latents):
        theirs = stored[f"z/{group:02d}"]
        np.testing.assert_allclose(golden.thin(latent, theirs), theirs, atol=LATENT)
    np.testing.assert_allclose(ours.log_prior.T, stored["log_prior"], atol=NATS)


def test_not_square_and_out_of_range(prior, stored):
    image, tau = jnp.asarray(stored["rect/x"][0]), jnp.asarray(stored["temperature"])
    ours = jax.jit(prior.reconstruct)(image, tau)
    theirs = stored["rect/mean"][0]
    np.testing.assert_allclose(
        ours.mean[:: 64 // theirs.shape[0], :: 192 // theirs.shape[1]],
        theirs,
        atol=IMAGE,
    )
    np.testing.assert_allclose(
        ours.log_prior, stored["rect/log_prior"][:, 0], atol=NATS
    )


def _posterior_means(prior, images):
    """Statistics of both distributions where every latent is the posterior mean."""

    def walk(image):
        decoded, groups = prior._walk(
            Tempered(jnp.float32(1)),
            prior.skips(image),
            image.shape[:2],
            lambda *a: a,
        )
        return decoded, groups

    return jax.jit(jax.vmap(walk))(images)


def test_statistics_and_kl_at_the_posterior_mean(prior, stored, images):
    _, groups = _posterior_means(prior, images)
    for group, (_, p, q) in enumerate(groups):
        for name, ours in (
            ("p_mean", p.mean),
            ("p_std", p.std),
            ("q_mean", q.mean),
            ("q_std", q.std),
        ):
            theirs = stored[f"{name}/{group:02d}"]
            np.testing.assert_allclose(
                golden.thin(ours, theirs), theirs, atol=2.5e-5, err_msg=name
            )
        kl = jax.vmap(lambda p, q: Gaussian(*p).kl_from(Gaussian(*q)))(p, q)
        np.testing.assert_allclose(kl, stored["kl"][group], rtol=1e-5, atol=NATS)


def test_training_loss(prior, stored, images):
    decoded, groups = _posterior_means(prior, images)
    target = to_network(images)
    size = len(images) * 128 * 128 * 3  # the published normaliser
    rec = reconstruction_kl(target, decoded) / size
    np.testing.assert_allclose(rec, stored["elbo/rec_loss"], rtol=1e-5)
    kl = jnp.stack(
        [jax.vmap(lambda p, q: p.kl_from(q))(p, q).sum() for _, p, q in groups]
    )
    np.testing.assert_allclose(kl / size, stored["elbo/kl_loss"], rtol=1e-4, atol=1e-8)
    elements = jnp.array([z[0].size for z, _, _ in groups])
    for step, weight in zip(
        (0, 1000, 8000, 20000), stored["elbo/kl_weight_steps"], strict=True
    ):
        beta = kl_weight(jnp.float32(step), 21, 5000)
        np.testing.assert_allclose(beta, weight, rtol=1e-6)
        total = balanced_kl(kl, elements) if step <= 10_000 else kl.sum()
        np.testing.assert_allclose(
            rec + beta * total / size, stored[f"elbo/total_loss_step{step}"], rtol=1e-5
        )
