"""The interpreters that run model files, and what their backends share.

============  ==================  =============  ================================================
backend       package             model files    precisions, best first
============  ==================  =============  ================================================
``litert``    ai-edge-litert      ``.tflite``    int8, int8-io, dynamic, float32, float16
``tflite``    tflite-runtime      ``.tflite``    float32, float16, int8, int8-io, dynamic
``onnx``      onnxruntime         ``.onnx``      int8, float32, float16, dynamic
``numeric``   NumPy alone         ``.npz``       float32
============  ==================  =============  ================================================

tflite-runtime's int8 kernels are 7 times slower than its float32 ones, and ONNX Runtime's dynamic
ones 9 times. An interpreter is imported only when it opens a model.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import BackendError, first_line


class Backend(Protocol):
    """A model file, opened by its interpreter."""

    @property
    def version(self) -> str:
        """The interpreter's package and version."""

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the logits.

        Parameters
        ----------
        inputs : np.ndarray [shape=(n, *input_shape), dtype=float32]
            Standardised features of ``n`` windows.

        Returns
        -------
        logits : np.ndarray [shape=(n, n_labels), dtype=float32]

        Raises
        ------
        BackendError
            If the inputs have another shape than the model's, or the interpreter fails.
        """


class NotPicklable:
    """Base of a backend that holds an interpreter, which cannot be pickled.

    A `ser_edge.Classifier` can be pickled: it opens its bundle again.
    """

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} holds an interpreter and cannot be pickled or copied; pickle "
            "the Classifier, or open the model again"
        )


_NUMPY = int(np.__version__.partition(".")[0])


@dataclass(frozen=True)
class Interpreter:
    """Facts about an interpreter that are known without importing it."""

    package: str
    extra: str
    suffix: str
    precisions: tuple[str, ...]
    max_numpy: int = 2

    @property
    def distribution(self) -> str:
        """Its package, as pip names it."""
        return self.package.replace("_", "-")

    @property
    def module(self) -> str:
        """The module to import."""
        return self.package + (".interpreter" if self.suffix == ".tflite" else "")

    @property
    def installed(self) -> bool:
        """Whether the package can be found; it is not imported."""
        return find_spec(self.package) is not None

    @property
    def usable(self) -> bool:
        """Whether it is installed and fits the installed NumPy."""
        return self.installed and _NUMPY <= self.max_numpy


_LITERT = ("int8", "int8-io", "dynamic", "float32", "float16")
_TFLITE = ("float32", "float16", "int8", "int8-io", "dynamic")
_ONNX = ("int8", "float32", "float16", "dynamic")

INTERPRETERS = {
    "litert": Interpreter("ai_edge_litert", "litert", ".tflite", _LITERT),
    "tflite": Interpreter("tflite_runtime", "tflite", ".tflite", _TFLITE, 1),
    "onnx": Interpreter("onnxruntime", "onnx", ".onnx", _ONNX),
    "numeric": Interpreter("numpy", "", ".npz", ("float32",)),
}
"""The backends of `ser_edge.choices.BACKENDS`, in the order in which they are tried."""


@contextmanager
def loading(package: str) -> Iterator[None]:
    """Turn any exception from the import of an interpreter into a `BackendError`."""
    try:
        yield
    except Exception as error:  # compiled packages raise more than ImportError
        if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == package:
            name, extra = next(
                (name, interpreter.extra)
                for name, interpreter in INTERPRETERS.items()
                if interpreter.package == package
            )
            raise BackendError(
                f"the {name} backend needs {package}, which is not installed",
                f"pip install 'ser-edge[{extra}]'",
            ) from None
        raise BackendError(
            f"{package} is installed but does not load: {first_line(error)}",
            "install it again, or choose another --backend",
        ) from error


def check_model(source: str | os.PathLike[str], n_inputs: int, n_outputs: int) -> None:
    """Raise a `BackendError` unless a model has one input and one output."""
    if (n_inputs, n_outputs) != (1, 1):
        raise BackendError(
            f"has {n_inputs} inputs and {n_outputs} outputs, expected one of each",
            "export it again",
            source,
        )


def check_inputs(
    source: str | os.PathLike[str], inputs: NDArray[np.float32], expected: Sequence[int]
) -> None:
    """Raise a `BackendError` unless each input has the shape that the model expects."""
    if inputs.shape[1:] != tuple(expected):
        raise BackendError(
            f"the input has shape {inputs.shape[1:]}, expected {tuple(expected)}",
            "the manifest belongs to another model: copy the whole bundle again",
            source,
        )


def refusal(problem: str, error: Exception, source: str | os.PathLike[str]) -> BackendError:
    """Make the error for a model file that an interpreter refuses with an error of its own."""
    remedy = "export it again, or choose another --backend"
    return BackendError(f"{problem}: {first_line(error)}", remedy, source)
