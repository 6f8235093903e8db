"""A folder of small photographs-to-be and the toy config that trains on it."""

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache
from PIL import Image

from jaxrestore.priors import CAE, VDVAE, CAEConfig, save_prior
from jaxrestore.training.config import train_config
from tests.priors.random_weights import random_prior
from tests.training import toy_config
from tests.training.tiny import TINY


@pytest.fixture(scope="package", autouse=True)
def compiled_programs(tmp_path_factory):
    """Folder that keeps compiled programs: each of these tests compiles the same."""
    folder = str(tmp_path_factory.mktemp("xla"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", folder)
        compilation_cache.reset_cache()
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
        yield folder
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.reset_cache()


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory):
    """Six smooth colour images of different sizes."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(6):
        coarse = rng.integers(0, 256, (4, 5 + i, 3), dtype=np.uint8)
        size = (40 + 7 * i, 36 + 5 * i)
        image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        image.save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def tiny_prior(tmp_path_factory):
    """A file with a small VDVAE of 8x8 grey pictures."""
    path = tmp_path_factory.mktemp("prior") / "tiny.safetensors"
    save_prior(random_prior(VDVAE, TINY), path, {})
    return path


@pytest.fixture(scope="session")
def tiny_autoencoder(tmp_path_factory):
    """A file with a small compressive autoencoder for two rates."""
    path = tmp_path_factory.mktemp("prior") / "cae.safetensors"
    config = CAEConfig("mean", 4, 3, rates=(0.01, 0.1))
    save_prior(CAE.create(config, jax.random.key(0)), path, {})
    return path


@pytest.fixture
def make_config(image_folder):
    """Toy config with overrides, e.g. make_config(total_steps=5)."""

    def make(**overrides):
        given = {"data.train": str(image_folder)} | overrides
        return train_config(toy_config.get_config(), **given)

    return make
