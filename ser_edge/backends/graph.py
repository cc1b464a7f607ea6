"""A network as a short list of plain operations, batch normalisation folded.

`ser_edge_export` builds it from a Keras model and writes the ONNX file from it, without the
transposes, reshapes and unfolded normalisations of a converter; `ser_edge.backends.numeric` runs
it. The constructors check all connections and shapes, so every `Graph` can be run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from reprlib import repr as brief
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ser_edge.checks import check_choice, check_number
from ser_edge.errors import ConfigError, error_source

Shape = tuple[int, ...]

# Limits per window: three to four times the needs of the largest published network of this kind. No
# exported file needs more, and a hostile one must not use up a device's memory or time.
MAX_NUMBERS = 1 << 26
MAX_PRODUCTS = 1 << 33


class _Kind(NamedTuple):
    """Signature of an operation; rank 0 is any rank, n_inputs 0 any number of inputs."""

    rank: int
    n_inputs: int = 1
    arrays: tuple[tuple[str, int], ...] = ()  # name, rank
    settings: tuple[str, ...] = ()


KINDS = {
    "conv": _Kind(2, 1, (("weight", 3), ("bias", 1)), ("stride", "groups", "left", "right")),
    "maxpool": _Kind(2, 1, (), ("size", "stride", "left", "right")),
    "pad": _Kind(2, 1, (("value", 1),), ("left", "right")),
    "affine": _Kind(0, 1, (("gain", 1), ("offset", 1))),
    "dense": _Kind(1, 1, (("weight", 2), ("bias", 1))),
    "relu": _Kind(0),
    "add": _Kind(0, 2),
    "concat": _Kind(0, 0),
    "flatten": _Kind(2),
    "mean": _Kind(2),
    "max": _Kind(2),
    "std": _Kind(2),
}
"""The supported operations."""


@dataclass(frozen=True)
class Op:
    """One operation on (time, channels) or on a vector.

    =============  ====================================  ==========================
    kind           arrays                                settings
    =============  ====================================  ==========================
    ``conv``       weight (k, in / groups, out), bias    stride, groups, left, right
    ``maxpool``    --                                    size, stride, left, right
    ``pad``        value (channels,)                     left, right
    ``affine``     gain (channels,), offset (channels,)  --
    ``dense``      weight (in, out), bias                --
    ``relu``, ``add``, ``concat``, ``flatten``, ``mean``, ``max``, ``std``: none
    =============  ====================================  ==========================

    ``left`` and ``right`` count padded frames: zeros for ``conv``, -inf for ``maxpool``, and
    ``value`` for ``pad``. ``concat`` joins channels, ``flatten`` frames; ``mean``, ``max`` and
    ``std`` (of the population) are over time.

    Raises
    ------
    ConfigError
        If the kind is unknown, or inputs, arrays or settings do not fit its signature.
    """

    kind: str
    inputs: tuple[str, ...]
    output: str
    arrays: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    settings: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (*self.inputs, self.output):
            if not (isinstance(name, str) and name.isprintable() and 0 < len(name) <= 100):
                raise ConfigError(f"a tensor is named {brief(name)}, expected a word")
        check_choice("kind", self.kind, KINDS)
        kind = KINDS[self.kind]
        _expect("the number of inputs", len(self.inputs), kind.n_inputs or len(self.inputs) or 1)
        _expect("the set of settings", set(self.settings), set(kind.settings))
        for name, value in self.settings.items():
            low = 0 if name in ("left", "right") else 1
            check_number(name, value, low, MAX_NUMBERS, integer=True)
        _expect("the set of arrays", set(self.arrays), {name for name, _ in kind.arrays})
        for name, rank in kind.arrays:
            array = self.arrays[name]
            _expect(f"the type of {name}", array.dtype, np.dtype(np.float32))
            _expect(f"the rank of {name}", array.ndim, rank)
            if not (array.size and np.isfinite(array).all()):
                raise ConfigError(f"{name} is empty or not finite, expected weights")


@dataclass(frozen=True)
class Graph:
    """Operations, in the order in which they are computed.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of the tensor ``input``.
    n_outputs : int
        Length of the tensor ``logits``, the output of the last operation.
    ops : tuple of Op

    Raises
    ------
    ConfigError
        If an operation's input is not the output of an earlier one, if shapes do not fit, or if one
        window needs more than `MAX_NUMBERS` numbers or `MAX_PRODUCTS` multiplications.

    Examples
    --------
    >>> dense = {"weight": np.ones((22, 7), np.float32), "bias": np.zeros(7, np.float32)}
    >>> mean, logits = Op("mean", ("input",), "mean"), Op("dense", ("mean",), "logits", dense)
    >>> Graph((130, 22), 7, (mean, logits)).n_outputs
    7
    >>> Graph((130, 20), 7, (mean, logits))
    Traceback (most recent call last):
    ser_edge.errors.ConfigError: operation 'logits' (dense): the shape of weight is (22, 7), ...
    """

    input_shape: Shape
    n_outputs: int
    ops: tuple[Op, ...]

    def __post_init__(self) -> None:
        _expect("the input's rank", len(self.input_shape), 2)
        for size in (*self.input_shape, self.n_outputs):
            check_number("input or output size", size, 1, MAX_NUMBERS, integer=True)
        shapes = {"input": self.input_shape}
        numbers = products = 0
        for op in self.ops:
            with error_source(f"operation {op.output!r} ({op.kind})"):
                shapes[op.output], op_numbers, op_products = _output(op, shapes)
                numbers, products = numbers + op_numbers, products + op_products
                if numbers > MAX_NUMBERS or products > MAX_PRODUCTS:
                    raise ConfigError(
                        f"up to here one window needs {numbers} numbers and {products} "
                        f"multiplications, expected at most {MAX_NUMBERS} and {MAX_PRODUCTS}"
                    )
        _expect("the last operation's output", [op.output for op in self.ops[-1:]], ["logits"])
        _expect("the shape of logits", shapes["logits"], (self.n_outputs,))

    @property
    def multiply_adds(self) -> int:
        """Number of multiply-adds of the convolutions and dense layers for one window."""
        shapes = {"input": self.input_shape}
        total = 0
        for op in self.ops:
            shapes[op.output], _, products = _output(op, shapes)
            total += products if op.kind in ("conv", "dense") else 0
        return total


def _output(op: Op, shapes: dict[str, Shape]) -> tuple[Shape, int, int]:
    """Return an operation's output shape, how many numbers it holds, and its multiplications."""
    if op.output in shapes:
        raise ConfigError("a tensor of this name exists already")
    missing = [name for name in op.inputs if name not in shapes]
    if missing:
        raise ConfigError(f"the input {missing[0]!r} is not the output of an earlier operation")
    inputs = [shapes[name] for name in op.inputs]
    for shape in inputs:
        _expect("an input's rank", len(shape), KINDS[op.kind].rank or len(shape))
    shape, n_read = _SHAPES[op.kind](op, *inputs), math.prod(inputs[0])
    if op.kind in ("conv", "maxpool"):
        n_read = shape[0] * _size(op) * inputs[0][1]  # the patches, copied
    n_out = op.arrays["weight"].shape[-1] if "weight" in op.arrays else 1
    return shape, n_read + math.prod(shape), n_read * n_out // op.settings.get("groups", 1)


