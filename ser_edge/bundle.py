"""The exported folder, and checks that its files are as exported.

A bundle holds ``manifest.json`` (`ser_edge.manifest`), one or more model files, ``golden.npz``,
``report.md`` and ``MODEL_CARD.md``.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ser_edge.checks import check_type
from ser_edge.errors import BundleError
from ser_edge.files import read_file
from ser_edge.manifest import Manifest, ModelFile

PRETRAINED = Path(__file__).parent / "pretrained"
"""The bundle that comes with the package; its ``MODEL_CARD.md`` has its figures and terms."""

GOLDEN = "golden.npz"
"""Clips and the results of each stage on them; docs/porting.md lists the arrays."""

# Far above any network for a device; a hostile file must not use up its memory.
MAX_MODEL_BYTES = 1 << 29
MAX_GOLDEN_BYTES = 1 << 27  # three clips of 60 s windows at 192 kHz
_MAX_MANIFEST_BYTES = 1 << 24

_MAX_PROBLEM = 500  # characters; a foreign manifest may hold megabytes in one value


@dataclass(frozen=True)
class Bundle:
    """An exported folder with its manifest; `Bundle.open` reads it.

    Parameters
    ----------
    folder : Path
        The folder.
    manifest : Manifest
        Content of its ``manifest.json``.

    Examples
    --------
    >>> Bundle.open("no/such/bundle")
    Traceback (most recent call last):
    ser_edge.errors.BundleError: no/such/bundle: there is no such folder; name a bundle, ...
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Bundle:
        """Read a bundle's manifest.

        Parameters
        ----------
        folder : path
            What ``ser-edge export`` wrote.

        Returns
        -------
        bundle : Bundle

        Raises
        ------
        BundleError
            If the folder is missing, of another kind, or its manifest is damaged.
        ConfigError
            If `folder` is not a path.
        """
        check_type("folder", folder, str | os.PathLike, "a path")
        folder = Path(folder)
        remedy = "name a bundle, a folder written by `ser-edge export RUN --int8`"
        if not os.path.isdir(folder):
            found = "is a file" if os.path.exists(folder) else "there is no such folder"
            raise BundleError(found, remedy, folder)
        path = folder / "manifest.json"
        if not os.path.lexists(path):
            raise BundleError("has no manifest.json", remedy, folder)
        try:
            content = read_file(path, _MAX_MANIFEST_BYTES, remedy=remedy, error=BundleError)
            return cls(folder, Manifest.from_json(content.decode("utf-8")))
        except UnicodeDecodeError as error:
            raise BundleError(f"cannot be read ({error})", remedy, path) from None
        except BundleError as error:
            problem, half = error.problem, _MAX_PROBLEM // 2
            if len(problem) > _MAX_PROBLEM:
                problem = f"{problem[:half]} … {problem[-half:]}"
            raise BundleError(problem, error.remedy, path) from None

    def model(self, suffix: str, precision: str, input_kind: str = "features") -> ModelFile | None:
        """Find the file of a model variant.

        Parameters
        ----------
        suffix : str
            ``".tflite"``, ``".onnx"`` or ``".npz"``.
        precision : str
            One of `ser_edge.choices.PRECISIONS`.
        input_kind : str
            One of `ser_edge.choices.INPUT_KINDS`.

        Returns
        -------
        model : ModelFile or None
            None where the bundle has no such file.
        """
        wanted = suffix, precision, input_kind
        return next(
            (m for m in self.manifest.models if (m.suffix, m.precision, m.input_kind) == wanted),
            None,
        )

    def model_bytes(self, model: ModelFile) -> bytes:
        """Read a model file once, and check that it is the one of the manifest.

        Parameters
        ----------
        model : ModelFile
            One of ``manifest.models``.

        Returns
        -------
        content : bytes
            Open these with an interpreter; the file may change at any time.

        Raises
        ------
        BundleError
            If it is missing, larger than `MAX_MODEL_BYTES`, or its size or sha256 differs from the
            manifest's.
        """
        path = self.folder / model.file
        return _checked(path, MAX_MODEL_BYTES, model.sha256, model.size_bytes)

    def golden_bytes(self) -> bytes:
        """Read ``golden.npz`` once, and check that it is the one of the manifest.

        Returns
        -------
        content : bytes

        Raises
        ------
        BundleError
            If the manifest has no digest, or the file is missing, larger than `MAX_GOLDEN_BYTES`,
            or its sha256 differs.
        """
        if not self.manifest.golden_sha256:
            raise BundleError(
                f"its manifest has no golden_sha256 to check {GOLDEN} with",
                "export the bundle again",
                self.folder,
            )
        return _checked(self.folder / GOLDEN, MAX_GOLDEN_BYTES, self.manifest.golden_sha256)


def _checked(path: Path, max_bytes: int, sha256: str, size_bytes: int | None = None) -> bytes:
    remedy = "copy the whole bundle again"
    max_bytes = max_bytes if size_bytes is None else min(max_bytes, size_bytes)
    content = read_file(path, max_bytes, remedy=remedy, error=BundleError)
    if size_bytes is not None and len(content) != size_bytes:
        raise BundleError(f"is damaged: {len(content)} bytes, expected {size_bytes}", remedy, path)
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        problem = f"is damaged: sha256={digest[:12]}…, expected {sha256[:12]}…"
        raise BundleError(problem, remedy, path)
    return content


def describe_model(path: Path, precision: str, input_kind: str = "features") -> ModelFile:
    """Return the manifest's entry for a model file.

    Parameters
    ----------
    path : Path
        The file.
    precision, input_kind : str
        As for `ModelFile`.

    Returns
    -------
    model : ModelFile
    """
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return ModelFile(path.name, precision, input_kind, digest, len(content))
