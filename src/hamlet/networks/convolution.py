"""Convolutions: from an image, or a grid with layers, to a flat row of features.

    h ← relu(W ∗ h + b) for every layer, flattened;  what follows normalises it, as it does every row of features.

Images of 36 × 36 and more go through the three layers of Mnih et al., 2015: 32 filters of 8 × 8 every 4 pixels, 64 of
4 × 4 every 2, 64 of 3 × 3, without borders, unless others are asked for (`NetworkConfig.filters`). Smaller ones go
through 16 filters of 3 × 3 and 32 of 3 × 3 every 2, with borders of zeros: on a grid the edge is part of the game, and
no grid is too small.
"""

from typing import NamedTuple, TypeGuard

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from hamlet.errors import require
from hamlet.networks.init import orthogonal
from hamlet.networks.running import RunningMeanStd
from hamlet.spaces import Box, Space
from hamlet.types import Key


class Kernel(NamedTuple):
    """Filters of ``size`` × ``size`` pixels, every ``stride`` pixels; with ``border`` as if zeros lay around."""

    size: int
    filters: int
    stride: int
    border: bool


_LARGE = (Kernel(8, 32, 4, False), Kernel(4, 64, 2, False), Kernel(3, 64, 1, False))
_SMALL = (Kernel(3, 16, 1, True), Kernel(3, 32, 2, True))
# The least side from which something is left after the large kernels.
_LEAST = 36


def is_image(space: Space) -> TypeGuard[Box]:
    """Whether a space is one of images: a Box of height × width × channels."""
    return isinstance(space, Box) and len(space.shape) == 3


class Convolution(eqx.Module):
    """Layers of filters, and how bright an image can be.

    Attributes:
        weights: Of every layer, ``[filters, size · size · channels]``.
        biases: Of every layer.
        kernels: Their geometry.
        low: The least value of a pixel, taken from it; 0 where the space has no bounds.
        span: What a pixel is divided by; None where the space has no bounds: 255 for whole numbers, 1 for others.
    """

    weights: tuple[Float[Array, "_F _K"], ...]
    biases: tuple[Float[Array, " _F"], ...]
    kernels: tuple[Kernel, ...] = eqx.field(static=True)
    low: float = eqx.field(static=True)
    span: float | None = eqx.field(static=True)

    @classmethod
    def create(cls, key: Key, space: Box, kernels: tuple[Kernel, ...] = ()) -> "Convolution":
        """Orthogonal weights of gain √2, zero biases; ``kernels`` where not those that the size asks for.

        Raises:
            RequestError: If the channels seem to come first, or nothing is left of an image after the kernels.
        """
        first, second, last = space.shape
        require(
            not (first in (1, 3, 4) and second == last and last >= 8),
            f"an image of shape {space.shape} has its channels first; Hamlet takes height × width × channels, "
            f"{(second, last, first)}",
        )
        require(features(space, kernels) >= 1, f"nothing is left of an image {space.shape} after {kernels}")
        kernels, channels, weights = kernels or _kernels(space), last, []
        for kernel, layer_key in zip(kernels, jax.random.split(key, len(kernels)), strict=True):
            weights.append(orthogonal(layer_key, kernel.filters, kernel.size**2 * channels, gain=2**0.5))
            channels = kernel.filters
        low, high = (float(bound) for bound in (np.min(space.low), np.max(space.high)))
        bounded = bool(np.isfinite(low) and np.isfinite(high) and low < high)
        biases = tuple(jnp.zeros(kernel.filters) for kernel in kernels)
        return cls(tuple(weights), biases, kernels, low if bounded else 0.0, high - low if bounded else None)

    def __call__(self, image: Shaped[Array, "B R W C"]) -> Float[Array, "B F"]:
        """Features of every image, flat."""
        return self._filter(image, self.low, self._scale(image))

    def numbers(self, image: Shaped[Array, "*B R W C"]) -> Float[Array, "*B P"]:
        """An image as a row of numbers between 0 and 1, where its space has bounds."""
        scaled = (image.astype(jnp.float32) - self.low) * self._scale(image)
        return scaled.reshape(*image.shape[:-3], -1)

    def of_numbers(self, numbers: Float[Array, "B P"], shape: tuple[int, ...]) -> Float[Array, "B F"]:
        """Features of images of a shape that were made `numbers`, whatever these have become since."""
        return self._filter(numbers.reshape(-1, *shape), 0.0, 1.0)

    def standardised(self, running: RunningMeanStd, image: Shaped[Array, "B R W C"]) -> Float[Array, "B F"]:
        """Features of images that are standardised pixel by pixel."""
        return self.of_numbers(running(self.numbers(image)), image.shape[1:])

    def _scale(self, image: Shaped[Array, "*B R W C"]) -> float:
        return 1.0 / (self.span or (255.0 if jnp.issubdtype(image.dtype, jnp.integer) else 1.0))

    def _filter(self, h: Shaped[Array, "B R W C"], low: float, scale: float) -> Float[Array, "B F"]:
        for kernel, weight, bias in zip(self.kernels, self.weights, self.biases, strict=True):
            # Pixels are bytes most often, and moved as such.
            patches = (_patches(h, kernel, low).astype(jnp.float32) - low) * scale
            h, low, scale = jax.nn.relu(_filtered(patches, _as_seen(weight, kernel), bias)), 0.0, 1.0
        return h.reshape(h.shape[0], -1)


