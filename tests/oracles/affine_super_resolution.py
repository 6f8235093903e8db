"""An affine hierarchy that draws, and its exact low-resolution encoder."""

from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from tests.oracles.affine_hierarchy import _joint, exact_hierarchy


@dataclass(frozen=True)
class Model:
    """p(z, x) jointly Gaussian, with p(x | z_<k), p(z | x) and p(z_<k | H x) from it.

    Draws are by the means and covariances of the joint distribution alone, so that
    what `consistency` makes of them can be compared with closed forms.
    """

    mean: np.ndarray
    covariance: np.ndarray
    sizes: tuple[int, ...]
    shape: tuple[int, int, int]
    matrix: np.ndarray  # H, (m, H W C)
    config: Any = field(default=None)

    @property
    def num_groups(self):
        return len(self.sizes)

    def first(self, k):
        """Indices of z_<k."""
        return np.arange(sum(self.sizes[:k]))

    @property
    def pixels(self):
        return np.arange(sum(self.sizes), len(self.mean))

    def given(self, of, seen, lift=None):
        """Mean map, offset and covariance of block `of` given `seen` (or lift @ it)."""
        lift = np.eye(len(seen)) if lift is None else lift
        cross = self.covariance[np.ix_(of, seen)] @ lift.T
        own = lift @ self.covariance[np.ix_(seen, seen)] @ lift.T
        gain = np.linalg.solve(own, cross.T).T if len(own) else np.zeros((len(of), 0))
        offset = self.mean[of] - gain @ (lift @ self.mean[seen])
        return gain, offset, self.covariance[np.ix_(of, of)] - gain @ cross.T

    def draw(self, key, shape):
        """z from p(z)."""
        z = self.first(self.num_groups)
        return self._sample(key, self.mean[z], self.covariance[np.ix_(z, z)])

    def conditional(self, latents, key, shape, temperature=1.0, groups=None, pixels=0):
        """x from p(x | z_<k)."""
        assert pixels, "the toy draws"
        branches = [self._image_given(k) for k in range(self.num_groups + 1)]
        return jax.lax.switch(groups, branches, latents, key)

    def encode(self, image, key):
        """z from p(z | x)."""
        gain, offset, left = self.given(self.first(self.num_groups), self.pixels)
        return self._sample(key, gain @ image.ravel() + offset, left)

    def _image_given(self, k):
        gain, offset, left = self.given(self.pixels, self.first(k))

        def branch(latents, key):
            mean = gain @ latents[: len(self.first(k))] + offset
            return self._sample(key, mean, left).reshape(self.shape)

        return branch

    def _sample(self, key, mean, covariance):
        root = np.linalg.cholesky(covariance + 1e-12 * np.eye(len(covariance)))
        return mean + root @ jax.random.normal(key, mean.shape)


def model(seed, matrix, std=0.2, groups=(2, 3)):
    """The joint distribution of an exact hierarchy with a low-resolution matrix."""
    hierarchy = exact_hierarchy(seed, (4, 4, 1), groups, std=std, gain=1.0)
    mean, covariance = _joint(hierarchy)
    return Model(mean, covariance, groups, hierarchy.shape, matrix, Config(4))


@dataclass(frozen=True)
class Config:
    image_size: int


@dataclass(frozen=True)
class Encoder:
    """p(z_<k | y = H x) of a `Model`, as `LowResEncoder` is used."""

    model: Model
    operator_: Any

    @property
    def config(self):
        return self

    @property
    def num_groups(self):
        return self.model.num_groups

    def operator(self):
        return self.operator_

    def features(self, y):
        return y

    def sample(self, prior, features, key, groups=None, pixels=False):
        code_key, image_key = jax.random.split(key)
        codes = self.model.first(self.num_groups)
        gain, offset, left = self.model.given(
            codes, self.model.pixels, self.model.matrix
        )
        z = self.model._sample(code_key, gain @ features.ravel() + offset, left)
        return prior.conditional(z, image_key, None, groups=groups, pixels=pixels)
