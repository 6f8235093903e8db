"""The layers of rosinality's Glow in PyTorch, run with our weights: for times."""

import importlib
import math
from typing import Any

import numpy as np

from jaxrestore.convert import to_state_dict
from jaxrestore.priors import Glow


class TorchGlow:
    """An additive Glow mixed by PLU factors, layer by layer as in that code.

    Args:
        prior: whose weights are taken.

    Raises:
        ModuleNotFoundError: PyTorch is not installed.
    """

    def __init__(self, prior: Glow):
        self.torch: Any = importlib.import_module("torch")
        self.f, self.config = self.torch.nn.functional, prior.config
        arrays = to_state_dict(prior)
        self.w = {k: self.torch.from_numpy(np.array(v)) for k, v in arrays.items()}
        for name in self.trained():
            self.w[name].requires_grad_()

    def trained(self) -> list[str]:
        """The names of weights that training changes."""
        fixed = ("w_p", "s_sign", "_mask", "l_eye", "initialized")
        return [name for name in self.w if not name.endswith(fixed)]

    def log_prob(self, x: Any) -> Any:
        """(N, C, S, S) in [0, 1] -> (N,) nats."""
        last = len(self.config.steps) - 1
        x, total = x - 0.5, self.torch.zeros(())
        for block, count in enumerate(self.config.steps):
            x = self._squeeze(x)
            for i in range(count):
                x, log_det = self._step(f"blocks.{block}.flows.{i}", x)
                total = total + log_det
            kept, new = x.chunk(2, 1) if block < last else (self.torch.zeros_like(x), x)
            mean, log_std = self._prior(block, kept)
            square = (new - mean) ** 2 / (2 * log_std).exp()
            total = total - (square / 2 + log_std).flatten(1).sum(1)
            total = total - math.log(2 * math.pi) / 2 * new[0].numel()
            x = kept
        return total

    def decode(self, latents: list[Any]) -> Any:
        """Whitened latents (N, C, S, S), finest first -> images in [0, 1]."""
        x: Any = None
        for block in reversed(range(len(self.config.steps))):
            z = latents[block]
            kept = self.torch.zeros_like(z) if x is None else x
            mean, log_std = self._prior(block, kept)
            new = mean + log_std.exp() * z
            x = new if x is None else self.torch.cat([kept, new], 1)
            for i in reversed(range(self.config.steps[block])):
                x = self._back(f"blocks.{block}.flows.{i}", x)
            n, c, height, width = x.shape
            x = x.view(n, c // 4, 2, 2, height, width).permute(0, 1, 4, 2, 5, 3)
            x = x.reshape(n, c // 4, 2 * height, 2 * width)
        return x + 0.5

    def _prior(self, block: int, kept):
        return self._zero(f"blocks.{block}.prior", kept).chunk(2, 1)

    def _squeeze(self, x):
        n, c, height, width = x.shape
        x = x.view(n, c, height // 2, 2, width // 2, 2).permute(0, 1, 3, 5, 2, 4)
        return x.reshape(n, 4 * c, height // 2, width // 2)

    def _step(self, name: str, x):
        w, pixels = self.w, x.shape[2] * x.shape[3]
        scale = w[f"{name}.actnorm.scale"]
        x = scale * (x + w[f"{name}.actnorm.loc"])
        log_det = pixels * scale.abs().log().sum()
        x = self.f.conv2d(x, self._matrix(f"{name}.invconv")[:, :, None, None])
        log_det = log_det + pixels * w[f"{name}.invconv.w_s"].sum()
        a, b = x.chunk(2, 1)
        return self.torch.cat([a, b + self._net(name, a)], 1), log_det

    def _back(self, name: str, x):
        a, b = x.chunk(2, 1)
        x = self.torch.cat([a, b - self._net(name, a)], 1)
        inverse = self._matrix(f"{name}.invconv").inverse()
        x = self.f.conv2d(x, inverse[:, :, None, None])
        actnorm = f"{name}.actnorm"
        return x / self.w[f"{actnorm}.scale"] - self.w[f"{actnorm}.loc"]

    def _matrix(self, mixing: str):
        w = self.w
        log_scale = w[f"{mixing}.w_s"]
        lower = w[f"{mixing}.w_l"] * w[f"{mixing}.l_mask"] + w[f"{mixing}.l_eye"]
        diagonal = self.torch.diag(w[f"{mixing}.s_sign"] * log_scale.exp())
        upper = w[f"{mixing}.w_u"] * w[f"{mixing}.u_mask"] + diagonal
        return w[f"{mixing}.w_p"] @ lower @ upper

    def _net(self, name: str, a):
        w, net = self.w, f"{name}.coupling.net"
        h = self.f.conv2d(a, w[f"{net}.0.weight"], w[f"{net}.0.bias"], padding=1)
        h = self.f.conv2d(h.relu(), w[f"{net}.2.weight"], w[f"{net}.2.bias"])
        return self._zero(f"{net}.4", h.relu())

    def _zero(self, name: str, x):
        x = self.f.pad(x, [1, 1, 1, 1], value=1)
        weight, bias = self.w[f"{name}.conv.weight"], self.w[f"{name}.conv.bias"]
        return self.f.conv2d(x, weight, bias) * (3 * self.w[f"{name}.scale"]).exp()
