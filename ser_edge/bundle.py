"""The exported folder: what it holds, and whether its files are the ones exported.

A bundle holds ``manifest.json`` (`ser_edge.manifest`), one or more model files, ``golden.npz``,
``report.md`` and ``MODEL_CARD.md``.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ser_edge.errors import BundleError
from ser_edge.manifest import Manifest, ModelFile

PRETRAINED = Path(__file__).parent / "pretrained"
"""The bundle that comes with the package; its ``MODEL_CARD.md`` has its figures and terms."""

GOLDEN = "golden.npz"
"""Clips, and what each stage makes of them; docs/porting.md lists its arrays."""

_MOST_TEXT = 500


@dataclass(frozen=True)
class Bundle:
    """An exported folder whose manifest has been read; `Bundle.open` makes it.

    Parameters
    ----------
    folder : Path
        Where it is.
    manifest : Manifest
        What its ``manifest.json`` says.

    Examples
    --------
    >>> Bundle.open("no/such/bundle")
    Traceback (most recent call last):
    ser_edge.errors.BundleError: no/such/bundle: there is no such folder; expected a bundle, ...
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
        """
        folder = Path(folder)
        remedy = "expected a bundle, a folder written by `ser-edge export RUN --int8`"
        if not os.path.isdir(folder):
            found = "is a file" if os.path.exists(folder) else "there is no such folder"
            raise BundleError(f"{folder}: {found}; {remedy}")
        path = folder / "manifest.json"
        if not path.is_file():
            raise BundleError(f"{folder}: holds no manifest.json; {remedy}")
        try:
            return cls(folder, Manifest.from_json(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise BundleError(f"{path}: cannot be read ({error}); {remedy}") from None
        except BundleError as error:
            text = str(error)  # with the value, of which a foreign file may have megabytes
            if len(text) > _MOST_TEXT:
                text = f"{text[: _MOST_TEXT // 2]} … {text[-_MOST_TEXT // 2 :]}"
            raise BundleError(f"{path}: {text}") from None

    def model(self, suffix: str, precision: str, takes: str = "features") -> ModelFile | None:
        """Look for a form of the network.

        Parameters
        ----------
        suffix : str
            ``".tflite"``, ``".onnx"`` or ``".npz"``.
        precision : str
            One of `PRECISIONS`.
        takes : str
            One of `INPUT_KINDS`.

        Returns
        -------
        model : ModelFile or None
            The latter where the bundle has none.
        """
        wanted = suffix, precision, takes
        return next(
            (m for m in self.manifest.models if (m.suffix, m.precision, m.input_kind) == wanted),
            None,
        )

    def verified(self, model: ModelFile) -> Path:
        """Check that a model file is the one that was exported.

        Parameters
        ----------
        model : ModelFile
            One of ``manifest.models``.

        Returns
        -------
        path : Path
            Where it is.

        Raises
        ------
        BundleError
            If it is missing or its size or sha256 differs from the manifest's.
        """
        return _as_exported(self.folder / model.file, model.sha256, model.size_bytes)

    def verified_golden(self) -> Path:
        """Check that the golden clips are the ones that were exported.

        Returns
        -------
        path : Path
            Where they are.

        Raises
        ------
        BundleError
            If the manifest names none, the file is missing or its sha256 differs.
        """
        if not self.manifest.golden_sha256:
            raise BundleError(
                f"{self.folder}: its manifest has no golden_sha256, and so no {GOLDEN} to trust; "
                "export the bundle again"
            )
        return _as_exported(self.folder / GOLDEN, self.manifest.golden_sha256)


def _as_exported(path: Path, sha256: str, size_bytes: int | None = None) -> Path:
    """Return the path of a file that is what the manifest says."""
    remedy = "copy the whole bundle again"
    try:
        size = path.stat().st_size
        if size_bytes is not None and size != size_bytes:
            raise BundleError(
                f"{path}: is damaged or was changed, it has {size} bytes and the manifest says "
                f"{size_bytes}; {remedy}"
            )
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    if digest != sha256:
        raise BundleError(
            f"{path}: is damaged or was changed, its sha256 is {digest[:12]}… and the manifest "
            f"says {sha256[:12]}…; {remedy}"
        )
    return path


def describe_model(path: Path, precision: str, takes: str = "features") -> ModelFile:
    """Make the manifest's entry for a model file.

    Parameters
    ----------
    path : Path
        The file.
    precision : str
        One of `PRECISIONS`.
    takes : str
        One of `INPUT_KINDS`.

    Returns
    -------
    model : ModelFile
    """
    content = path.read_bytes()
    return ModelFile(path.name, precision, takes, hashlib.sha256(content).hexdigest(), len(content))
