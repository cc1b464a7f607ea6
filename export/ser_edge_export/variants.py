"""The forms in which a network can be exported, and which of them a command line asks for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ser_edge.errors import ConfigError
from ser_edge.manifest import PRECISIONS

FORMATS = ("tflite", "onnx", "npz")


@dataclass(frozen=True)
class ModelVariant:
    """One way to hold a network in a file.

    Parameters
    ----------
    format : {"tflite", "onnx", "npz"}
        Kind of file, and its suffix.
    precision : str
        One of `ser_edge.manifest.PRECISIONS`.
    takes : str
        One of `ser_edge.manifest.TAKES`.
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
    def can_be_mended(self) -> bool:
        """Whether there are several ways to make it; see `ser_edge_export.quantisation_search.ladder`."""
        by_onnx = self.format == "onnx" and self.precision == "dynamic"
        return by_onnx or self.precision in ("int8", "int8-io")


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
"""Everything that ``--all`` writes."""


def chosen_variants(
    *,
    int8: bool = False,
    everything: bool = False,
    formats: Collection[str] = (),
    precisions: Collection[str] = (),
    batch: bool = False,
    audio: bool = False,
) -> tuple[ModelVariant, ...]:
    """Choose forms as the options of ``ser-edge export`` do.

    Parameters
    ----------
    int8 : bool
        Whether the default of `precisions` is int8 beside float32.
    everything : bool
        All there are.
    formats, precisions : collection of str
        Only forms of these; by default all formats, and float32.
    batch, audio : bool
        Beside each chosen form the one for any number of windows, or for samples, where there is
        one.

    Returns
    -------
    forms : tuple of ModelVariant

    Raises
    ------
    ConfigError
        If the options leave none.

    Examples
    --------
    >>> [form.file for form in chosen_variants(formats=["tflite"], precisions=["int8"])]
    ['model.int8.tflite']
    """
    if everything:
        return ALL_VARIANTS
    precisions = precisions or (("float32", "int8") if int8 else ("float32",))
    takes = ["features", *["batch"] * batch, *["audio"] * audio]
    chosen = tuple(
        form
        for form in ALL_VARIANTS
        if form.input_kind in takes
        and form.format in (formats or FORMATS)
        and form.precision in precisions
    )
    if not chosen:
        raise ConfigError(
            f"there is no {'/'.join(formats)} file of {'/'.join(precisions)}; there are "
            f"{', '.join(form.file for form in ALL_VARIANTS)}"
        )
    return chosen
