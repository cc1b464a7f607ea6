"""The readers' inputs: valid and mutated files, as hypothesis strategies."""

from __future__ import annotations

import copy
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import soundfile
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ser_edge import ConfigError, FeatureConfig
from ser_edge.features.descriptors import DESCRIPTORS

T = TypeVar("T")

_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**64 - 1)
_NUMBERS = [
    (value % 2 ** (8 * size)).to_bytes(size, "little") for value in _EXTREMES for size in (2, 4, 8)
]


_PIECES = {
    "wav": (b"RIFF", b"WAVE", b"fmt ", b"data"),
    "json": (b"[" * 20000, b'{"a":' * 20000, b"9" * 5000, b"1e999", b"NaN", b"null", b"-", b'"'),
    "zip": (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"\x93NUMPY\2\0"),
    "": (),
}


@st.composite
def mutated(draw: DrawFn, originals: SearchStrategy[bytes], kind_of_file: str = "") -> bytes:
    """Replace parts of a file by a flipped bit, noise, an extreme number or a copy."""
    data = bytearray(draw(originals))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["flip", "noise", "piece", "copy"]))
        if kind == "flip":
            new = bytes(byte ^ 1 << draw(st.integers(0, 7)) for byte in data[start : start + 1])
        elif kind == "noise":
            new = draw(st.binary(max_size=16))
        elif kind == "piece":
            new = draw(st.sampled_from([*_NUMBERS, *_PIECES[kind_of_file]]))
        else:
            source = draw(st.integers(0, len(data)))
            new = bytes(data[source : source + draw(st.sampled_from([1, 4, 8, 100, len(data)]))])
        # Mostly in place, since an insertion invalidates all offsets.
        length = draw(st.sampled_from([len(new)] * 6 + [0, 1, 8, 40, len(data)]))
        data[start : start + length] = new
    return bytes(data)


_PCM_GUID = bytes.fromhex("000000001000800000aa00389b71")
_FORMATS = [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)]
_SAMPLES = [b"\0", b"\xff", b"\x80", *(struct.pack("<f", x) for x in (np.nan, np.inf, 1e-45, 3e38))]


@st.composite
def _wav(draw: DrawFn) -> bytes:
    def usually(right: T, *others: T) -> T:
        return draw(st.sampled_from([right] * 9 * len(others) + [*others]))

    tag, bits = draw(st.sampled_from(_FORMATS))
    tag = usually(tag, 0, 2, 6, 7, 0x11, 0x31, 0x55, 0xFFFF)
    bits = usually(bits, 0, 1, 8, 12, 16, 24, 64, 0xFFFF)
    channels = usually(draw(st.integers(1, 3)), 0, 6, 255, 0x7FFF, 0xFFFF)
    rate = usually(draw(st.integers(8000, 192000)), 0, 7999, 192001, 2**31, 2**32 - 1)
    align = usually(channels * bits // 8, 0, 1, 0xFFFF) % 2**16
    fmt = struct.pack("<IIHH", rate, rate * align % 2**32, align, bits)
    if draw(st.booleans()):
        fmt = struct.pack("<HH", tag, channels) + fmt
    else:
        extension = struct.pack("<HHIH", 22, bits, 0, tag) + _PCM_GUID
        fmt = struct.pack("<HH", 0xFFFE, channels) + fmt + extension
    pattern = draw(st.binary(min_size=1, max_size=64) | st.sampled_from(_SAMPLES))
    body = pattern * draw(st.integers(1, 1000))
    chunks = [(b"fmt ", fmt), (b"data", body), (b"LIST", b"INFO"), (b"fact", b"\0" * 3)]
    order = usually([0, 1], [0, 2, 3, 1, 2], [0, 0, 1, 1], [0, 1, 0], [2, 0, 1], [1, 0], [0], [1])
    parts = []
    for name, content in (chunks[i] for i in order):
        length = usually(len(content), len(content) - 1, *(n for n in _EXTREMES if n < 2**32))
        parts.append(name + struct.pack("<I", length) + content + b"\0" * (len(content) % 2))
    whole = b"WAVE" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(whole)) + whole


def wavs() -> SearchStrategy[bytes]:
    """WAV files with chunks in any order, of any length, with any samples; then mutated."""
    return mutated(_wav(), "wav")


def sounds() -> SearchStrategy[bytes]:
    """Files that soundfile decodes, mutated."""
    kinds = [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
    kinds += [("WAV", subtype) for subtype in ("ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610")]
    tone = 0.5 * np.sin(np.arange(4000) / 5)
    files = []
    for container, subtype in kinds:
        file = io.BytesIO()
        soundfile.write(file, tone, 16000, subtype, format=container)
        files.append(file.getvalue())
    return mutated(st.sampled_from(files))


_STRANGE: list[Any] = [
    *(None, True, 0, 1, -1, 0.5, -0.0, 1e-300, 1e300, 10**400, 2**31, 2**63, np.nan, np.inf),
    *(8000, 192000, 16384, 60, 512, "", "x", "\0", "\ud800", "\u202e", "../x", [], {}, [[]], [0]),
    *({"a": 1}, "sequence", "flat", "offset", ["zcr"], ["mfcc"], ["zcr", "zcr"]),
]


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, k) for k in keys] + [place for k in keys for place in _places(value[k])]


