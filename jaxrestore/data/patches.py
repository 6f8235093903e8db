"""One random training patch out of an image pyramid."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class RandomPatch:
    """Cut a random patch at a random scale, flip it, and make it continuous.

    Attributes:
        patch_size: side in pixels.
        num_scales: how many scales to draw from, uniformly. A scale that the image
            is too small for falls back to its coarsest usable one.
        flip: mirror left-right with probability one half.
        dequantise: (v + u) / 256 with u uniform on [0, 1), the density that a bin
            of integers stands for; otherwise v / 255.
    """

    patch_size: int
    num_scales: int
    flip: bool = True
    dequantise: bool = True

    def __call__(
        self, pyramid: tuple[np.ndarray, ...], rng: np.random.Generator
    ) -> np.ndarray:
        """Draw one patch.

        Args:
            pyramid: uint8 arrays (H, W, C), finest first, each at least a patch.
            rng: source of all randomness.

        Returns:
            float32 (patch_size, patch_size, C) in [0, 1].
        """
        scale = int(rng.integers(self.num_scales))
        image = pyramid[min(scale, len(pyramid) - 1)]
        top = int(rng.integers(image.shape[0] - self.patch_size + 1))
        left = int(rng.integers(image.shape[1] - self.patch_size + 1))
        patch = image[top : top + self.patch_size, left : left + self.patch_size]
        if self.flip and rng.random() < 0.5:
            patch = patch[:, ::-1]
        if not self.dequantise:
            return patch.astype(np.float32) / np.float32(255)
        noise = rng.random(patch.shape, dtype=np.float32)
        return (patch + noise) / np.float32(256)
