"""``manifest.json``: every setting that a device needs, readable from any language."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ser_edge.adaptation.speaker_model import SpeakerModel
from ser_edge.checks import check_choice, check_number
from ser_edge.choices import INPUT_KINDS, PRECISIONS
from ser_edge.errors import BundleError, ConfigError
from ser_edge.frontend import InputConfig
from ser_edge.versioned_json import parse_versioned_json

FORMAT = "ser-edge-bundle"
FORMAT_VERSION = 2

_REMEDY = "export the bundle again, or install the ser-edge that made it"


@dataclass(frozen=True)
class ModelFile:
    """A model file of the bundle.

    Parameters
    ----------
    file : str
        File name, without a folder.
    precision : str
        One of `ser_edge.choices.PRECISIONS`.
    input_kind : str
        One of `ser_edge.choices.INPUT_KINDS`.
    sha256 : str
        Digest of the file, in hexadecimal.
    size_bytes : int
        Length of the file.

    Raises
    ------
    ConfigError
        For any other value.
    """

    file: str
    precision: str
    input_kind: str
    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        for name in ("file", "sha256"):
            _check_text(name, getattr(self, name))
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("input_kind", self.input_kind, INPUT_KINDS)
        if Path(self.file).name != self.file or self.file == "..":
            raise ConfigError(f"file={self.file!r}, expected a file name without a folder")
        check_number("size_bytes", self.size_bytes, 0, integer=True)

    @property
    def suffix(self) -> str:
        """``.tflite``, ``.onnx`` or ``.npz``."""
        return Path(self.file).suffix


@dataclass(frozen=True)
class Manifest:
    """The content of ``manifest.json``.

    Parameters
    ----------
    name : str
        The bundle's name.
    labels : tuple of str
        Labels of the network's outputs, in order.
    input : InputConfig
        Features, windows and standardisation of the network's input.
    temperature : float in [0.01, 100]
        Divides the logits before the softmax (calibration; Guo et al. 2017).
    models : tuple of ModelFile
        One file per model variant.
    speakers : SpeakerModel, optional
        Statistics for adaptation to a speaker.
    golden_sha256 : str
        Digest of ``golden.npz``, in hexadecimal; empty in a bundle without it.
    about : dict
        For people: metrics with their protocol, corpora, licence, recipe, versions.

    Raises
    ------
    ConfigError
        For a value outside these ranges.
    """

    name: str
    labels: tuple[str, ...]
    input: InputConfig
    temperature: float
    models: tuple[ModelFile, ...]
    speakers: SpeakerModel | None = field(default=None, repr=False)
    golden_sha256: str = ""
    about: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        _check_text("name", self.name)
        for label in self.labels:
            _check_text("label", label)
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            raise ConfigError(f"labels={self.labels}, expected two or more, each once")
        check_number("temperature", self.temperature, 0.01, 100)
        if not self.models:
            raise ConfigError("models=(), expected at least one model file")
        if self.speakers is not None and len(self.speakers.means) != len(self.labels):
            raise ConfigError(
                f"speakers.means has {len(self.speakers.means)} labels, expected {len(self.labels)}"
            )
        if self.golden_sha256 != "":
            _check_text("golden_sha256", self.golden_sha256)
        if not isinstance(self.about, dict):
            raise ConfigError(f"about={self.about!r}, expected an object")

    @property
    def network_id(self) -> str:
        """Digest of labels and speaker statistics, the same for every variant of a network."""
        known = json.dumps([self.labels, asdict(self)["speakers"]])
        return hashlib.sha256(known.encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return the text of ``manifest.json``."""
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        return json.dumps(content, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Parse the text of ``manifest.json``.

        Raises
        ------
        BundleError
            If it is not a manifest of this format version, or an entry is missing or illegal.
        """
        content = parse_versioned_json(
            text, FORMAT, FORMAT_VERSION, remedy=_REMEDY, error=BundleError
        )
        try:
            return cls(
                name=content["name"],
                labels=tuple(_list(content, "labels")),
                input=InputConfig.from_dict(content["input"]),
                temperature=content["temperature"],
                models=tuple(_model_file(entry) for entry in _list(content, "models")),
                speakers=_speakers(content.get("speakers")),
                golden_sha256=content.get("golden_sha256", ""),
                about=content.get("about", {}),
            )
        except KeyError as error:
            raise BundleError(f"lacks the entry {error}", _REMEDY) from None
        except ConfigError as error:
            raise BundleError(error.problem, error.remedy or _REMEDY) from None
        except (TypeError, AttributeError) as error:
            raise BundleError(f"has an entry of another type ({error})", _REMEDY) from None


def _check_text(name: str, value: object) -> None:
    if not (isinstance(value, str) and value and value.isprintable()):
        raise ConfigError(f"{name}={value!r}, expected text on one line")


def _list(content: dict[str, Any], name: str) -> list[Any]:
    if not isinstance(content[name], list):
        raise ConfigError(f"{name}={content[name]!r}, expected a list")
    return list(content[name])


def _model_file(entry: object) -> ModelFile:
    names = [field.name for field in fields(ModelFile)]
    if not isinstance(entry, dict) or sorted(entry) != sorted(names):
        raise ConfigError(f"models holds {entry!r}, expected objects with {', '.join(names)}")
    return ModelFile(**entry)


def _speakers(entry: object) -> SpeakerModel | None:
    if entry is None:
        return None
    if not isinstance(entry, dict):
        raise ConfigError(f"speakers={entry!r}, expected an object")
    return SpeakerModel.from_dict(entry)
