"""Torsos: from a sequence of observations to a sequence of features, with or without memory.

Every torso is evaluated over sequences ``[B, L, …]``, so recurrence is no second code path: a feed-forward
torso has no memory and is used with L = 1.

    h ← f(Layer(h)) for every layer, Layer = linear after LayerNorm, f = relu;  with memory h ← GRU(normalise(h), m).

Images pass through a convolution before that (`hamlet.networks.convolution`). Where several spaces are seen beside each
other, with images among them, each image passes through a convolution and a layer of its own, all else through another
layer, and what comes of them is joined (`CompositeEncoder`).

A head is one more Layer, so the body is the reference implementation's ("feature normalisation", a LayerNorm after
every layer, orthogonal weights of gain √2, zero bias).
"""

from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from hamlet.errors import require, unknown
from hamlet.networks.activation import ACTIVATIONS, Activation
from hamlet.networks.convolution import Convolution, Kernel, features, is_image
from hamlet.networks.init import orthogonal
from hamlet.networks.running import RunningMeanStd
from hamlet.spaces import Box, Composite, Space, flat, pictures
from hamlet.types import Key


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The shape of a torso.

    Attributes:
        hidden: Width of every hidden layer.
        memory: Width H of a gated recurrent unit after them; 0 for none.
        normalise: Whether what is seen is standardised by its running mean and deviation before them, an image pixel
            by pixel. Choices are not: they are no numbers.
        squash: Whether an actor's numbers go through tanh to the bounds of its Box, rather than being clipped to them.
        plain: Whether layers are linear maps alone, without LayerNorm before them.
        filters: How many filters the layers have that images pass through first; () for those that suit their size.
        kernels: Their sizes in pixels.
        strides: Every how many pixels they are laid.
        activation: What follows each hidden layer: a name of `hamlet.networks.activation`.
        critic_hidden: Widths of the critics' hidden layers; None for the same as the actors'.
    """

    hidden: tuple[int, ...] = (128, 128)
    memory: int = 0
    normalise: bool = False
    squash: bool = False
    plain: bool = False
    filters: tuple[int, ...] = ()
    kernels: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    activation: Activation = "relu"
    critic_hidden: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse widths that are none."""
        layers = (self.filters, self.kernels, self.strides)
        require(
            len({len(part) for part in layers}) == 1 and all(number >= 1 for part in layers for number in part),
            "--filters, --kernels and --strides take a number of at least 1 for each layer, not "
            + ", ".join(str(part) for part in layers),
        )
        for widths in (self.hidden, self.critic_hidden or ()):
            require(all(w >= 1 for w in widths), f"--hidden takes widths of at least 1, not {widths}")
        require(self.memory >= 0, f"--rnn-size must not be negative: {self.memory}")
        if self.activation not in ACTIVATIONS:
            raise unknown("activation", self.activation, ACTIVATIONS)

    @property
    def of_critics(self) -> "NetworkConfig":
        """The shape of the critics' torsos."""
        hidden = self.hidden if self.critic_hidden is None else self.critic_hidden
        return replace(self, hidden=hidden, critic_hidden=None)

    @property
    def convolution(self) -> tuple[Kernel, ...]:
        """The layers that images pass through; none for those that suit their size."""
        layers = zip(self.kernels, self.filters, self.strides, strict=True)
        return tuple(Kernel(size, filters, stride, False) for size, filters, stride in layers)