def _size(op: Op) -> int:
    """Return the kernel size of a convolution or pooling."""
    return op.settings["size"] if op.kind == "maxpool" else len(op.arrays["weight"])


def _sliding(op: Op, length: int, channels: int) -> Shape:
    size, left, right = _size(op), op.settings["left"], op.settings["right"]
    if max(left, right) >= size or size > left + length + right:
        raise ConfigError(
            f"the kernel size is {size} for {left} + {length} + {right} frames, expected more "
            "frames than that and less padding on each side"
        )
    # n_out = floor((left + n + right - size) / stride) + 1
    return (left + length + right - size) // op.settings["stride"] + 1, channels


def _conv(op: Op, shape: Shape) -> Shape:
    length, channels = shape
    size, _, n_out = op.arrays["weight"].shape
    groups = op.settings["groups"]
    _expect("inputs and outputs modulo groups", (channels % groups, n_out % groups), (0, 0))
    _expect("the shape of weight", op.arrays["weight"].shape, (size, channels // groups, n_out))
    _expect("the shape of bias", op.arrays["bias"].shape, (n_out,))
    return _sliding(op, length, n_out)


def _pad(op: Op, shape: Shape) -> Shape:
    _expect("the shape of value", op.arrays["value"].shape, shape[-1:])
    return op.settings["left"] + shape[0] + op.settings["right"], shape[1]


def _affine(op: Op, shape: Shape) -> Shape:
    for name, array in op.arrays.items():
        _expect(f"the shape of {name}", array.shape, shape[-1:])
    return shape


def _dense(op: Op, shape: Shape) -> Shape:
    n_out = op.arrays["bias"].shape
    _expect("the shape of weight", op.arrays["weight"].shape, shape + n_out)
    return n_out


def _add(_op: Op, one: Shape, other: Shape) -> Shape:
    _expect("the second input's shape", other, one)
    return one


def _concat(_op: Op, *shapes: Shape) -> Shape:
    for shape in shapes:
        _expect("an input's shape", shape, (*shapes[0][:-1], *shape[-1:]))
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


_SHAPES: dict[str, Callable[..., Shape]] = {
    "conv": _conv,
    "maxpool": lambda op, shape: _sliding(op, *shape),
    "pad": _pad,
    "affine": _affine,
    "dense": _dense,
    "relu": lambda _op, shape: shape,
    "add": _add,
    "concat": _concat,
    "flatten": lambda _op, shape: (math.prod(shape),),
    "mean": lambda _op, shape: shape[1:],
    "max": lambda _op, shape: shape[1:],
    "std": lambda _op, shape: shape[1:],
}


def _expect(what: str, value: object, expected: object) -> None:
    if value != expected:
        raise ConfigError(f"{what} is {brief(value)}, expected {brief(expected)}")
