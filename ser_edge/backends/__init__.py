"""The interpreters that can run a model file, and the one place where each is opened.

============  ==================  =============  ================================================
backend       package             model files    precisions, best first
============  ==================  =============  ================================================
``litert``    ai-edge-litert      ``.tflite``    int8, int8-io, dynamic, float32, float16
``tflite``    tflite-runtime      ``.tflite``    float32, float16, int8, int8-io, dynamic
``onnx``      onnxruntime         ``.onnx``      int8, float32, float16, dynamic
``numeric``   NumPy alone         ``.npz``       float32
============  ==================  =============  ================================================

tflite-runtime's int8 kernels are 7 times slower than its float32 ones, and ONNX Runtime's dynamic
ones 9 times.

Nothing is imported before a model is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import BackendError


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
            If the model takes inputs of another shape, or fails.
        """


class NotPicklable:
    """Base of a backend that holds an interpreter, which cannot be pickled.

    A `ser_edge.Classifier` can: it opens its bundle again.
    """

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} holds an interpreter and cannot be pickled or copied; pickle "
            "the Classifier, or open the model again"
        )


_NUMPY = int(np.__version__.partition(".")[0])


@dataclass(frozen=True)
class Interpreter:
    """What has to be known of an interpreter before it is imported."""

    package: str
    extra: str
    suffix: str
    precisions: tuple[str, ...]
    most_numpy: int = 2

    @property
    def distribution(self) -> str:
        """What pip calls the package."""
        return self.package.replace("_", "-")

    @property
    def module(self) -> str:
        """What is imported of it."""
        return self.package + (".interpreter" if self.suffix == ".tflite" else "")

    @property
    def installed(self) -> bool:
        """Whether the package can be found; it is not imported."""
        return find_spec(self.package) is not None

    @property
    def usable(self) -> bool:
        """Whether it is installed, and was built for the NumPy that is."""
        return self.installed and _NUMPY <= self.most_numpy


_LITERT = ("int8", "int8-io", "dynamic", "float32", "float16")
_TFLITE = ("float32", "float16", "int8", "int8-io", "dynamic")
_ONNX = ("int8", "float32", "float16", "dynamic")

INTERPRETERS = {
    "litert": Interpreter("ai_edge_litert", "litert", ".tflite", _LITERT),
    "tflite": Interpreter("tflite_runtime", "tflite", ".tflite", _TFLITE, 1),
    "onnx": Interpreter("onnxruntime", "onnx", ".onnx", _ONNX),
    "numeric": Interpreter("numpy", "", ".npz", ("float32",)),
}
"""The backends by name, in the order in which they are tried."""

_MODULES = {".tflite": "tflite", ".onnx": "onnx", ".npz": "numeric"}


def open_model(path: Path, backend: str, *, threads: int = 1) -> Backend:
    """Open a model file.

    Parameters
    ----------
    path : Path
        A ``.tflite``, ``.onnx`` or ``.npz`` file.
    backend : str
        A key of `INTERPRETERS`.
    threads : int > 0
        Threads that one inference may use; networks of this size are fastest with one. Without
        effect on ``numeric``; see `ser_edge.backends.numeric`.

    Returns
    -------
    model : Backend

    Raises
    ------
    BackendError
        If the interpreter is not installed or does not load, or cannot read the file.
    """
    interpreter = INTERPRETERS[backend]
    if interpreter.installed and not interpreter.usable:
        raise BackendError(
            f"{interpreter.package} was built for NumPy {interpreter.most_numpy}, and NumPy is "
            f"{np.__version__}; pip install 'ser-edge[litert]', or "
            f"'numpy<{interpreter.most_numpy + 1}'"
        )
    module = f"ser_edge.backends.{_MODULES[interpreter.suffix]}"
    opener: Callable[..., Backend] = import_module(module).open_model
    return opener(path, package=interpreter.package, threads=threads)


@contextmanager
def loading(package: str) -> Iterator[None]:
    """Say in one sentence why an interpreter could not be imported.

    Raises
    ------
    BackendError
        If ``package`` is not installed, or raises anything on its import.
    """
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
                f"the {name} backend needs {package}, which is not installed; "
                f"pip install 'ser-edge[{extra}]'"
            ) from None
        raise BackendError(
            f"{package} is installed but does not load: {first_line(error)}; "
            "install it again, or choose another --backend"
        ) from error


def check_model(name: str, n_inputs: int, n_outputs: int) -> None:
    """Refuse a model that is no classifier of one input.

    Raises
    ------
    BackendError
        If it has other than one input and one output.
    """
    if (n_inputs, n_outputs) != (1, 1):
        raise BackendError(
            f"{name} has {n_inputs} inputs and {n_outputs} outputs; expected one of each, "
            "export it again"
        )


def check_inputs(name: str, inputs: NDArray[np.float32], expected: Sequence[int]) -> None:
    """Refuse inputs that a model was not made for.

    Raises
    ------
    BackendError
        If each of ``inputs`` has another shape than ``expected``.
    """
    if inputs.shape[1:] != tuple(expected):
        raise BackendError(
            f"{name} takes inputs of shape {tuple(expected)}, not {inputs.shape[1:]}; "
            "the manifest beside it belongs to another model"
        )


def first_line(error: Exception) -> str:
    """Return the first line of an interpreter's message, which may run over many."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
