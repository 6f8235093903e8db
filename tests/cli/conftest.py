"""Small weights and small images for the command line."""

import dataclasses
import functools
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from jaxrestore import priors
from jaxrestore.cli.entry import run_command
from jaxrestore.cli.solve import main
from jaxrestore.pytrees import pytree


@pytree
@dataclasses.dataclass(frozen=True)
class ToyPrior:
    """Smooths along the rows; compiles fast."""

    gain: float = 1.0

    num_groups = 3
    config = priors.PatchVDVAEConfig()

    def reconstruct(self, image, temperature, encoder_noise=None):
        tau = jax.numpy.mean(temperature)
        mean = tau * image + (1 - tau) * jax.numpy.roll(image, 1, 1)
        mean = self.gain * mean
        ones = jax.numpy.ones_like(image)
        return priors.Reconstruction(mean, ones, (image,), jax.numpy.zeros(3))


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """An untrained network of stride 4 with three latent groups."""
    config = priors.PatchVDVAEConfig(
        strides=(1, 2, 2),
        groups=(1, 1, 1),
        cells=(1, 1, 1),
        top_down_filters=(8, 8, 8),
        bottom_up_filters=(8, 8, 8),
        kernel_sizes=(1, 3, 3),
        latent_channels=2,
        skip_filters=8,
    )
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    create = jax.jit(functools.partial(priors.PatchVDVAE.create, config))
    priors.save_prior(create(jax.random.key(0)), path, {})
    return path


@pytest.fixture
def toy(weights, tmp_path, monkeypatch):
    """A file that every prior is loaded from, as a `ToyPrior`."""
    monkeypatch.setattr(priors, "load_prior", lambda path: ToyPrior())
    return shutil.copy(weights, tmp_path / "toy.safetensors")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Compiled programs of the tests stay out of the user's cache."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


@pytest.fixture
def run(toy, tmp_path, capsys):
    """run(*arguments) -> (exit code, stdout, stderr), with small settings."""

    def run(*arguments, output=tmp_path / "out", prior=toy):
        own = f"--prior={prior}", f"--output={output}", "--config.kernel.size=5"
        if not any(str(argument).startswith("--kernel=") for argument in arguments):
            own += ("--config.kernel.kind=gaussian",)
        short = "--config.stopping.max_steps=2"
        code = run_command(main, ["solve.py", *own, short, *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def photo(tmp_path):
    """photo(name, shape) -> path of a smooth random picture."""

    def photo(name="photo.png", shape=(32, 40, 3), seed=0):
        rng = np.random.default_rng(seed)
        pixels = np.cumsum(rng.standard_normal(shape), 1) * 12 + 120
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        pixels = np.clip(pixels, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return photo
