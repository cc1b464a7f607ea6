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
from ser_edge.manifest import Manifest, ModelFile

PRETRAINED = Path(__file__).parent / "pretrained"
"""The bundle that comes with the package; its ``MODEL_CARD.md`` has its figures and terms."""

GOLDEN = "golden.npz"
"""Clips and the results of each stage on them; docs/porting.md lists the arrays."""

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
        if not path.is_file():
            raise BundleError("holds no manifest.json", remedy, folder)
        try:
            return cls(folder, Manifest.from_json(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
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

    def verified(self, model: ModelFile) -> Path:
        """Check a model file against the manifest.

        Parameters
        ----------
        model : ModelFile
            One of ``manifest.models``.

        Returns
        -------
        path : Path
            The file.

        Raises
        ------
        BundleError
            If it is missing or its size or sha256 differs from the manifest's.
        """
        return _verified(self.folder / model.file, model.sha256, model.size_bytes)

    def verified_golden(self) -> Path:
        """Check the golden clips against the manifest.

        Returns
        -------
        path : Path
            The file.

        Raises
        ------
        BundleError
            If the manifest has no digest, the file is missing or its sha256 differs.
        """
        if not self.manifest.golden_sha256:
            raise BundleError(
                f"its manifest has no golden_sha256 to check {GOLDEN} with",
                "export the bundle again",
                self.folder,
            )
        return _verified(self.folder / GOLDEN, self.manifest.golden_sha256)


def _verified(path: Path, sha256: str, size_bytes: int | None = None) -> Path:
    remedy = "copy the whole bundle again"
    try:
        size = path.stat().st_size
        if size_bytes is not None and size != size_bytes:
            raise BundleError(f"is damaged: {size} bytes, expected {size_bytes}", remedy, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BundleError(f"cannot be read ({error.strerror})", remedy, path) from None
    if digest != sha256:
        problem = f"is damaged: sha256={digest[:12]}…, expected {sha256[:12]}…"
        raise BundleError(problem, remedy, path)
    return path


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
