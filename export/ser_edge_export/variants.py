"""The model variants of an export, and the choice among them by options."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ser_edge.choices import MODEL_FORMATS, PRECISIONS
from ser_edge.errors import ConfigError


@dataclass(frozen=True)
class ModelVariant:
    """File format, precision and input of a model file.

    Parameters
    ----------
    format : str
        One of `ser_edge.choices.MODEL_FORMATS`, and the file's suffix.
    precision : str
        One of `ser_edge.choices.PRECISIONS`.
    input_kind : str
        One of `ser_edge.choices.INPUT_KINDS`.
    """

    format: str
    precision: str
    input_kind: str = "features"

    @property
    def file(self) -> str:
        """Name of the file, such as ``model.int8.tflite`` or ``audio.float32.onnx``."""
        stem = "model" if self.input_kind == "features" else self.input_kind
        return f"{stem}.{self.precision}.{self.format}"

    @property
    def is_searched(self) -> bool:
        """Whether there are several ways to quantise it (`ser_edge_export.quantisation_search`)."""
        dynamic_onnx = self.format == "onnx" and self.precision == "dynamic"
        return dynamic_onnx or self.precision in ("int8", "int8-io")


ALL_VARIANTS = (
    *(ModelVariant("tflite", precision) for precision in PRECISIONS),
    *(ModelVariant("onnx", precision) for precision in PRECISIONS if precision != "int8-io"),
    ModelVariant("npz", "float32"),
    *(ModelVariant("onnx", precision, "batch") for precision in ("float32", "int8")),
    *(
        ModelVariant(format, p, "audio")
        for format in ("tflite", "onnx")
        for p in ("float32", "int8")
    ),
)
"""The variants of ``--all``."""


def chosen_variants(
    *,
    int8: bool = False,
    everything: bool = False,
    formats: Collection[str] = (),
    precisions: Collection[str] = (),
    batch: bool = False,
    audio: bool = False,
) -> tuple[ModelVariant, ...]:
    """Choose variants by the options of ``ser-edge export``.

    Parameters
    ----------
    int8 : bool
        Whether `precisions` is float32 and int8 by default, instead of float32.
    everything : bool
        Choose all variants.
    formats, precisions : collection of str
        Only variants of these; by default of all formats.
    batch, audio : bool
        Add the variants for any number of windows, or with audio input, where they exist.

    Returns
    -------
    variants : tuple of ModelVariant

    Raises
    ------
    ConfigError
        If no variant fits the options.

    Examples
    --------
    >>> [v.file for v in chosen_variants(formats=["tflite"], precisions=["int8"])]
    ['model.int8.tflite']
    """
    if everything:
        return ALL_VARIANTS
    precisions = precisions or (("float32", "int8") if int8 else ("float32",))
    kinds = ["features", *["batch"] * batch, *["audio"] * audio]
    chosen = tuple(
        v
        for v in ALL_VARIANTS
        if v.input_kind in kinds
        and v.format in (formats or MODEL_FORMATS)
        and v.precision in precisions
    )
    if not chosen:
        raise ConfigError(
            f"formats={list(formats)} and precisions={list(precisions)} have no variant in common",
            f"choose among {', '.join(v.file for v in ALL_VARIANTS)}",
        )
    return chosen
