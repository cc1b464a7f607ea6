"""Which recordings there are, who speaks, and which emotion is meant.

Five published corpora are recognised by the names of their files, wherever they lie below a folder:
one entry of `CORPORA` describes one of them. One's own recordings come as a folder per label or as
a CSV with the columns path, label, speaker. No audio is opened here.
"""

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ser_edge.errors import SerEdgeError

LABELS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
LABELS_CSV = "labels.csv"

_SPELLINGS = {
    "angry": "angry anger",
    "disgust": "disgust disgusted",
    "fear": "fear fearful afraid scared",
    "happy": "happy happiness joy joyful",
    "neutral": "neutral calm",
    "sad": "sad sadness",
    "surprise": "surprise surprised ps pleasant_surprise pleasant_surprised",
}
_LABEL_OF = {spelling: label for label, text in _SPELLINGS.items() for spelling in text.split()}
_EXPECTED = (
    "expected RAVDESS, CREMA-D, TESS, SAVEE or EMO-DB under their original file names, one folder "
    "per label (angry, sad, …), or a CSV with the columns path,label,speaker"
)


@dataclass(frozen=True)
class Clip:
    """One labelled recording; `speaker` is unique over corpora ("tess/OAF"), "" where unknown."""

    path: Path
    corpus: str
    speaker: str
    label: str


@dataclass(frozen=True)
class Rejected:
    """A file that was not used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Found:
    """What `find_clips` found; `left_out` counts, by reason, good recordings of no use here."""

    clips: tuple[Clip, ...]
    rejected: tuple[Rejected, ...]
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class Corpus:
    """A published corpus, as its file names tell it.

    `pattern` is searched in "FOLDER/STEM" of a file and names the groups `speaker` and `label`;
    `labels` maps the latter to ours, `aliases` mends the former. A clip in which any group
    equals a key of `other` is left out for the reason that stands there.
    """

    name: str
    title: str
    naming: str
    pattern: re.Pattern[str]
    labels: Mapping[str, str]
    licence: str
    citation: str
    other: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


CORPORA: Mapping[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="ravdess",
            title="RAVDESS",
            naming="03-01-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR",
            pattern=re.compile(
                r"/(?P<kind>0[13]-0[12])-(?P<label>0[1-8])-0[12]-0[12]-0[12]-(?P<speaker>\d\d)$"
            ),
            labels=dict(
                zip(
                    ("01", "02", "03", "04", "05", "06", "07", "08"),  # 02 is calm
                    ("neutral", "neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"),
                    strict=True,
                )
            ),
            other={"01-01": "audio-visual version", "01-02": "song", "03-02": "song"},
            licence="CC BY-NC-SA 4.0",
            citation="Livingstone & Russo 2018, PLoS ONE 13(5), doi:10.5281/zenodo.1188976",
        ),
        Corpus(
            name="crema-d",
            title="CREMA-D",
            naming="SPEAKER_SENTENCE_EMOTION_INTENSITY (1001_DFA_ANG_XX)",
            pattern=re.compile(
                r"/(?P<speaker>1\d{3})_[A-Z]{3}_(?P<label>ANG|DIS|FEA|HAP|NEU|SAD)_(?:XX?|LO|MD|HI)$"
            ),
            labels=dict(zip(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), LABELS[:6], strict=True)),
            licence="Open Database License 1.0",
            citation="Cao et al. 2014, IEEE Trans. Affective Computing 5(4), 377-390",
        ),
        Corpus(
            name="tess",
            title="TESS",
            naming="SPEAKER_word_emotion (OAF_back_angry)",
            pattern=re.compile(
                r"/(?P<speaker>OAF|OA|YAF)_[A-Za-z]+_"
                r"(?P<label>angry|disgust|fear|happy|neutral|ps|sad)$"
            ),
            labels=dict(zip((*LABELS[:6], "ps"), LABELS, strict=True)),
            aliases={"OA": "OAF"},  # the full corpus holds one OA_bite_neutral
            licence="CC BY-NC-ND 4.0",
            citation="Pichora-Fuller & Dupuis 2020, doi:10.5683/SP2/E8H2MF",
        ),
        Corpus(
            name="savee",
            title="SAVEE",
            naming="SPEAKER_EMOTIONnn (DC_a01), or EMOTIONnn in a folder DC, JE, JK or KL",
            pattern=re.compile(r"(?:^|/)(?P<speaker>DC|JE|JK|KL)[_/](?P<label>sa|su|[adfhn])\d\d$"),
            labels=dict(zip(("a", "d", "f", "h", "n", "sa", "su"), LABELS, strict=True)),
            licence="free for research, after registration with the University of Surrey",
            citation="Haq & Jackson 2010, in Machine Audition, IGI Global, 398-423",
        ),
        Corpus(
            name="emodb",
            title="EMO-DB",
            naming="SPEAKER TEXT EMOTION TAKE (03a01Fa)",
            pattern=re.compile(r"/(?P<speaker>\d\d)[ab]\d\d(?P<label>[WLEAFTN])[a-z]$"),
            labels=dict(zip("WEAFNT", LABELS[:6], strict=True)),
            other={"L": "boredom"},
            licence="free, citation asked for",
            citation="Burkhardt et al. 2005, Interspeech, 1517-1520",
        ),
    )
}


def find_clips(sources: Sequence[str | os.PathLike[str]]) -> Found:
    """Find the labelled recordings in folders and CSV files.

    A file belongs to a published corpus by its name; where most recordings of a directory do, the
    others there are rejected. Elsewhere the folders below the source name the label and, below or
    above that, the speaker: ``DATA/angry/ANNA/1.wav``, ``DATA/ANNA/angry/1.wav``. A ``labels.csv``
    speaks for everything in its folder. Of two clips of the same corpus and name the first counts.

    Parameters
    ----------
    sources : sequence of path
        Folders, at any depth above the recordings, or ``.csv`` files.

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
        raise SerEdgeError(f"No recordings were given: {_EXPECTED}.")
    clips: dict[str, Clip] = {}
    rejected: set[Rejected] = set()
    left_out: Counter[str] = Counter()
    for source in map(Path, sources):
        items = _scan(source)
        if not any(isinstance(item, _Named) for item in items):
            raise SerEdgeError(f"{source} holds no {_what_is_missing(items)}: {_EXPECTED}.")
        for item in items:
            if isinstance(item, Rejected):
                rejected.add(item)
            elif isinstance(item, str):
                left_out[item] += 1
            elif (first := clips.setdefault(item.name, item.clip)).label != item.clip.label:
                rejected.add(Rejected(item.clip.path, f"has been labelled {first.label} before"))
            elif first is not item.clip:
                left_out[f"{item.clip.corpus}: second copy"] += 1

    def order(clip: Clip) -> tuple[str, ...]:
        return clip.corpus, clip.speaker, clip.path.name, str(clip.path)

    return Found(
        clips=tuple(sorted(clips.values(), key=order)),
        rejected=tuple(sorted(rejected, key=lambda item: (str(item.path), item.reason))),
        left_out=dict(sorted(left_out.items())),
    )


