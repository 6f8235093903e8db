"""Configurations of compressive autoencoders, and the layers that they mean."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from jaxrestore.errors import InputError
from jaxrestore.nets.stack import Spec
from jaxrestore.priors.config import NetworkConfig, channels
from jaxrestore.settings import choice, count, flag, number, sequence, static

KINDS = ("scale", "mean", "context", "cheng_anchor", "cheng_attn")


@dataclass(frozen=True)
class CAEConfig(NetworkConfig):
    """Architecture of a compressive autoencoder.

    Attributes:
        kind: "scale" (bmshj2018-hyperprior), "mean" (mbt2018-mean), "context"
            (mbt2018, with a masked context), "cheng_anchor" or "cheng_attn" (with
            context, too).
        width: N, channels of the transforms and of h.
        latents: M, channels of z; N for the two of cheng.
        image_channels: 3 for colour, 1 for grey.
        rates: the lambdas of lambda 255^2 MSE + bits per pixel that it was trained
            for, increasing. With several, z is multiplied by a gain for each.
        deviation: a second decoder gives the standard deviation of p(x | z).
    """

    kind: str = static("mean", choice(*KINDS))
    width: int = static(192, count())
    latents: int = static(320, count())
    image_channels: int = static(3, channels)
    rates: tuple[float, ...] = static((0.013,), sequence(number(0, 1e3, above=True)))
    deviation: bool = static(False, flag)

    def __post_init__(self):
        super().__post_init__()
        if list(self.rates) != sorted(set(self.rates)):
            raise InputError(
                f"model.rates={self.rates}: expected rising numbers, lambdas such as"
                " 0.0035, 0.013, 0.0483"
            )
        if self.kind.startswith("cheng") and self.latents != self.width:
            raise InputError(
                f"model.latents={self.latents}: expected model.width={self.width}, as"
                f" model.kind={self.kind} has it"
            )

    @property
    def context(self) -> bool:
        """Whether z's density looks at z itself."""
        return self.kind not in ("scale", "mean")

    def gamma(self, rate: float) -> float:
        """gamma with which the VAE of that rate is this autoencoder, [0, 1] units.

        gamma^2 = C / (2 log 2 lambda 255^2): then -ELBO in nats is
        log 2 (lambda 255^2 MSE + bits per pixel) per pixel, and a constant.
        """
        return math.sqrt(self.image_channels / (2 * math.log(2) * rate)) / 255


class Layers(NamedTuple):
    """The stacks of a network."""

    analysis: Spec
    synthesis: Spec
    hyper_analysis: Spec
    hyper_synthesis: Spec
    parameters: Spec  # of z's density, () without a context


def layers(config: CAEConfig) -> Layers:
    """The stacks of a configuration, layer by layer as in CompressAI."""
    n, m, c = config.width, config.latents, config.image_channels
    dense: Spec = ()
    if config.context:
        steps = [("dense", m * 10 // 3), ("dense", m * 8 // 3), ("dense", 2 * m)]
        dense = _between(steps, "leaky")
    if config.kind.startswith("cheng"):
        four = _cheng(n, c, config.kind == "cheng_attn")
        return Layers(four[0], four[1], four[2], four[3], dense)
    down = _between([("halve", n)] * 3 + [("halve", m)], "gdn")
    up = _between([("double", n)] * 3 + [("double", c)], "igdn")
    if config.kind == "scale":
        hyper = _between([("conv", n), ("halve", n), ("halve", n)], "relu")
        back = _between([("double", n), ("double", n), ("conv", m)], "relu")
        return Layers(down, up, hyper, (*back, ("relu", 0)), dense)
    hyper = _between([("conv", n), ("halve", n), ("halve", n)], "leaky")
    back = [("double", m), ("double", m * 3 // 2), ("conv", 2 * m)]
    return Layers(down, up, hyper, _between(back, "leaky"), dense)


def _between(steps, activation: str) -> Spec:
    """The steps with an activation after all but the last."""
    pairs = [(step, (activation, 0)) for step in steps]
    return tuple(layer for pair in pairs for layer in pair)[:-1]


def _cheng(n: int, image_channels: int, attention: bool) -> tuple[Spec, ...]:
    residual, down, up = ("residual", n), ("residual_halve", n), ("residual_double", n)
    attend = (("attention", n),) if attention else ()
    analysis = (down, residual, down, *attend, residual, down, residual)
    synthesis = (*attend, residual, up, residual, up, *attend, residual, up, residual)
    steps = [("conv", n), ("conv", n), ("halve3", n), ("conv", n), ("halve3", n)]
    wide = n * 3 // 2
    back = [("conv", n), ("shuffle", n), ("conv", wide), ("shuffle", wide)]
    return (
        (*analysis, ("halve3", n), *attend),
        (*synthesis, ("shuffle", image_channels)),
        _between(steps, "leaky"),
        _between([*back, ("conv", 2 * n)], "leaky"),
    )


# The zoo's: name -> (kind, N and M up to a quality, that quality, N and M above).
_LAMBDAS = (0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483, 0.0932, 0.1800)
_ZOO = {
    "bmshj2018-hyperprior": ("scale", (128, 192), 5, (192, 320), 8),
    "mbt2018-mean": ("mean", (128, 192), 4, (192, 320), 8),
    "mbt2018": ("context", (192, 192), 4, (192, 320), 8),
    "cheng2020-anchor": ("cheng_anchor", (128, 128), 3, (192, 192), 6),
    "cheng2020-attn": ("cheng_attn", (128, 128), 3, (192, 192), 6),
}


def published() -> dict[str, CAEConfig]:
    """CompressAI's networks for the mean squared error, "mbt2018-mean-5" and so on."""
    found = {}
    for name, (kind, small, last, large, qualities) in _ZOO.items():
        for quality in range(1, qualities + 1):
            width, latents = small if quality <= last else large
            rates = (_LAMBDAS[quality - 1],)
            found[f"{name}-{quality}"] = CAEConfig(kind, width, latents, rates=rates)
    return found
