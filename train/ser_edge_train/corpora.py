"""Which recordings there are, who speaks, and which emotion is meant.

Published corpora (`published`) are recognised by the names of their files, wherever they lie below
a folder; the rest is taken for one's own recordings (`own_corpora`). No audio is opened here.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ser_edge.errors import SerEdgeError
from ser_edge_train.clips import AUDIO_SUFFIXES, CALM, LABELS, Clip, Item, Named, Rejected, is_audio
from ser_edge_train.own_corpora import LABELS_CSV, labelled_folder, labelled_table
from ser_edge_train.published import CORPORA, published_clip, recognise

__all__ = ["CALM", "CORPORA", "LABELS", "Clip", "Found", "Rejected", "find_clips"]

_EXPECTED = (
    "expected RAVDESS, CREMA-D, TESS, SAVEE or EMO-DB under their original file names, one folder "
    "per label (angry, sad, …), or a CSV with the columns path,label,speaker"
)


@dataclass(frozen=True)
class Found:
    """What `find_clips` found; `left_out` counts, by reason, good recordings of no use here."""

    clips: tuple[Clip, ...]
    rejected: tuple[Rejected, ...]
    left_out: Mapping[str, int]


def find_clips(sources: Sequence[str | os.PathLike[str]], *, calm_apart: bool = False) -> Found:
    """Find the labelled recordings in folders and CSV files.

    A file belongs to a published corpus by its name; where most recordings of a directory do, the
    others there are rejected. Elsewhere the folders below the source name the label and, below or
    above that, the speaker: ``DATA/angry/ANNA/1.wav``, ``DATA/ANNA/angry/1.wav``. A ``labels.csv``
    speaks for everything in its folder. Of two clips of the same corpus and name the first counts.

    Parameters
    ----------
    sources : sequence of path
        Folders, at any depth above the recordings, or ``.csv`` files.
    calm_apart : bool
        Whether calm stays a label of its own, and does not count as neutral.

    Returns
    -------
    Found
        Clips in the order of corpus, speaker and file name, wherever the files lie.

    Raises
    ------
    SerEdgeError
        If a source does not exist, cannot be read, or holds no recording that can be used.

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
        raise SerEdgeError(f"no recordings were given; {_EXPECTED}")
    clips: dict[str, Clip] = {}
    rejected: set[Rejected] = set()
    left_out: Counter[str] = Counter()
    for source in map(Path, sources):
        items = _scan(source)
        if not any(isinstance(item, Named) for item in items):
            raise SerEdgeError(f"{source} holds no {_what_is_missing(items)}; {_EXPECTED}")
        for item in items:
            if isinstance(item, Rejected):
                rejected.add(item)
            elif isinstance(item, str):
                left_out[item] += 1
            elif (first := clips.setdefault(item.name, item.clip)).label != item.clip.label:
                rejected.add(Rejected(item.clip.path, f"has been labelled {first.label} before"))
            elif first is not item.clip:
                left_out[f"{item.clip.corpus}: second copy"] += 1

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


def _what_is_missing(items: Sequence[Item]) -> str:
    rejected = [f"{item.path}: {item.reason}" for item in items if isinstance(item, Rejected)]
    if rejected:
        return f"recording that can be used ({len(rejected)} rejected, {rejected[0]})"
    if items:
        reasons = sorted({str(item) for item in items})
        return f"recording with a label of ours (left out: {', '.join(reasons)})"
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
            f"{error.filename or source} cannot be read ({error.strerror}); make it readable, or "
            "leave it out"
        ) from error
    raise SerEdgeError(f"{source} {state}; {_EXPECTED}")


def _walk(source: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each directory once, with its files' names; links are followed."""

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
    """Yield what lies in one directory itself."""
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
            yield Rejected(path, f"does not follow {usual.title}'s naming {usual.naming}")