class _Named(NamedTuple):
    name: str  # what a second copy would share
    clip: Clip


_Item = _Named | Rejected | str  # the last: why a good recording is left out


def _what_is_missing(items: Sequence[_Item]) -> str:
    rejected = [f"{item.path}: {item.reason}" for item in items if isinstance(item, Rejected)]
    if rejected:
        return f"recording that can be used ({len(rejected)} rejected, {rejected[0]})"
    if items:
        reasons = sorted({str(item) for item in items})
        return f"recording with a label of ours (left out: {', '.join(reasons)})"
    return f"recording ({', '.join(AUDIO_SUFFIXES)})"


def _scan(source: Path) -> list[_Item]:
    try:
        if source.is_dir():
            return [item for at, names in _walk(source) for item in _folder(source, at, names)]
        if source.is_file() and source.suffix.lower() == ".csv":
            return list(_table(source))
        state = "is neither a folder nor a CSV" if source.exists() else "does not exist"
    except OSError as error:
        raise SerEdgeError(
            f"{error.filename or source} cannot be read ({error.strerror}): make it readable, or "
            "leave it out."
        ) from error
    raise SerEdgeError(f"{source} {state}: {_EXPECTED}.")


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


def _folder(source: Path, folder: Path, names: Sequence[str]) -> Iterator[_Item]:
    """Yield what lies in one directory itself."""
    if LABELS_CSV in names:
        yield from _table(folder / LABELS_CSV)
        return
    paths = [folder / name for name in names if _is_audio(name)]
    inside = os.path.basename(os.path.abspath(folder))
    matches = [_match(f"{inside}/{path.stem}") for path in paths]
    known = Counter(match[0].name for match in matches if match)
    if 2 * sum(known.values()) <= len(paths):
        yield from _labelled_folder(source, folder, paths)
        return
    usual = CORPORA[known.most_common(1)[0][0]]
    for path, match in zip(paths, matches, strict=True):
        if match:
            yield _published(path, *match)
        else:
            yield Rejected(path, f"does not follow {usual.title}'s naming {usual.naming}")


