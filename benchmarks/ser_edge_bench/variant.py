"""What is measured: each model file of a bundle in each interpreter that reads it."""

from __future__ import annotations

from dataclasses import dataclass

from ser_edge.backends import INTERPRETERS
from ser_edge.backends.selection import model_for
from ser_edge.bundle import Bundle
from ser_edge.manifest import ModelFile


@dataclass(frozen=True)
class Variant:
    """A model file in an interpreter.

    Parameters
    ----------
    backend : str
        A key of `INTERPRETERS`.
    model : ModelFile
        A file that it reads.
    """

    backend: str
    model: ModelFile

    @property
    def name(self) -> str:
        """``"int8.litert"``; ``"audio.int8.litert"`` of a file that takes samples.

        One that takes any number of windows is ``"batch.float32.onnx"``.
        """
        takes = "" if self.model.input_kind == "features" else f"{self.model.input_kind}."
        return f"{takes}{self.model.precision}.{self.backend}"


def variants(bundle: Bundle) -> tuple[Variant, ...]:
    """Return all that a bundle has, whether the interpreter is installed or not.

    Parameters
    ----------
    bundle : Bundle
        The exported folder.

    Returns
    -------
    variants : tuple of Variant
        In the order in which `ser_edge.backends.selection` tries the interpreters.
    """
    return tuple(
        Variant(backend, model)
        for backend, interpreter in INTERPRETERS.items()
        for model in bundle.manifest.models
        if model.suffix == interpreter.suffix
    )


def predicts(bundle: Bundle, measured: list[Variant]) -> Variant:
    """Return the one that ``ser-edge predict`` takes, or the first where that is not among them."""
    for variant in measured:
        if variant.model == model_for(bundle, variant.backend):
            return variant
    return measured[0]
