"""Convolutions: from an image, or a grid with layers, to a flat vector of features.

    h ← relu(W ∗ h + b) for every layer (h features, W weights, b bias), then flattened.

The layer after the convolution normalises these features, as it normalises every feature vector.

The default kernels depend on the size of the image. `NetworkConfig.filters` replaces them.

* Images of at least 36 × 36 pixels pass through the three layers of Mnih et al., 2015: 32 filters of 8 × 8 with stride
  4, 64 filters of 4 × 4 with stride 2, 64 filters of 3 × 3 with stride 1. These layers use no padding.
* Smaller images pass through 16 filters of 3 × 3 with stride 1 and 32 filters of 3 × 3 with stride 2, padded with
  zeros. On a grid the edge is part of the game, and with padding a grid of any size can be used.
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
    """Filters of ``size`` × ``size`` pixels, ``stride`` pixels apart; ``border`` pads the image with zeros."""

    size: int
    filters: int
    stride: int
    border: bool


_LARGE = (Kernel(8, 32, 4, False), Kernel(4, 64, 2, False), Kernel(3, 64, 1, False))
_SMALL = (Kernel(3, 16, 1, True), Kernel(3, 32, 2, True))
# The smallest side length for which the large kernels have an output.
_LEAST = 36


def is_image(space: Space) -> TypeGuard[Box]:
    """Return whether a space contains images: a Box of height × width × channels."""
    return isinstance(space, Box) and len(space.shape) == 3


class Convolution(eqx.Module):
    """Layers of filters, and the range of an image's pixel values.

    Attributes:
        weights: For every layer, ``[filters, size · size · channels]``.
        biases: For every layer, ``[filters]``.
        kernels: Size, number, stride and padding of each layer's filters.
        low: The smallest pixel value, which is subtracted from every pixel; 0 if the space has no bounds.
        span: The number that pixels are divided by. None if the space has no bounds: then integers are divided by 255,
            and floats by 1.
    """

    weights: tuple[Float[Array, "_F _K"], ...]
    biases: tuple[Float[Array, " _F"], ...]
    kernels: tuple[Kernel, ...] = eqx.field(static=True)
    low: float = eqx.field(static=True)
    span: float | None = eqx.field(static=True)

    @classmethod
    def create(cls, key: Key, space: Box, kernels: tuple[Kernel, ...] = ()) -> "Convolution":
        """Create layers with orthogonal weights of gain √2 and zero biases.

        Args:
            key: For the random weights.
            space: The images.
            kernels: The layers; () for the default kernels for the images' size.

        Raises:
            RequestError: If the channels seem to come first, or the kernels leave no pixel of an image.
        """
        first, second, last = space.shape
        require(
            not (first in (1, 3, 4) and second == last and last >= 8),
            f"an image of shape {space.shape} has its channels first; Hamlet takes height × width × channels, "
            f"{(second, last, first)}",
        )
        require(features(space, kernels) >= 1, f"an image {space.shape} is too small for the kernels {kernels}")
        kernels, channels, weights = kernels or _kernels(space), last, []
        for kernel, layer_key in zip(kernels, jax.random.split(key, len(kernels)), strict=True):
            weights.append(orthogonal(layer_key, kernel.filters, kernel.size**2 * channels, gain=2**0.5))
            channels = kernel.filters
        low, high = (float(bound) for bound in (np.min(space.low), np.max(space.high)))
        bounded = bool(np.isfinite(low) and np.isfinite(high) and low < high)
        biases = tuple(jnp.zeros(kernel.filters) for kernel in kernels)
        return cls(tuple(weights), biases, kernels, low if bounded else 0.0, high - low if bounded else None)

    def __call__(self, image: Shaped[Array, "B R W C"]) -> Float[Array, "B F"]:
        """Return the flat features of every image."""
        return self._filter(image, self.low, self._scale(image))

    def numbers(self, image: Shaped[Array, "*B R W C"]) -> Float[Array, "*B P"]:
        """Return images as vectors of pixel values, scaled to [0, 1] if the space has bounds."""
        scaled = (image.astype(jnp.float32) - self.low) * self._scale(image)
        return scaled.reshape(*image.shape[:-3], -1)

    def of_numbers(self, numbers: Float[Array, "B P"], shape: tuple[int, ...]) -> Float[Array, "B F"]:
        """Return the features of images of a given shape, from pixel vectors as `numbers` returns them.

        The vectors may have been changed since, for example standardised.
        """
        return self._filter(numbers.reshape(-1, *shape), 0.0, 1.0)

    def standardised(self, running: RunningMeanStd, image: Shaped[Array, "B R W C"]) -> Float[Array, "B F"]:
        """Return the features of images whose pixels are standardised one by one."""
        return self.of_numbers(running(self.numbers(image)), image.shape[1:])

    def _scale(self, image: Shaped[Array, "*B R W C"]) -> float:
        return 1.0 / (self.span or (255.0 if jnp.issubdtype(image.dtype, jnp.integer) else 1.0))

    def _filter(self, h: Shaped[Array, "B R W C"], low: float, scale: float) -> Float[Array, "B F"]:
        for kernel, weight, bias in zip(self.kernels, self.weights, self.biases, strict=True):
            # Pixels are usually bytes. The patches are cut out before the conversion to float, so that bytes are moved.
            patches = (_patches(h, kernel, low).astype(jnp.float32) - low) * scale
            h, low, scale = jax.nn.relu(_filtered(patches, _as_seen(weight, kernel), bias)), 0.0, 1.0
        return h.reshape(h.shape[0], -1)


def features(space: Box, kernels: tuple[Kernel, ...] = ()) -> int:
    """Return the number of features that an image has after the convolution."""
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
    """Return the output of every filter at every place, computed as one product of matrices.

    On a CPU the gradients of this product are faster than the gradients of JAX's built-in convolution. When several
    agents with different weights act together, their filters are computed as a batch of products.
    """
    rows = patches.reshape(-1, patches.shape[-1])
    out = rows @ weight.T + jnp.dot(jnp.ones((rows.shape[0], 1)), bias[None], precision="highest")
    return out.reshape(*patches.shape[:3], -1)


def _patches(image: Shaped[Array, "B R W C"], kernel: Kernel, blank: float) -> Shaped[Array, "B _R _W K"]:
    """Return the pixels under the filters at every place; the padding has the value ``blank``.

    The image is cut into squares of ``stride`` × ``stride`` pixels. A filter covers several neighbouring squares, the
    last ones only in part. Filters of size 8 with stride 4 therefore need 4 slices of the image instead of 64.
    """
    size, stride, channels = kernel.size, kernel.stride, image.shape[-1]
    sides = image.shape[1:3]
    places = [_steps(side, kernel) for side in sides]
    # With a border, the padding in front equals the padding behind, or is one pixel less; more padding behind completes
    # the last square.
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
    """Return the weights of every filter, row by row, in the order of the pixels in `_patches`."""
    size, stride = kernel.size, kernel.stride
    if stride == 1 or size <= stride:
        return weight
    square = weight.reshape(len(weight), size, size, -1)
    parts = [slice(first, first + stride) for first in range(0, size, stride)]
    blocks = [square[:, rows, columns].reshape(len(weight), -1) for rows in parts for columns in parts]
    return jnp.concatenate(blocks, axis=1)
