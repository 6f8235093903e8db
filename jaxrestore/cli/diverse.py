"""Diverse super-resolution as solve.py sees it: samples in place of iterations."""

from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.cli.levels import CHOSEN_TEMPERATURES, parse_temperature
from jaxrestore.cli.methods import schedule
from jaxrestore.cli.task import Problem
from jaxrestore.data.images import write_png
from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.metrics import average_pairwise_distance, lr_psnr
from jaxrestore.priors import load_prior
from jaxrestore.priors.hvae.lowres import LowResEncoder
from jaxrestore.report.sheets import sheet
from jaxrestore.solvers import Status, diverse_sr
from jaxrestore.solvers.restoration import Restoration

_TEMPERATURE = 0.8  # the thesis' tables


class Diverse:
    """`solvers.diverse_sr` with the settings of solve.py.

    Args:
        prior: The VDVAE.
        config: Validated settings; `encoder` names the encoder.

    Raises:
        InputError: The encoder was trained for another prior, factor or kernel.
    """

    remedy = "lower --config.solver.temperature"
    unused: ClassVar = {
        "decoder_std": "auto",
        "encoder_noise": "auto",
        "weight": "auto",
        "scaling": "pixel",
        "descent": "adam",
        "patience": None,
        "cg_steps": None,
    }

    def __init__(self, prior: Any, config: Any):
        encoder = load_prior(config.encoder)
        if not isinstance(encoder, LowResEncoder):
            raise InputError(
                f"config.encoder={config.encoder}: is a {type(encoder).__name__},"
                " expected a low-resolution encoder such as cvdvae-faces64-x4"
            )
        encoder.check_prior(prior)
        if config.task != "downsample" or config.factor != encoder.config.factor:
            raise InputError(
                f"config.encoder={config.encoder}: enlarges"
                f" {encoder.config.factor} times, config.task={config.task} and"
                f" config.factor={config.factor} do not fit; take another encoder or"
                f" --config=diverse_sr_x{encoder.config.factor}"
            )
        self._encoder, self._count = encoder, config.solver.n_samples
        self._key = jax.random.key(config.seed)
        tau = parse_temperature(config.solver.temperature, "config.solver.temperature")
        if tau in CHOSEN_TEMPERATURES:
            raise InputError(
                f"config.solver.temperature={tau}: nothing is chosen by this method,"
                " expected a number in (0, 1] such as 0.8"
            )
        tau = _TEMPERATURE if tau == "table" else tau
        self._temperature = schedule(tau, prior.num_groups)
        names = [f"sample_{i:02d}.png" for i in range(self._count)]
        self.files = ("samples.png", "deviation.png", *names)

    def settings(self, noise_std: float) -> dict[str, Any]:
        """The temperature, whatever the noise level."""
        return {"temperature": self._temperature}

    def solve(self, prior, observation: Observation, settings) -> Restoration:
        """`diverse_sr`, with the mean of the samples as the image."""
        drawn = diverse_sr(
            prior,
            self._encoder,
            observation.y,
            self._key,
            self._count,
            settings["temperature"],
            operator=observation.operator,
        )
        zero = jnp.int32(0)
        mean = drawn.samples.mean(0)
        return Restoration(
            image=mean,
            mean=mean,
            latents=(),
            steps=zero,
            residual=jnp.float32(0),
            status=jnp.int32(Status.CONVERGED),
            history=None,
            evaluations=zero + self._count,
            gradients=zero,
            samples=drawn.samples,
        )

    def write(self, folder: Path, problem: Problem, restoration: Restoration) -> None:
        """The samples one by one, all in one picture, and how much they differ."""
        assert restoration.samples is not None
        samples = [problem.crop(sample) for sample in restoration.samples]
        for name, sample in zip(self.files[2:], samples, strict=True):
            write_png(folder / name, sample, problem.bit_depth)
        deviation = np.std(samples, axis=0)
        map_ = deviation / max(float(deviation.max()), 1e-6)
        write_png(folder / "deviation.png", map_, problem.bit_depth)
        factor = self._encoder.config.factor
        first = {
            "observed": problem.observed.repeat(factor, 0).repeat(factor, 1),
            "mean": np.mean(samples, axis=0),
            f"deviation, to {deviation.max():.3f}": map_,
        }
        if problem.clean is not None:
            first["original"] = problem.clean
        rows = [list(first.values())]
        rows += [samples[i : i + 4] for i in range(0, len(samples), 4)]
        labels = ["", *("samples" if i == 0 else "" for i in range(len(rows) - 1))]
        sheet(folder / "samples.png", rows, labels, list(first))

    def scores(self, problem: Problem, restoration: Restoration) -> dict[str, Any]:
        """Consistency of the worst sample, and how much the samples differ."""
        samples, observation = restoration.samples, problem.observation
        assert samples is not None
        consistent = jax.vmap(
            lambda x: lr_psnr(x, observation.y, observation.operator)
        )(samples)
        result = {"lr_psnr": float(jnp.min(consistent)), "apd_mse": None}
        if self._count > 1:
            result["apd_mse"] = float(average_pairwise_distance(samples))
        return result