class Layer(eqx.Module):
    """LayerNorm, then linear: W (x̂ ⊙ scale + shift) + b with x̂ = (x − mean) / √(variance + 10⁻⁵).

    Computed as x̂ (W ⊙ scale)ᵀ + 1 (b + W shift)ᵀ, which is the same function with the same gradients at fewer passes
    over the batch. Ba et al., 2016, arXiv:1607.06450.
    """

    scale: Float[Array, " I"]
    shift: Float[Array, " I"]
    weight: Float[Array, "O I"]
    bias: Float[Array, " O"]

    @classmethod
    def create(cls, key: Key, inputs: int, outputs: int, *, gain: float) -> "Layer":
        """Scale 1, shift 0, orthogonal weights, zero bias."""
        return cls(jnp.ones(inputs), jnp.zeros(inputs), orthogonal(key, outputs, inputs, gain=gain), jnp.zeros(outputs))

    def __call__(self, x: Float[Array, "*B I"]) -> Float[Array, "*B O"]:
        """Apply to the last axis.

        As rows: on the CPU a gradient through ``[B, 1, I]`` is slower than through ``[B, I]``; and with the outputs
        first in the weights, as otherwise the gradient of a narrow layer is slow.
        """
        rows = normalise(x.reshape(-1, x.shape[-1]))
        out = rows @ (self.weight * self.scale[None]).T
        out = out + repeated(self.bias + self.weight @ self.shift, out.shape[0])
        return out.reshape(*x.shape[:-1], -1)


class Plain(eqx.Module):
    """Linear: W x + b, the weights and biases uniform within ±1/√inputs at first (PyTorch's, as in the reference)."""

    weight: Float[Array, "O I"]
    bias: Float[Array, " O"]

    @classmethod
    def create(cls, key: Key, inputs: int, outputs: int, *, gain: float = 1.0) -> "Plain":
        """Fresh weights; ``gain`` multiplies them."""
        weight_key, bias_key = jax.random.split(key)
        bound = gain / inputs**0.5

        def draw(key, *shape):
            return jax.random.uniform(key, shape, minval=-bound, maxval=bound)

        return cls(draw(weight_key, outputs, inputs), draw(bias_key, outputs))

    def __call__(self, x: Float[Array, "*B I"]) -> Float[Array, "*B O"]:
        """Apply to the last axis, as rows."""
        rows = x.reshape(-1, x.shape[-1])
        out = rows @ self.weight.T + repeated(self.bias, rows.shape[0])
        return out.reshape(*x.shape[:-1], -1)


def layer(key: Key, inputs: int, outputs: int, body: NetworkConfig, *, gain: float) -> Layer | Plain:
    """A layer of the kind that the body is made of; the gain is a normalised one's."""
    return Plain.create(key, inputs, outputs) if body.plain else Layer.create(key, inputs, outputs, gain=gain)


def repeated(vector: Float[Array, " F"], rows: int) -> Float[Array, "rows F"]:
    """A vector as every row, by a product: its gradient, a sum over rows, is then one too, which a CPU does faster."""
    return jnp.dot(jnp.ones((rows, 1)), vector[None], precision="highest")