@st.composite
def _edited(draw: DrawFn, original: dict[str, Any]) -> bytes:
    """Change, scale, delete, rename or add entries."""
    content = json.loads(json.dumps(original))
    values = st.sampled_from(_STRANGE) | st.integers() | st.floats() | st.text(max_size=8)
    for _ in range(draw(st.integers(0, 3))):
        # Choose a name first, since `mean` has 22 places and `temperature` one.
        by_name: dict[Any, list[Any]] = {}
        for container, key in _places(content):
            by_name.setdefault(key if isinstance(container, dict) else 0, []).append(
                (container, key)
            )
        if not by_name:
            break
        container, key = draw(st.sampled_from(by_name[draw(st.sampled_from(list(by_name)))]))
        old = container[key]
        action = draw(st.sampled_from(["value", "value", "scale", "scale", "delete", "name"]))
        if action == "scale" and type(old) in (int, float) and abs(old) < 1e9:
            factor = draw(st.sampled_from([0.001, 0.1, 0.5, 0.9, 1.1, 2, 5, 30, 1000, -1]))
            container[key] = type(old)(old * factor)
        elif action == "delete":
            del container[key]
        elif action == "name" and isinstance(container, dict):
            container[draw(st.sampled_from(list(container)) | st.text(max_size=8))] = old
        else:
            container[key] = copy.deepcopy(draw(values))  # may be edited again
    return json.dumps(content, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@st.composite
def _settings(draw: DrawFn, original: dict[str, Any]) -> bytes:
    """Choose legal settings, extreme ones included, with statistics that fit."""
    content = json.loads(json.dumps(original))
    features, window = content["input"]["features"], content["input"]["window"]
    choices: dict[str, list[Any]] = {
        "sample_rate": [8000, 22050, 192000],
        "n_fft": [2, 63, 2048, 16384],
        "hop_length": [1, 10, 512, 16384],
        "n_mfcc": [1, 20, 512],
        "n_mels": [1, 128, 512],
        "fmin": [0, 3000.0],
        "fmax": [None, 1, 4000],
        "center": [True, False],
    }
    changed = draw(st.lists(st.sampled_from(list(choices)), min_size=1, max_size=4))
    features |= {name: draw(st.sampled_from(choices[name])) for name in changed}
    features["descriptors"] = draw(
        st.just(features["descriptors"])
        | st.lists(st.sampled_from(list(DESCRIPTORS)), min_size=1, unique=True)
    )
    for name, values in {"duration_s": [0.1, 3.0, 60], "hop_s": [0.05, 1.0, 60]}.items():
        window[name] = draw(st.sampled_from(values))
    try:
        columns = len(FeatureConfig.from_dict(features).columns)
    except ConfigError:
        columns = 1
    content["input"] |= {"mean": [0.0] * columns, "scale": [1.0] * columns}
    return json.dumps(content).encode()


def manifests(original: bytes) -> SearchStrategy[bytes]:
    """Manifests with other values, types, entries and settings; some mutated as bytes too."""
    content = json.loads(original)
    content["about"] = {"licence": "synthetic"}
    edited = _edited(content)
    # Settings take the most time, so there are few of them.
    return st.one_of(*[edited] * 4, *[mutated(edited, "json")] * 2, _settings(content))


# zipfile ends a name at its first zero.
_MEMBER_NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12
)


@st.composite
def _repacked(draw: DrawFn, original: Path) -> bytes:
    """Edit the graph of a model file, or mutate, drop, swap or rename one of its arrays."""
    with zipfile.ZipFile(original) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    action = draw(st.sampled_from(["graph", "graph", "mutate", "drop", "swap", "rename"]))
    name = draw(st.sampled_from(list(members)))
    if action == "graph":
        members["graph.json"] = draw(_edited(json.loads(members["graph.json"])))
    elif action == "mutate":
        head, rest = members[name][:400], members[name][400:]  # an array's header is in the head
        members[name] = draw(mutated(st.just(head), "json")) + rest
    elif action == "swap":
        members[name] = members[draw(st.sampled_from(list(members)))]
    elif action == "rename":
        members[draw(_MEMBER_NAMES)] = members.pop(name)
    else:
        del members[name]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", draw(st.sampled_from([0, 0, 0, zipfile.ZIP_DEFLATED]))) as new:
        for name, content in members.items():
            new.writestr(name, content)
    return file.getvalue()


def archives(original: Path) -> SearchStrategy[bytes]:
    """Model files with other members, or mutated as bytes."""
    return _repacked(original) | mutated(content(original), "zip")


def content(original: Path) -> SearchStrategy[bytes]:
    """One file; hypothesis shows its path, not its content."""
    return st.just(original).map(Path.read_bytes)
