"""A tiny prior, a few pictures, and the command line in this process."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jaxrestore.cli.entry import run_command
from jaxrestore.experiments.command import main
from jaxrestore.priors import (
    VAE,
    VDVAE,
    GlowConfig,
    PatchVDVAE,
    VAEConfig,
    save_prior,
)
from tests.priors.random_weights import random_glow, random_prior
from tests.priors.test_lowres import SMALL, make_encoder
from tests.priors.test_tools import GREY, PATCH


def create_encoders(folder):
    """Weights "small" of a VDVAE, and "x2" of an encoder for it."""
    prior = random_prior(VDVAE, SMALL)
    save_prior(prior, folder / "small.safetensors", {})
    kernel = ((0.25, 0.25), (0.25, 0.25))
    save_prior(make_encoder(prior, kernel=kernel), folder / "x2.safetensors", {})


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Weights by name, and a folder of smooth pictures "images"."""
    folder = tmp_path_factory.mktemp("experiments")
    save_prior(random_prior(PatchVDVAE, PATCH), folder / "patch.safetensors", {})
    grey = random_prior(PatchVDVAE, replace(PATCH, image_channels=1))
    save_prior(grey, folder / "grey_patch.safetensors", {})
    save_prior(random_prior(VDVAE, GREY), folder / "vdvae.safetensors", {})
    create_encoders(folder)
    plain = random_prior(VAE, VAEConfig(image_size=16, widths=(4,), latent_dim=3))
    save_prior(plain, folder / "vae.safetensors", {})
    flow = random_glow(GlowConfig(16, 1, (1, 1), (3, 3)), scale=0.03)
    save_prior(flow, folder / "flow.safetensors", {})
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    for name in "abc":
        steps = rng.standard_normal((40, 36, 3))
        pixels = np.clip(np.cumsum(steps, 1) * 12 + 120, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Compiled programs of the tests stay out of the user's cache."""
    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture
def experiment(folder, tmp_path):
    """experiment(name, *flags) -> rows of the CSV; checks the three files."""

    def experiment(name, *flags, prior="patch", out=tmp_path / "out"):
        flags = [flag.format(folder) for flag in flags]
        where = [f"--images={folder}/images", f"--out={out}"]
        weights = f"--prior={folder}/{prior}.safetensors"
        weights = "--prior=none" if prior == "none" else weights
        arguments = ["experiments", name, *where, weights, "--quick", *flags]
        assert run_command(main, arguments) == 0
        picture = np.asarray(Image.open(out / f"{name}.png"))
        assert picture.std() > 1 and min(picture.shape[:2]) > 50
        text = (out / f"{name}.md").read_text()
        for part in ("| ---", f"experiments {name} ", "seed: 0", "optax", "device: "):
            assert part in text
        with (out / f"{name}.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    return experiment
