"""``manifest.json``: every number that a device needs, so that any language can read a bundle."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ser_edge.adaptation.speaker_model import SpeakerModel
from ser_edge.errors import BundleError, ConfigError
from ser_edge.frontend import InputConfig

FORMAT = "ser-edge-bundle"
FORMAT_VERSION = 1

PRECISIONS = ("float32", "float16", "dynamic", "int8", "int8-io")
"""How a file holds the network: weights of float32 or float16; int8 weights alone (``"dynamic"``);
int8 weights and arithmetic (``"int8"``), with int8 input and output as well (``"int8-io"``)."""

INPUT_KINDS = ("features", "batch", "audio")
"""What a file's input is: the standardised features of one window; those of any number of windows;
or the samples of one window, in which case its output is probabilities instead of logits."""


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
        One of `INPUT_KINDS`.
    sha256 : str
        Digest of the file, in hexadecimal.
    size_bytes : int
        Length of the file.
    """

    file: str
    precision: str
    input_kind: str
    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        for name in ("file", "sha256"):
            _check_text(name, getattr(self, name))
        for name, legal in (("precision", PRECISIONS), ("input_kind", INPUT_KINDS)):
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
    speakers : SpeakerModel, optional
        What adaptation to a speaker needs.
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
    speakers: SpeakerModel | None = field(default=None, repr=False)
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
        if self.speakers is not None and len(self.speakers.means) != len(self.labels):
            raise ConfigError(
                f"the speakers' means are of {len(self.speakers.means)} labels; expected "
                f"{len(self.labels)}"
            )
        if self.golden_sha256 != "":
            _check_text("golden_sha256", self.golden_sha256)
        if not isinstance(self.about, dict):
            raise ConfigError(f"about={self.about!r}; expected entries by name")

    @property
    def network_id(self) -> str:
        """Which network it is, whatever its form: by what adaptation to a speaker rests on."""
        known = json.dumps([self.labels, asdict(self)["speakers"]])
        return hashlib.sha256(known.encode()).hexdigest()[:16]

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
                speakers=_speakers(content.get("speakers")),
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


def _speakers(entry: object) -> SpeakerModel | None:
    if entry is None:
        return None
    if not isinstance(entry, dict):
        raise ConfigError(f"speakers={entry!r}; expected entries by name")
    return SpeakerModel.from_dict(entry)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value
