"""The layers of the published PatchVDVAE in PyTorch with our weights: for times."""

import importlib
from typing import Any

import numpy as np

from jaxrestore.convert import to_state_dict
from jaxrestore.priors import PatchVDVAE

_LN2 = 0.6931472
_SLOPE = 0.1


class TorchPatchVDVAE:
    """One evaluation, encoder by Algorithm 3 and decoder, layer by layer as published.

    Args:
        prior: whose weights are taken; without the options that were not published.
        channels_last: keep images and weights as (N, H, W, C) in memory.

    Raises:
        ModuleNotFoundError: PyTorch is not installed.
    """

    def __init__(self, prior: PatchVDVAE, channels_last: bool = False):
        self.torch: Any = importlib.import_module("torch")
        self.f, self.config = self.torch.nn.functional, prior.config
        arrays = to_state_dict(prior)
        self.w = {k: self.torch.from_numpy(np.array(v)) for k, v in arrays.items()}
        self.layout = {"memory_format": self.torch.channels_last}
        self.channels_last = channels_last
        if channels_last:
            for name, value in self.w.items():
                if value.ndim == 4:
                    self.w[name] = value.contiguous(**self.layout)

    def reconstruct(self, image: np.ndarray, temperature: float) -> np.ndarray:
        """(H, W, 3) in [0, 1], sides multiples of the stride, to the decoder's mean."""
        with self.torch.inference_mode():
            x = self.torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
            x = (2 * x - 1).clamp(-1, 1)
            x = x.contiguous(**self.layout) if self.channels_last else x.contiguous()
            raw = self._top_down(self._bottom_up(x), temperature)
            mean = raw.chunk(2, 1)[0]
            return ((mean + 1) / 2).clamp(0, 1)[0].permute(1, 2, 0).numpy()

    def _bottom_up(self, x) -> list:
        """Skips, coarsest first."""
        config, skips = self.config, []
        x = self._conv("bottom_up.input_conv", x)
        for i, level in enumerate(reversed(range(len(config.strides)))):
            name = f"bottom_up.levels_up_downsample.{i}"
            for cell in range(config.cells[level]):
                x = x + self._cell(f"{name}.residual_block.{cell}", x)
            skips.append(self._conv(f"{name}.skip_projection", x))
            if level:
                pooled = self._conv(f"{name}.pool.ops.0", x, config.strides[level])
                x = self.f.leaky_relu(pooled, _SLOPE)
        return skips[::-1]

    def _top_down(self, skips, temperature):
        h = None
        for level, count in enumerate(self.config.groups):
            entry = f"top_down.levels_down_upsample.{level}"
            others = [f"top_down.levels_down.{level}.{i}" for i in range(count - 1)]
            if level:
                h = self._conv(f"{entry}.unpool.ops.0", h)
                h = self.f.leaky_relu(h, _SLOPE)
                h = self.f.interpolate(h, scale_factor=self.config.strides[level])
                h = h + self.w[f"{entry}.unpool.scale_bias"].view(1, -1, 1, 1)
            for name in (entry, *others):
                h = self._group(name, h, skips[level], temperature)
        return self._conv("top_down.output_conv", h)

    def _group(self, name: str, h, skip, temperature):
        """The latent that Algorithm 3 takes, merged into the stream."""
        seen = skip if h is None else self.torch.cat([h, skip], 1)
        features = self._cell(f"{name}.posterior_net.0", seen)
        q_mean, q_std = self._gaussian(f"{name}.posterior_layer.projection", features)
        if h is None:
            p_mean = self.w[f"{name}.prior_layer.mean"]
            p_std = self.w[f"{name}.prior_layer.std"]
        else:
            residual, features = self._cell(f"{name}.prior_net.0", h).chunk(2, 1)
            p_mean, p_std = self._gaussian(f"{name}.prior_layer.projection", features)
            h = h + residual
        squared = temperature**2
        weight = squared * p_std**2
        weight = weight / (weight + (1 - squared) * q_std**2)
        z = self._conv(f"{name}.z_projection", p_mean + weight * (q_mean - p_mean))
        h = z if h is None else h + z
        return h + self._cell(f"{name}.residual_block.0", h)

    def _gaussian(self, name: str, features):
        mean, raw = self._conv(name, features).chunk(2, 1)
        return mean, self.f.softplus(raw, _LN2)

    def _cell(self, name: str, x):
        for i in (1, 3, 5, 7):
            x = self._conv(f"{name}.convs.{i}", self.f.silu(x))
        return x

    def _conv(self, name: str, x, stride: int = 1):
        weight, bias = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        padding = weight.shape[-1] // 2 if stride == 1 else 0
        return self.f.conv2d(x, weight, bias, stride, padding)
