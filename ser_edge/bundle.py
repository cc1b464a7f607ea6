"""The exported folder: what is in its manifest, and whether its files are the ones exported.

A bundle holds ``manifest.json``, one or more model files, ``golden.npz`` and ``MODEL_CARD.md``. The
manifest has every number that the device needs, so that any language can read it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ser_edge.errors import BundleError, ConfigError
from ser_edge.frontend import InputConfig

FORMAT = "ser-edge-bundle"
FORMAT_VERSION = 1

PRECISIONS = ("float32", "float16", "dynamic", "int8", "int8-io")
"""How a file holds the network: weights of float32 or float16; int8 weights alone (``"dynamic"``);
int8 weights and arithmetic (``"int8"``), with int8 input and output as well (``"int8-io"``)."""

TAKES = ("features", "batch", "audio")
"""What a file's input is: the standardised features of one window; those of any number of windows;
or the samples of one window, in which case its output is probabilities instead of logits."""

GOLDEN = "golden.npz"
"""Clips, and what each stage makes of them; docs/porting.md lists its arrays."""

_MOST_TEXT = 500


@dataclass(frozen=True)
class ModelFile:
    """One form of the network: a file beside the manifest.

    Parameters
    ----------
    file : str
        File name, without a folder.
    precision : str
        One of `PRECISIONS`.
    takes : str
        One of `TAKES`.
    sha256 : str
        Digest of the file, in hexadecimal.
    size_bytes : int
        Length of the file.
    """

    file: str
    precision: str
    takes: str
    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        for name in ("file", "sha256"):
            _check_text(name, getattr(self, name))
        for name, legal in (("precision", PRECISIONS), ("takes", TAKES)):
            if getattr(self, name) not in legal:
                raise ConfigError(f"{name}={getattr(self, name)!r}; expected one of {legal}")
        if Path(self.file).name != self.file or self.file == "..":
            raise ConfigError(f"file={self.file!r}; expected a file name without a folder")
        if not isinstance(self.size_bytes, int) or self.size_bytes < 0:
            raise ConfigError(f"size_bytes={self.size_bytes!r}; expected a whole number")

    @property
    def suffix(self) -> str:
        """``.tflite``, ``.onnx`` or ``.npz``: which interpreters can run it."""
        return Path(self.file).suffix


@dataclass(frozen=True)
class Manifest:
    """All that ``manifest.json`` says.

    Parameters
    ----------
    name : str
        The bundle's name.
    labels : tuple of str
        What the network's outputs mean, in order.
    input : InputConfig
        How its input is made.
    temperature : float in [0.01, 100]
        Divides the logits ahead of the softmax (calibration; Guo et al. 2017).
    models : tuple of ModelFile
        The forms of the network.
    golden_sha256 : str
        Digest of `GOLDEN`, in hexadecimal; empty in a bundle without it.
    about : dict
        For people: metrics with their protocol, corpora, licence, recipe, versions.
    """

    name: str
    labels: tuple[str, ...]
    input: InputConfig
    temperature: float
    models: tuple[ModelFile, ...]
    golden_sha256: str = ""
    about: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        _check_text("name", self.name)
        for label in self.labels:
            _check_text("label", label)
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            raise ConfigError(f"labels={self.labels}; expected two or more, each once")
        if not (isinstance(self.temperature, int | float) and 0.01 <= self.temperature <= 100):
            raise ConfigError(f"temperature={self.temperature!r}; expected a number, 0.01 to 100")
        if not self.models:
            raise ConfigError("models=(); expected at least one model file")
        if self.golden_sha256 != "":
            _check_text("golden_sha256", self.golden_sha256)
        if not isinstance(self.about, dict):
            raise ConfigError(f"about={self.about!r}; expected entries by name")

    def to_json(self) -> str:
        """Write it as JSON.

        Returns
        -------
        text : str
            What ``manifest.json`` holds.
        """
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        return json.dumps(content, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read it from JSON.

        Parameters
        ----------
        text : str
            What ``manifest.json`` holds.

        Returns
        -------
        manifest : Manifest

        Raises
        ------
        BundleError
            If it is not a manifest, or one of another format version.
        """
        try:
            content = json.loads(text, parse_float=_number, parse_constant=_number)
        except (ValueError, RecursionError) as error:
            raise BundleError(f"is not JSON ({error})") from None
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise BundleError(f'is not a ser-edge manifest; expected "format": "{FORMAT}"')
        version = content.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise BundleError(
                f"has format version {version!r}; this ser-edge reads version {FORMAT_VERSION}; "
                "export the bundle again, or install the ser-edge that made it"
            )
        try:
            return cls(
                name=content["name"],
                labels=tuple(_list(content, "labels")),
                input=InputConfig.from_dict(content["input"]),
                temperature=content["temperature"],
                models=tuple(_model_file(entry) for entry in _list(content, "models")),
                golden_sha256=content.get("golden_sha256", ""),
                about=content.get("about", {}),
            )
        except KeyError as error:
            raise BundleError(f"lacks the entry {error}; export the bundle again") from None
        except (TypeError, AttributeError, ConfigError) as error:
            raise BundleError(f"does not fit: {error}; export the bundle again") from None


def _check_text(name: str, value: object) -> None:
    if not (isinstance(value, str) and value and value.isprintable()):
        raise ConfigError(f"{name}={value!r}; expected text on one line")


def _list(content: dict[str, Any], name: str) -> list[Any]:
    if not isinstance(content[name], list):
        raise ConfigError(f"{name}={content[name]!r}; expected a list")
    return list(content[name])


def _model_file(entry: object) -> ModelFile:
    names = [field.name for field in fields(ModelFile)]
    if not isinstance(entry, dict) or sorted(entry) != sorted(names):
        raise ConfigError(f"models holds {entry!r}; expected entries with {', '.join(names)}")
    return ModelFile(**entry)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


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
            One of `TAKES`.

        Returns
        -------
        model : ModelFile or None
            The latter where the bundle has none.
        """
        wanted = suffix, precision, takes
        return next(
            (m for m in self.manifest.models if (m.suffix, m.precision, m.takes) == wanted), None
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
        One of `TAKES`.

    Returns
    -------
    model : ModelFile
    """
    content = path.read_bytes()
    return ModelFile(path.name, precision, takes, hashlib.sha256(content).hexdigest(), len(content))
