"""Find labelled recordings: the file, the speaker and the label. No audio is opened here.

Published corpora (`published`) are recognised by their file names, at any depth below a folder.
All other recordings are your own (`own_corpora`).
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge_train.clips import AUDIO_SUFFIXES, CALM, LABELS, Clip, Item, Named, Rejected, is_audio
from ser_edge_train.own_corpora import LABELS_CSV, labelled_folder, labelled_table
from ser_edge_train.published import CORPORA, published_clip, recognise

__all__ = ["CALM", "CORPORA", "LABELS", "Clip", "Found", "Rejected", "find_clips"]

_EXPECTED = (
    "give RAVDESS, CREMA-D, TESS, SAVEE or EMO-DB with their original file names, one folder per "
    "label (angry, sad, …), or a CSV with the columns path,label,speaker"
)


@dataclass(frozen=True)
class Found:
    """The result of `find_clips`; `left_out` counts the valid but unused recordings by reason."""

    clips: tuple[Clip, ...]
    rejected: tuple[Rejected, ...]
    left_out: Mapping[str, int]


def find_clips(sources: Sequence[str | os.PathLike[str]], *, calm_apart: bool = False) -> Found:
    """Find the labelled recordings in folders and CSV files.

    The file name decides whether a file belongs to a published corpus. If most recordings of a
    directory do, its other recordings are rejected. In other directories the folder names give the
    label and, below or above it, the speaker: ``DATA/angry/ANNA/1.wav``, ``DATA/ANNA/angry/1.wav``.
    A ``labels.csv`` replaces both for its folder and everything below. Of two clips with the same
    corpus and name, the first is used.

    Parameters
    ----------
    sources : sequence of path
        Folders, at any depth above the recordings, or ``.csv`` files.
    calm_apart : bool
        Whether calm is a label of its own; otherwise it counts as neutral.

    Returns
    -------
    Found
        Clips, sorted by corpus, speaker and file name.

    Raises
    ------
    SerEdgeError
        If a source does not exist, cannot be read, or has no usable recording.
    ConfigError
        If `sources` is empty.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "OAF_back_ps.wav").touch()
    ...     [clip] = find_clips([folder]).clips
    >>> clip.speaker, clip.label
    ('tess/OAF', 'surprise')
    """
    if not sources:
        raise ConfigError("sources is empty", _EXPECTED)
    clips: dict[str, Clip] = {}
    rejected: set[Rejected] = set()
    left_out: Counter[str] = Counter()
    for source in map(Path, sources):
        items = _scan(source)
        if not any(isinstance(item, Named) for item in items):
            raise SerEdgeError(f"has no {_missing(items)}", _EXPECTED, source)
        for item in items:
            if isinstance(item, Rejected):
                rejected.add(item)
            elif isinstance(item, str):
                left_out[item] += 1
            elif (first := clips.setdefault(item.name, item.clip)).label != item.clip.label:
                rejected.add(Rejected(item.clip.path, f"is listed before, labelled {first.label}"))
            elif first is not item.clip:
                left_out[f"{item.clip.corpus}: duplicate"] += 1

    if not calm_apart:
        clips = {
            name: replace(clip, label="neutral") if clip.label == CALM else clip
            for name, clip in clips.items()
        }

    def order(clip: Clip) -> tuple[str, ...]:
        return clip.corpus, clip.speaker, clip.path.name, str(clip.path)

    return Found(
        clips=tuple(sorted(clips.values(), key=order)),
        rejected=tuple(sorted(rejected, key=lambda item: (str(item.path), item.reason))),
        left_out=dict(sorted(left_out.items())),
    )


def _missing(items: Sequence[Item]) -> str:
    rejected = [f"{item.path}: {item.reason}" for item in items if isinstance(item, Rejected)]
    if rejected:
        return f"usable recording ({len(rejected)} rejected, {rejected[0]})"
    if items:
        reasons = sorted({str(item) for item in items})
        return f"recording with a supported label (left out: {', '.join(reasons)})"
    return f"recording ({', '.join(AUDIO_SUFFIXES)})"


def _scan(source: Path) -> list[Item]:
    try:
        if source.is_dir():
            return [item for at, names in _walk(source) for item in _folder(source, at, names)]
        if source.is_file() and source.suffix.lower() == ".csv":
            return list(labelled_table(source))
        state = "is neither a folder nor a CSV" if source.exists() else "does not exist"
    except OSError as error:
        raise SerEdgeError(
            f"cannot be read ({error.strerror})",
            "make it readable, or leave it out",
            error.filename or source,
        ) from error
    raise SerEdgeError(state, _EXPECTED, source)


def _walk(source: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each directory once, with the names of its files; follow links."""

    def stop(error: OSError) -> None:
        raise error

    seen: set[str] = set()
    for path, folders, names in os.walk(source, onerror=stop, followlinks=True):
        real = os.path.realpath(path)
        if real in seen or LABELS_CSV in names:
            folders.clear()
        if real not in seen:
            yield Path(path), sorted(name for name in names if not name.startswith("."))
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def _folder(source: Path, folder: Path, names: Sequence[str]) -> Iterator[Item]:
    """Yield the recordings of one directory, without those below it."""
    if LABELS_CSV in names:
        yield from labelled_table(folder / LABELS_CSV)
        return
    paths = [folder / name for name in names if is_audio(name)]
    inside = os.path.basename(os.path.abspath(folder))
    matches = [recognise(f"{inside}/{path.stem}") for path in paths]
    known = Counter(match[0].name for match in matches if match)
    if 2 * sum(known.values()) <= len(paths):
        yield from labelled_folder(source, folder, paths)
        return
    usual = CORPORA[known.most_common(1)[0][0]]
    for path, match in zip(paths, matches, strict=True):
        if match:
            yield published_clip(path, *match)
        else:
            yield Rejected(path, f"is not named like {usual.title}: {usual.naming}")
