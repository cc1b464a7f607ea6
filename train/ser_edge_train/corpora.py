"""Find labelled recordings: the file, the speaker and the label. No audio is opened here.

Published corpora (`published`) are recognised by their file names, at any depth below a folder.
All other recordings are your own (`own_corpora`).
"""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge_train.clips import (
    AUDIO_EXAMPLES,
    CALM,
    LABELS,
    NO_RECORDING,
    Clip,
    Item,
    LeftOut,
    Named,
    Rejected,
    Unused,
    converted_copy,
    is_audio,
)
from ser_edge_train.own_corpora import LABELS_CSV, labelled_folder, labelled_table
from ser_edge_train.own_speakers import same_spelling
from ser_edge_train.published import CORPORA, published_clip, recognise

__all__ = ["CALM", "CORPORA", "LABELS", "Clip", "Found", "LeftOut", "Rejected", "find_clips"]

U = TypeVar("U", bound=Unused)

_EXPECTED = (
    "give RAVDESS, CREMA-D, TESS, SAVEE or EMO-DB with their original file names, one folder per "
    "label (angry, sad, …), or a CSV with the columns path,label,speaker"
)

_HIDDEN = "hidden, its name begins with a dot"


@dataclass(frozen=True)
class Found:
    """The result of `find_clips`: every file of the sources is in one of the three.

    `rejected` are recordings that cannot be used, `left_out` files that need not be; `notes` are
    remarks for the report.
    """

    clips: tuple[Clip, ...]
    rejected: tuple[Rejected, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def find_clips(sources: Sequence[str | os.PathLike[str]], *, calm_apart: bool = False) -> Found:
    """Find the labelled recordings in folders and CSV files.

    The file name decides whether a file belongs to a published corpus. If most recordings of a
    directory do, its other recordings are rejected. In other directories the folder names give the
    label and, below or above it, the speaker: ``DATA/angry/ANNA/1.wav``, ``DATA/ANNA/angry/1.wav``.
    Folders such as ``train`` or ``session1`` name no speaker. A ``labels.csv`` replaces both for
    its folder and everything below. Of two clips with the same corpus and name, the first is used.

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
    named: dict[str, Named] = {}
    rejected: set[Rejected] = set()
    left_out: dict[str, LeftOut] = {}
    for source in map(Path, sources):
        items = _scan(source)
        if not any(isinstance(item, Named) for item in items):
            raise SerEdgeError(f"has no {_missing(items)}", _EXPECTED, source)
        for item in items:
            if isinstance(item, Rejected):
                rejected.add(item)
            elif isinstance(item, LeftOut):
                left_out[os.path.realpath(item.path)] = item
            elif (first := named.setdefault(item.name, item)) is not item:
                if conflict := _conflict(first.clip, item.clip):
                    rejected.add(Rejected(item.clip.path, f"is listed before, {conflict}"))
                else:
                    reason = f"{item.clip.corpus}: duplicate"
                    left_out[os.path.realpath(item.clip.path)] = LeftOut(item.clip.path, reason)
    clips = [item.clip for item in named.values()]
    # A file that overlapping sources have twice is used if one of them uses it.
    for path in [clip.path for clip in clips] + [item.path for item in rejected]:
        left_out.pop(os.path.realpath(path), None)
    if not calm_apart:
        clips = [replace(clip, label="neutral") if clip.label == CALM else clip for clip in clips]

    def order(clip: Clip) -> tuple[str, ...]:
        return clip.corpus, clip.speaker, clip.path.name, str(clip.path)

    return Found(
        clips=tuple(sorted(clips, key=order)),
        rejected=_ordered(rejected, calm_apart),
        left_out=_ordered(left_out.values(), calm_apart),
        notes=tuple(_notes(named.values())),
    )


def _conflict(first: Clip, second: Clip) -> str:
    if first.label != second.label:
        return f"labelled {first.label}"
    if first.corpus == second.corpus and first.speaker != second.speaker:
        return f"with the speaker {first.speaker or 'unknown'}"
    return ""


def _ordered(unused: Iterable[U], calm_apart: bool) -> tuple[U, ...]:
    items = [
        replace(item, label="neutral") if item.label == CALM and not calm_apart else item
        for item in unused
    ]
    return tuple(sorted(items, key=lambda item: (str(item.path), item.reason)))


def _notes(named: Collection[Named]) -> Iterator[str]:
    """Describe what is doubtful about the speakers."""
    passed_over = sorted({name for item in named for name in item.passed_over})
    if passed_over:
        yield f"Folders that name a part of the data, not a speaker: {', '.join(passed_over)}."
    speakers = Counter(item.clip.speaker for item in named)
    if 0 < speakers[""] < speakers.total():
        yield f"The speaker of {speakers['']} clips is unknown."
    similar: dict[str, list[str]] = {}
    for speaker in sorted(speakers):
        similar.setdefault(same_spelling(speaker), []).append(speaker)
    for names in similar.values():
        if len(names) > 1:
            yield f"Speakers that count as different people: {', '.join(names)}."


def _missing(items: Sequence[Item]) -> str:
    for kind, what in ((Rejected, "rejected"), (LeftOut, "left out")):
        if files := [item for item in items if isinstance(item, kind)]:
            first = f"{files[0].path}: {files[0].reason}"
            return f"usable recording ({len(files)} {what}, {first})"
    return f"recording ({AUDIO_EXAMPLES})"


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


def _walk(source: Path, *, below_tables: bool = False) -> Iterator[tuple[Path, list[str]]]:
    """Yield each directory once, with the names of its files and hidden folders; follow links.

    Directories below a ``labels.csv`` are left to its reader, unless `below_tables` is set.
    """

    def stop(error: OSError) -> None:
        raise error

    seen: set[str] = set()
    for path, folders, names in os.walk(source, onerror=stop, followlinks=True):
        hidden = [name for name in folders if name.startswith(".")]
        real = os.path.realpath(path)
        if real not in seen:
            yield Path(path), sorted([*names, *hidden])
        if real in seen or (LABELS_CSV in names and not below_tables):
            folders.clear()
        seen.add(real)
        folders[:] = sorted(set(folders).difference(hidden))


def _folder(source: Path, folder: Path, names: Sequence[str]) -> Iterator[Item]:
    """Yield the files of one directory, without those below it."""
    if LABELS_CSV in names:
        yield from _listed(folder)
        return
    visible = []
    for path in (folder / name for name in names):
        if path.name.startswith("."):
            yield LeftOut(path, _HIDDEN)
        elif is_audio(path.name) and not path.is_file():
            yield Rejected(path, "is a broken link, or no regular file")
        elif copy := converted_copy(path, names):
            yield LeftOut(
                path, f"the same recording is there as {path.suffix} and as {Path(copy).suffix}"
            )
        else:
            visible.append(path)
    paths = [path for path in visible if is_audio(path.name)]
    inside = os.path.basename(os.path.abspath(folder))
    matches = [recognise(f"{inside}/{path.stem}") for path in paths]
    known = Counter(match[0].name for match in matches if match)
    if 2 * sum(known.values()) <= len(paths):
        yield from labelled_folder(source, folder, visible)
        return
    usual = CORPORA[known.most_common(1)[0][0]]
    for path, match in zip(paths, matches, strict=True):
        if match:
            yield published_clip(path, *match)
        else:
            yield Rejected(path, f"is not named like {usual.title}: {usual.naming}")
    yield from (LeftOut(path, NO_RECORDING) for path in visible if not is_audio(path.name))


def _listed(folder: Path) -> Iterator[Item]:
    """Yield the recordings that a ``labels.csv`` lists, and the files that it does not list."""
    table = folder / LABELS_CSV
    listed = {os.path.realpath(table)}
    for item in labelled_table(table):
        listed.add(os.path.realpath(item.clip.path if isinstance(item, Named) else item.path))
        yield item
    for at, names in _walk(folder, below_tables=True):
        for path in (at / name for name in names):
            if os.path.realpath(path) in listed:
                continue
            if path.name.startswith("."):
                yield LeftOut(path, _HIDDEN)
            else:
                known = is_audio(path.name)
                yield LeftOut(path, f"not listed in {table}" if known else NO_RECORDING)
