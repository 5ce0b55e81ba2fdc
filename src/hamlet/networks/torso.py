"""Torsos: networks from a sequence of observations to a sequence of features, with or without memory.

Every torso processes sequences ``[B, L, …]``, so recurrence needs no second code path: a feed-forward torso has no
memory and is used with L = 1.

    h ← f(Layer(h)) for every layer, Layer = linear after LayerNorm, f = relu;  with memory h ← GRU(normalise(h), m).

h are the features, f is the activation function, and m is the memory.

Images pass through a convolution before these layers (`hamlet.networks.convolution`). If an observation consists of
several spaces, some of them images, then each image passes through its own convolution and its own layer. All other
spaces together pass through another layer. The results are concatenated (`CompositeEncoder`).

A head is one more Layer. The whole is therefore the network of the reference code: "feature normalisation", a
LayerNorm after every layer, orthogonal weights of gain √2, zero bias.
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
        memory: Width H of a gated recurrent unit after the hidden layers; 0 for no memory.
        normalise: Whether observations are standardised by their running mean and standard deviation before the hidden
            layers; images pixel by pixel. Discrete observations are not standardised.
        squash: Whether an actor's outputs pass through tanh into the bounds of its Box, instead of being clipped to
            them.
        plain: Whether layers are linear maps without LayerNorm.
        filters: Number of filters of each convolution layer for images; () for the default layers for the images' size.
        kernels: Filter size of each convolution layer, in pixels.
        strides: Stride of each convolution layer, in pixels.
        activation: Activation function after each hidden layer: a name in `hamlet.networks.activation`.
        critic_hidden: Widths of the critics' hidden layers; None for the widths of the actors' layers.
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
        """Refuse widths below 1, inconsistent convolution layers and unknown activation functions."""
        layers = (self.filters, self.kernels, self.strides)
        require(
            len({len(part) for part in layers}) == 1 and all(number >= 1 for part in layers for number in part),
            "--filters, --kernels and --strides take one number of at least 1 for each layer, got "
            + ", ".join(str(part) for part in layers),
        )
        for widths in (self.hidden, self.critic_hidden or ()):
            require(all(w >= 1 for w in widths), f"--hidden takes widths of at least 1, not {widths}")
        require(self.memory >= 0, f"--rnn-size must not be negative: {self.memory}")
        if self.activation not in ACTIVATIONS:
            raise unknown("activation", self.activation, ACTIVATIONS)

    @property
    def of_critics(self) -> "NetworkConfig":
        """Return the shape of the critics' torsos."""
        hidden = self.hidden if self.critic_hidden is None else self.critic_hidden
        return replace(self, hidden=hidden, critic_hidden=None)

    @property
    def convolution(self) -> tuple[Kernel, ...]:
        """Return the convolution layers for images; () for the default layers for the images' size."""
        layers = zip(self.kernels, self.filters, self.strides, strict=True)
        return tuple(Kernel(size, filters, stride, False) for size, filters, stride in layers)


class Layer(eqx.Module):
    """LayerNorm, then linear: W (x̂ ⊙ scale + shift) + b with x̂ = (x − mean) / √(variance + 10⁻⁵).

    Computed as x̂ (W ⊙ scale)ᵀ + 1 (b + W shift)ᵀ. This is the same function with the same gradients, and it passes
    over the batch fewer times. Ba et al., 2016, arXiv:1607.06450.
    """

    scale: Float[Array, " I"]
    shift: Float[Array, " I"]
    weight: Float[Array, "O I"]
    bias: Float[Array, " O"]

    @classmethod
    def create(cls, key: Key, inputs: int, outputs: int, *, gain: float) -> "Layer":
        """Create a layer with scale 1, shift 0, orthogonal weights and zero bias."""
        return cls(jnp.ones(inputs), jnp.zeros(inputs), orthogonal(key, outputs, inputs, gain=gain), jnp.zeros(outputs))

    def __call__(self, x: Float[Array, "*B I"]) -> Float[Array, "*B O"]:
        """Apply the layer to the last axis.

        The input is flattened to rows: on the CPU, a gradient through ``[B, 1, I]`` is slower than through ``[B, I]``.
        The weights have the outputs as their first axis: otherwise the gradient of a narrow layer is slow.
        """
        rows = normalise(x.reshape(-1, x.shape[-1]))
        out = rows @ (self.weight * self.scale[None]).T
        out = out + repeated(self.bias + self.weight @ self.shift, out.shape[0])
        return out.reshape(*x.shape[:-1], -1)