def normalise(x: Float[Array, "*B F"]) -> Float[Array, "*B F"]:
    """(x − mean) / √(variance + 10⁻⁵) over the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)


class CompositeEncoder(eqx.Module):
    """A composite as features: of every image, and of all numbers beside them, as many.

        features = [ f(Layerₖ(convolutionₖ(imageₖ))) for every image k,  f(Layer(numbers)) ]

    A layer for each makes them of equal weight in the layer that follows, which normalises them together: an image
    becomes thousands of features, and what stands beside it may be one number. Without hidden layers, or without
    images, there are none here either.

    Attributes:
        convolutions: One for every image.
        layers: One for every image, and the last for all else where there is any.
        space: What is seen.
        activation: f.
    """

    convolutions: tuple[Convolution, ...]
    layers: tuple[Layer | Plain, ...]
    space: Composite = eqx.field(static=True)
    activation: Activation = eqx.field(static=True, default="relu")

    @classmethod
    def create(cls, key: Key, space: Composite, body: NetworkConfig) -> "CompositeEncoder":
        """Fresh weights for what is seen.

        Raises:
            RequestError: If nothing is left of an image after the kernels.
        """
        eye_key, layer_key = jax.random.split(key)
        images = pictures(space)
        eyes = [
            Convolution.create(k, image, body.convolution)
            for k, image in zip(jax.random.split(eye_key, len(images)), images, strict=True)
        ]
        widths = _part_widths(space, body) if body.hidden and images else []
        keys = jax.random.split(layer_key, len(widths)) if widths else []
        gain = ACTIVATIONS[body.activation].gain
        layers = [layer(k, i, body.hidden[0], body, gain=gain) for k, i in zip(keys, widths, strict=True)]
        return cls(tuple(eyes), tuple(layers), space, body.activation)

    def __call__(self, rows: Float[Array, "B W"]) -> Float[Array, "B F"]:
        """Features of every row."""
        return self._joined(self.numbers(rows))

    def numbers(self, rows: Float[Array, "*B W"]) -> Float[Array, "*B W"]:
        """Rows with the pixels of every image between 0 and 1, where its space has bounds."""
        eyes, parts = iter(self.convolutions), []
        for low, high, part in self.space.cuts():
            piece = rows[..., low:high].astype(jnp.float32)
            parts.append(next(eyes).numbers(piece.reshape(*piece.shape[:-1], *part.shape)) if is_image(part) else piece)
        return jnp.concatenate(parts, axis=-1)

    def standardised(self, running: RunningMeanStd, rows: Float[Array, "B W"]) -> Float[Array, "B F"]:
        """Features of rows whose numbers are standardised; choices are none."""
        numbers = self.numbers(rows)
        which = np.concatenate([np.full(part.width, isinstance(part, Box)) for part in self.space.parts])
        return self._joined(jnp.where(which[None], running(numbers), numbers))

    def _joined(self, numbers: Float[Array, "B W"]) -> Float[Array, "B F"]:
        eyes, pieces, rest = iter(self.convolutions), [], []
        for low, high, part in self.space.cuts():
            if is_image(part):
                pieces.append(next(eyes).of_numbers(numbers[:, low:high], part.shape))
            else:
                rest.append(numbers[:, low:high])
        if rest:
            pieces.append(jnp.concatenate(rest, axis=-1))
        if self.layers:
            activate = ACTIVATIONS[self.activation].apply
            pieces = [activate(linear(piece)) for linear, piece in zip(self.layers, pieces, strict=True)]
        return jnp.concatenate(pieces, axis=-1)


def _part_widths(space: Composite, body: NetworkConfig) -> list[int]:
    """How many numbers each part of a composite with images becomes before its layer: every image, then all else."""
    rest = sum(part.width for part in space.parts if not is_image(part))
    return [*(features(image, body.convolution) for image in pictures(space)), *([rest] if rest else [])]


class Torso(eqx.Module):
    """Layers, and a recurrent cell where there is memory. Its features are normalised by the layer that follows."""

    running: RunningMeanStd | None
    convolution: Convolution | CompositeEncoder | None
    layers: tuple[Layer | Plain, ...]
    cell: eqx.nn.GRUCell | None
    activation: Activation = eqx.field(static=True, default="relu")

    @classmethod
    def create(cls, key: Key, seen: Space, body: NetworkConfig) -> "Torso":
        """Fresh weights for what is seen."""
        *layer_keys, cell_key = jax.random.split(key, len(body.hidden) + 1)
        eye = _eye(jax.random.fold_in(key, 0), seen, body)
        standardised = body.normalise and (isinstance(seen, Box) or eye is not None)
        running = RunningMeanStd.create(seen.width) if standardised else None
        widths, gain = (width(seen, body), *body.hidden), ACTIVATIONS[body.activation].gain
        layers = tuple(
            layer(k, i, o, body, gain=gain) for k, i, o in zip(layer_keys, widths[:-1], widths[1:], strict=True)
        )
        cell = _cell(cell_key, widths[-1], body.memory) if body.memory else None
        return cls(running, eye, layers, cell, body.activation)

    def __call__(
        self,
        inputs: Shaped[Array, "B L *I"],
        memory: Float[Array, "B H"] | None,
        start: Bool[Array, "B L"],
    ) -> tuple[Float[Array, "B L F"], Float[Array, "B L H"] | None]:
        """Features of every step, and the memory after every step.

        Args:
            inputs: What is seen, as `encode` gives it.
            memory: The memory before the first step; None without recurrence.
            start: True where an episode begins: the memory is cleared before that step.
        """
        h = self.look(inputs)
        cell = self.cell
        if cell is None:
            return h, None
        assert memory is not None, "a recurrent torso needs the memory before the first step"
        cell_inputs = self.remembered(h)

        def step(m: Array, x: tuple[Array, Array]) -> tuple[Array, Array]:
            now, fresh = x
            m = jax.vmap(cell)(now, jnp.where(fresh[:, None], 0.0, m))
            return m, m

        _, memories = jax.lax.scan(step, memory, (cell_inputs.swapaxes(0, 1), start.swapaxes(0, 1)))
        memories = memories.swapaxes(0, 1)
        return memories, memories

    def look(self, inputs: Shaped[Array, "B L *I"]) -> Float[Array, "B L F"]:
        """The features of every step alone, before any memory; the two leading axes may be any."""
        if self.convolution is None:
            h = inputs if self.running is None else self.running(inputs)
        else:
            images = inputs.reshape(-1, *inputs.shape[2:])
            running = self.running
            h = self.convolution(images) if running is None else self.convolution.standardised(running, images)
            h = h.reshape(*inputs.shape[:2], -1)
        activate = ACTIVATIONS[self.activation].apply
        for linear in self.layers:
            h = activate(linear(h))
        return h

    def numbers(self, inputs: Shaped[Array, "..."]) -> Float[Array, "..."]:
        """What is seen as rows, which is what a running mean and deviation are of; of images the pixels, in [0, 1]."""
        return inputs if self.convolution is None else self.convolution.numbers(inputs)

    def observe(self, inputs: Shaped[Array, "..."], alive: Bool[Array, "*B L"] | None) -> "Torso":
        """The same with what was seen taken into its running mean and deviation, if it has them."""
        if self.running is None:
            return self
        return eqx.tree_at(lambda torso: torso.running, self, self.running.update(self.numbers(inputs), alive))

    def remembered(self, features: Float[Array, "B L F"]) -> Float[Array, "B L F"]:
        """Features as the recurrent unit takes them: normalised, but among plain layers."""
        return features if any(isinstance(linear, Plain) for linear in self.layers) else normalise(features)


def _eye(key: Key, seen: Space, body: NetworkConfig) -> Convolution | CompositeEncoder | None:
    """What images pass through first; None where there are none."""
    if isinstance(seen, Composite):
        return CompositeEncoder.create(key, seen, body) if pictures(seen) or body.normalise else None
    return Convolution.create(key, seen, body.convolution) if is_image(seen) else None


def _cell(key: Key, inputs: int, memory: int) -> eqx.nn.GRUCell:
    """A gated recurrent unit that begins by keeping about 0.73 of its memory in a step, rather than one half.

    What is older than a chunk reaches no gradient, so that a unit can only learn to use what it happens to keep:
    0.73¹⁰ is 0.04, 0.5¹⁰ is 0.001. Jozefowicz et al., 2015, PMLR 37.
    """
    cell = eqx.nn.GRUCell(inputs, memory, key=key)
    return eqx.tree_at(lambda c: c.bias, cell, replace_fn=lambda bias: bias.at[memory : 2 * memory].add(1.0))


def encode(observation: Shaped[Array, "..."], space: Space) -> Shaped[Array, "..."]:
    """Observations ``[…, *shape]`` as networks take them: images as they are, all else as a row of float32 ``[…, O]``.

    Choices become one-hot. Images stay bytes where they were: a rollout of them is four times smaller.
    """
    return observation if is_image(space) else flat(space, observation)


def width(space: Space, body: NetworkConfig) -> int:
    """How many numbers the first layer of a torso sees."""
    if isinstance(space, Composite) and pictures(space):
        parts = _part_widths(space, body)
        return len(parts) * body.hidden[0] if body.hidden else sum(parts)
    return features(space, body.convolution) if is_image(space) else space.width


def blank(body: NetworkConfig, *shape: int) -> Float[Array, "*shape H"] | None:
    """The memory before a first episode: zeros, or None without recurrence."""
    return jnp.zeros((*shape, body.memory)) if body.memory else None