def _match(name: str) -> tuple[Corpus, re.Match[str]] | None:
    for corpus in CORPORA.values():
        if match := corpus.pattern.search(name):
            return corpus, match
    return None


def _published(path: Path, corpus: Corpus, match: re.Match[str]) -> _Item:
    for code in match.groupdict().values():
        if code in corpus.other:
            return f"{corpus.name}: {corpus.other[code]}"
    speaker = corpus.aliases.get(match["speaker"], match["speaker"])
    clip = Clip(path, corpus.name, f"{corpus.name}/{speaker}", corpus.labels[match["label"]])
    stem = match.group().strip("/").replace("/", "_")  # DC/a01 is DC_a01
    return _Named(f"{corpus.name}/{stem}", clip)


def _labelled_folder(source: Path, folder: Path, paths: Sequence[Path]) -> Iterator[_Item]:
    corpus = os.path.basename(os.path.abspath(source))
    parts = folder.relative_to(source).parts
    places = [place for place, part in enumerate(parts) if _label(part)]
    if len(places) == 1:
        [place] = places
        around = parts[place + 1 :][:1] or parts[:place][-1:]
        for path in paths:
            yield _own(path, corpus, "".join(around), _label(parts[place]))
    else:
        which = f"its folder {'/'.join(parts) or corpus!r} names"
        reason = f"follows no known corpus's naming, and {which} no label"
        for path in paths:
            yield Rejected(path, f"{which} more than one label" if places else reason)


def _table(path: Path) -> Iterator[_Item]:
    """Yield the rows of a CSV, numbered as a spreadsheet does."""
    corpus = Path(os.path.abspath(path)).parent.name if path.name == LABELS_CSV else path.stem
    header, rows = _read_csv(path)
    for number, row in enumerate(rows, start=2):
        if not any(row):
            continue
        cells = {"speaker": "", "path": "", "label": "", **dict(zip(header, row, strict=False))}
        audio, label = path.parent / cells["path"], _label(cells["label"])
        if not _is_audio(audio.name):
            reason = f"the path {cells['path']!r} names no {', '.join(AUDIO_SUFFIXES)}"
        elif not audio.is_file():
            reason = "the file does not exist"
        elif not label:
            reason = f"the label {cells['label']!r} is none of {', '.join(LABELS)}"
        else:
            yield _own(audio, corpus, cells["speaker"], label)
            continue
        yield Rejected(audio, f"row {number} of {path.name}: {reason}")


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        delimiter = max(",;\t", key=text.partition("\n")[0].count)  # spreadsheets write ; too
        table = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
        rows = [[cell.strip() for cell in row] for row in table]
    except (UnicodeDecodeError, csv.Error) as error:
        raise SerEdgeError(
            f"{path} is no CSV that can be read ({error}): save it as comma-separated UTF-8."
        ) from error
    header = [cell.lower() for cell in rows[0]] if rows else []
    if not {"path", "label"} <= set(header):
        raise SerEdgeError(
            f"{path} begins with {','.join(header)!r}; expected the columns path,label and, if "
            "known, speaker: name them so, or rename a file that lists no recordings."
        )
    return header, rows[1:]


def _own(path: Path, corpus: str, speaker: str, label: str) -> _Named:
    clip = Clip(path, corpus, f"{corpus}/{speaker}" if speaker else "", label)
    return _Named(os.path.realpath(path), clip)


def _label(text: str) -> str:
    """Our label for a spelling of it, "" if it is none."""
    return _LABEL_OF.get(re.sub(r"[\s_-]+", "_", text.strip()).casefold(), "")


def _is_audio(name: str) -> bool:
    return name.lower().endswith(AUDIO_SUFFIXES)