class Plain(eqx.Module):
    """A linear layer W x + b.

    Weights and biases start uniform in ±1/√inputs (PyTorch's default, as in the reference code).
    """

    weight: Float[Array, "O I"]
    bias: Float[Array, " O"]

    @classmethod
    def create(cls, key: Key, inputs: int, outputs: int, *, gain: float = 1.0) -> "Plain":
        """Create initial weights; ``gain`` multiplies them."""
        weight_key, bias_key = jax.random.split(key)
        bound = gain / inputs**0.5

        def draw(key, *shape):
            return jax.random.uniform(key, shape, minval=-bound, maxval=bound)

        return cls(draw(weight_key, outputs, inputs), draw(bias_key, outputs))

    def __call__(self, x: Float[Array, "*B I"]) -> Float[Array, "*B O"]:
        """Apply the layer to the last axis."""
        rows = x.reshape(-1, x.shape[-1])
        out = rows @ self.weight.T + repeated(self.bias, rows.shape[0])
        return out.reshape(*x.shape[:-1], -1)


def layer(key: Key, inputs: int, outputs: int, body: NetworkConfig, *, gain: float) -> Layer | Plain:
    """Create a layer of the kind that ``body`` specifies; ``gain`` applies to layers with LayerNorm only."""
    return Plain.create(key, inputs, outputs) if body.plain else Layer.create(key, inputs, outputs, gain=gain)


def repeated(vector: Float[Array, " F"], rows: int) -> Float[Array, "rows F"]:
    """Repeat a vector as every row, computed as a product.

    The gradient, a sum over rows, is then a product too, which is faster on a CPU.
    """
    return jnp.dot(jnp.ones((rows, 1)), vector[None], precision="highest")


def normalise(x: Float[Array, "*B F"]) -> Float[Array, "*B F"]:
    """Return (x − mean) / √(variance + 10⁻⁵) over the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)


class CompositeEncoder(eqx.Module):
    """An encoder of composite observations: every image becomes as many features as all other numbers together.

        features = [ f(Layerₖ(convolutionₖ(imageₖ))) for every image k,  f(Layer(numbers)) ]

    f is the activation function. An image becomes thousands of features after its convolution, while the other parts
    may be a single number. The layer after this encoder normalises all features together. The separate layers give
    every part equal weight there. Without hidden layers, or without images, the encoder has no layers.

    Attributes:
        convolutions: One for every image.
        layers: One for every image, and a last one for all other parts if there are any.
        space: The composite observation space.
        activation: The name of f.
    """

    convolutions: tuple[Convolution, ...]
    layers: tuple[Layer | Plain, ...]
    space: Composite = eqx.field(static=True)
    activation: Activation = eqx.field(static=True, default="relu")

    @classmethod
    def create(cls, key: Key, space: Composite, body: NetworkConfig) -> "CompositeEncoder":
        """Create initial weights for observations from ``space``.

        Raises:
            RequestError: If the kernels leave no pixel of an image.
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
        """Return the features of every row."""
        return self._joined(self.numbers(rows))

    def numbers(self, rows: Float[Array, "*B W"]) -> Float[Array, "*B W"]:
        """Return rows in which the pixels of every image are scaled to [0, 1], if the image's space has bounds."""
        eyes, parts = iter(self.convolutions), []
        for low, high, part in self.space.cuts():
            piece = rows[..., low:high].astype(jnp.float32)
            parts.append(next(eyes).numbers(piece.reshape(*piece.shape[:-1], *part.shape)) if is_image(part) else piece)
        return jnp.concatenate(parts, axis=-1)

    def standardised(self, running: RunningMeanStd, rows: Float[Array, "B W"]) -> Float[Array, "B F"]:
        """Return the features of rows whose numbers are standardised; one-hot entries are not standardised."""
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
    """Return the input width of the layer of every image in a composite, then of all other parts."""
    rest = sum(part.width for part in space.parts if not is_image(part))
    return [*(features(image, body.convolution) for image in pictures(space)), *([rest] if rest else [])]


