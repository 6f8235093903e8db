"""Diverse super-resolution as solve.py sees it: samples in place of iterations."""

from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.cli.levels import CHOSEN_TEMPERATURES, parse_temperature
from jaxrestore.cli.methods import schedule
from jaxrestore.cli.task import Problem, blur_kernel
from jaxrestore.data.images import write_png
from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.metrics import average_pairwise_distance, lr_psnr
from jaxrestore.priors import load_encoder
from jaxrestore.report.sheets import sheet
from jaxrestore.solvers import Status, diverse_sr
from jaxrestore.solvers.restoration import Restoration

_TEMPERATURE = 0.8  # the thesis' tables
_SHOWN = 16  # samples in the picture of all


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
        "max_steps": 50,
        "tolerance": 2e-3,
        "patience": None,
        "cg_steps": None,
    }

    def __init__(self, prior: Any, config: Any):
        encoder = load_encoder(config.encoder, prior, "config.encoder")
        if config.task != "downsample" or config.factor != encoder.config.factor:
            raise InputError(
                f"config.encoder={config.encoder}: enlarges"
                f" {encoder.config.factor} times, config.task={config.task} and"
                f" config.factor={config.factor} do not fit; take another encoder or"
                f" --config=diverse_sr_x{encoder.config.factor}"
            )
        if config.boundary != "periodic":
            raise InputError(
                f"config.boundary={config.boundary}: expected periodic with an encoder;"
                f" take --config=diverse_sr_x{config.factor}"
            )
        expected = encoder.config.operator().kernel
        given = blur_kernel(config)
        if given.shape != expected.shape or not np.allclose(given, expected, atol=1e-6):
            raise InputError(
                f"config.kernel.kind={config.kernel.kind}: is not the blur that"
                f" {config.encoder} was trained with; take"
                f" --config=diverse_sr_x{config.factor}"
            )
        self.model, self._count = (prior, encoder), config.solver.n_samples
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

    def solve(self, model, observation: Observation, settings, key) -> Restoration:
        """`diverse_sr`, with the mean of the samples as the image."""
        prior, encoder = model
        drawn = diverse_sr(
            prior,
            encoder,
            observation.y,
            key,
            self._count,
            settings["temperature"],
            operator=observation.operator,
        )
        zero, fine = jnp.int32(0), jnp.isfinite(drawn.samples).all()
        mean = drawn.samples.mean(0)
        return Restoration(
            image=mean,
            mean=mean,
            latents=(),
            steps=zero,
            residual=jnp.float32(0),
            status=jnp.where(fine, int(Status.CONVERGED), int(Status.DIVERGED)),
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
        factor = self.model[1].config.factor
        first = {
            "observed": problem.observed.repeat(factor, 0).repeat(factor, 1),
            "mean": np.mean(samples, axis=0),
            f"deviation, to {deviation.max():.3f}": map_,
        }
        if problem.clean is not None:
            first["original"] = problem.clean
        rows = [list(first.values())]
        shown = samples[:_SHOWN]
        rows += [shown[i : i + 4] for i in range(0, len(shown), 4)]
        labels = ["", *("samples" if i == 0 else "" for i in range(len(rows) - 1))]
        sheet(folder / "samples.png", rows, labels, list(first))

    def scores(self, problem: Problem, restoration: Restoration) -> dict[str, Any]:
        """Consistency of the worst sample, and how much the samples differ."""
        samples, observation = restoration.samples, problem.observation
        assert samples is not None
        consistent = jax.vmap(
            lambda x: lr_psnr(x, observation.y, observation.operator)
        )(samples)
        result: dict[str, Any] = {
            "lr_psnr": float(jnp.min(consistent)),
            "apd_mse": None,
            "deviation_max": float(jnp.std(samples, 0).max()),
        }
        if self._count > 1:
            result["apd_mse"] = float(average_pairwise_distance(samples))
        return result
