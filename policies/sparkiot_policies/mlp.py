"""A multilayer perceptron as plain arrays: what an archive gives, what a graph is built from.

The forward pass here is the reference that an imported graph is proved against; decisions run the graph.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]


class Activation(enum.StrEnum):
    """Activations of hidden layers, by their class name in PyTorch, with PyTorch's default parameters."""

    TANH = "Tanh"
    RELU = "ReLU"
    ELU = "ELU"
    LEAKY_RELU = "LeakyReLU"
    SIGMOID = "Sigmoid"
    SILU = "SiLU"


LEAKY_SLOPE = 0.01
"""Slope of LeakyReLU below zero (PyTorch's and ONNX's default)."""


def _sigmoid(x: Doubles) -> Doubles:
    return 0.5 * (np.tanh(0.5 * x) + 1)  # as exp(-x) would overflow


_FUNCTIONS: Mapping[Activation, Callable[[Doubles], Doubles]] = {
    Activation.TANH: np.tanh,
    Activation.RELU: lambda x: np.maximum(x, 0),
    Activation.ELU: lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    Activation.LEAKY_RELU: lambda x: np.where(x > 0, x, LEAKY_SLOPE * x),
    Activation.SIGMOID: _sigmoid,
    Activation.SILU: lambda x: x * _sigmoid(x),
}


@dataclass(frozen=True, slots=True)
class Layer:
    """A linear layer. weight: float32, shape (outputs, inputs). bias: float32, shape (outputs,)."""

    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[:1]:
            raise ValueError(f"a linear layer of weight {self.weight.shape} and bias {self.bias.shape}")
        if not (np.isfinite(self.weight).all() and np.isfinite(self.bias).all()):
            raise ValueError("a weight is NaN or infinite")


@dataclass(frozen=True, slots=True)
class Mlp:
    """Linear layers with one activation between them and none after the last. Raises ValueError for unfit shapes."""

    layers: tuple[Layer, ...]
    activation: Activation

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("a network without layers")
        sizes = [self.inputs, *(layer.weight.shape[0] for layer in self.layers)]
        for size, layer in zip(sizes, self.layers, strict=False):
            if layer.weight.shape[1] != size:
                raise ValueError(f"a layer takes {layer.weight.shape[1]} inputs, the one before it gives {size}")

    @property
    def inputs(self) -> int:
        return int(self.layers[0].weight.shape[1])

    @property
    def outputs(self) -> int:
        return int(self.layers[-1].weight.shape[0])

    @property
    def hidden(self) -> tuple[int, ...]:
        """Sizes of the hidden layers."""
        return tuple(int(layer.weight.shape[0]) for layer in self.layers[:-1])

    def activate(self, x: Doubles) -> Doubles:
        return _FUNCTIONS[self.activation](x)

    def forward(self, x: npt.ArrayLike) -> Doubles:
        """The last layer's output in double precision: shape (N, inputs) to (N, outputs)."""
        y = np.asarray(x, dtype=np.float64)
        for i, layer in enumerate(self.layers):
            y = (y if i == 0 else self.activate(y)) @ layer.weight.T.astype(np.float64) + layer.bias
        return y