class Torso(eqx.Module):
    """Hidden layers, and a recurrent cell if there is memory.

    The layer after the torso (the head) normalises its features.
    """

    running: RunningMeanStd | None
    convolution: Convolution | CompositeEncoder | None
    layers: tuple[Layer | Plain, ...]
    cell: eqx.nn.GRUCell | None
    activation: Activation = eqx.field(static=True, default="relu")

    @classmethod
    def create(cls, key: Key, seen: Space, body: NetworkConfig) -> "Torso":
        """Create initial weights for inputs from the space ``seen``."""
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
        """Return the features of every step, and the memory after every step.

        Args:
            inputs: Observations or states, encoded by `encode`.
            memory: The memory before the first step; None without recurrence.
            start: True where an episode starts: the memory is cleared before that step.
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
        """Return the features of every step before the recurrent cell; the two leading axes may be any."""
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
        """Return inputs as the rows for the running mean and standard deviation; of images, pixels in [0, 1]."""
        return inputs if self.convolution is None else self.convolution.numbers(inputs)

    def observe(self, inputs: Shaped[Array, "..."], alive: Bool[Array, "*B L"] | None) -> "Torso":
        """Return the torso with the inputs added to its running mean and standard deviation, if it has these."""
        if self.running is None:
            return self
        return eqx.tree_at(lambda torso: torso.running, self, self.running.update(self.numbers(inputs), alive))

    def remembered(self, features: Float[Array, "B L F"]) -> Float[Array, "B L F"]:
        """Return features as inputs of the recurrent unit: normalised, unless the layers are plain."""
        return features if any(isinstance(linear, Plain) for linear in self.layers) else normalise(features)


def _eye(key: Key, seen: Space, body: NetworkConfig) -> Convolution | CompositeEncoder | None:
    """Create the convolution for images; return None if there are no images."""
    if isinstance(seen, Composite):
        return CompositeEncoder.create(key, seen, body) if pictures(seen) or body.normalise else None
    return Convolution.create(key, seen, body.convolution) if is_image(seen) else None


def _cell(key: Key, inputs: int, memory: int) -> eqx.nn.GRUCell:
    """Create a gated recurrent unit whose initial weights keep about 0.73 of the memory per step, instead of one half.

    Gradients do not reach further back than one sequence of ``--sequence-length`` steps. The unit can therefore learn
    to use older information only if it already keeps it: 0.73¹⁰ is 0.04, 0.5¹⁰ is 0.001. Jozefowicz et al., 2015, PMLR
    37.
    """
    cell = eqx.nn.GRUCell(inputs, memory, key=key)
    return eqx.tree_at(lambda c: c.bias, cell, replace_fn=lambda bias: bias.at[memory : 2 * memory].add(1.0))


def encode(observation: Shaped[Array, "..."], space: Space) -> Shaped[Array, "..."]:
    """Encode observations ``[…, *shape]`` for a network: images stay unchanged, others become float32 rows ``[…, O]``.

    Discrete observations become one-hot. Images of bytes stay bytes: a rollout of them is four times smaller.
    """
    return observation if is_image(space) else flat(space, observation)


def width(space: Space, body: NetworkConfig) -> int:
    """Return the number of inputs of a torso's first layer."""
    if isinstance(space, Composite) and pictures(space):
        parts = _part_widths(space, body)
        return len(parts) * body.hidden[0] if body.hidden else sum(parts)
    return features(space, body.convolution) if is_image(space) else space.width


def blank(body: NetworkConfig, *shape: int) -> Float[Array, "*shape H"] | None:
    """Return the memory before a first episode: zeros, or None without recurrence."""
    return jnp.zeros((*shape, body.memory)) if body.memory else None