def features(space: Box, kernels: tuple[Kernel, ...] = ()) -> int:
    """How many features an image becomes."""
    (rows, columns, _), kernels = space.shape, kernels or _kernels(space)
    for kernel in kernels:
        rows, columns = (_steps(side, kernel) for side in (rows, columns))
    return rows * columns * kernels[-1].filters


def _kernels(space: Box) -> tuple[Kernel, ...]:
    return _LARGE if min(space.shape[:2]) >= _LEAST else _SMALL


def _steps(side: int, kernel: Kernel) -> int:
    return -(-side // kernel.stride) if kernel.border else max(0, (side - kernel.size) // kernel.stride + 1)


def _filtered(
    patches: Float[Array, "B R W K"], weight: Float[Array, "F K"], bias: Float[Array, " F"]
) -> Float[Array, "B R W F"]:
    """What every filter makes of what it sees: a product of matrices.

    On a CPU gradients are faster so than by the convolution that is built in, and agents of unlike weights, when they
    act together, are a batch of products.
    """
    rows = patches.reshape(-1, patches.shape[-1])
    out = rows @ weight.T + jnp.dot(jnp.ones((rows.shape[0], 1)), bias[None], precision="highest")
    return out.reshape(*patches.shape[:3], -1)


def _patches(image: Shaped[Array, "B R W C"], kernel: Kernel, blank: float) -> Shaped[Array, "B _R _W K"]:
    """What the filters see at every place, pixel by pixel; a border is blank.

    The image is cut into squares of a stride's side, and a filter sees some of them beside each other, of the last ones
    a part: 4 copies of the image where it is 8 wide every 4 pixels, rather than 64, and 1 where it is 3 wide.
    """
    size, stride, channels = kernel.size, kernel.stride, image.shape[-1]
    sides = image.shape[1:3]
    places = [_steps(side, kernel) for side in sides]
    # As many blank pixels in front as behind, or one fewer, where there is a border; then up to a whole square.
    squares = [steps + (size - 1) // stride for steps in places]
    front = [max((n - 1) * stride + size - side, 0) // 2 for n, side in zip(places, sides, strict=True)]
    image = image[:, : squares[0] * stride, : squares[1] * stride]
    behind = [n * stride - ahead - side for n, ahead, side in zip(squares, front, image.shape[1:3], strict=True)]
    image = jnp.pad(image, ((0, 0), *zip(front, behind, strict=True), (0, 0)), constant_values=blank)
    cut = image.reshape(-1, squares[0], stride, squares[1], stride * channels).transpose(0, 1, 3, 2, 4)
    parts = [(first, min(stride, size - first * stride)) for first in range(-(-size // stride))]
    patches = [
        cut[:, down : down + places[0], right : right + places[1], :height, : width * channels]
        for down, height in parts
        for right, width in parts
    ]
    return jnp.concatenate([part.reshape(*part.shape[:3], -1) for part in patches], axis=-1)


def _as_seen(weight: Float[Array, "F K"], kernel: Kernel) -> Float[Array, "F K"]:
    """The weights of every filter, row by row, in the order of `_patches`."""
    size, stride = kernel.size, kernel.stride
    if stride == 1 or size <= stride:
        return weight
    square = weight.reshape(len(weight), size, size, -1)
    parts = [slice(first, first + stride) for first in range(0, size, stride)]
    blocks = [square[:, rows, columns].reshape(len(weight), -1) for rows in parts for columns in parts]
    return jnp.concatenate(blocks, axis=1)
