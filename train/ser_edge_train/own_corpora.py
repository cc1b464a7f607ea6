"""Your own recordings: a folder per label, or a CSV with the columns path, label, speaker."""

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ser_edge.errors import SerEdgeError
from ser_edge_train.clips import AUDIO_SUFFIXES, CALM, LABELS, Clip, Item, Named, Rejected, is_audio

LABELS_CSV = "labels.csv"

_SPELLINGS = {
    "angry": "angry anger",
    "disgust": "disgust disgusted",
    "fear": "fear fearful afraid scared",
    "happy": "happy happiness joy joyful",
    "neutral": "neutral",
    CALM: CALM,
    "sad": "sad sadness",
    "surprise": "surprise surprised ps pleasant_surprise pleasant_surprised",
}
_LABEL_OF = {spelling: label for label, text in _SPELLINGS.items() for spelling in text.split()}


def labelled_folder(source: Path, folder: Path, paths: Sequence[Path]) -> Iterator[Item]:
    """Yield the recordings of one directory, labelled by the names of its parent folders.

    The name of `source`, the top folder, is the name of the corpus.

    Yields
    ------
    Item
        A clip for each path, or its rejection if the folders name no label, or several.

    Examples
    --------
    >>> path = Path("mine/ANNA/angry/1.wav")
    >>> [item] = labelled_folder(Path("mine"), path.parent, [path])
    >>> item.clip.speaker, item.clip.label
    ('mine/ANNA', 'angry')
    """
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
        reason = f"is not named like a known corpus, and {which} no label"
        for path in paths:
            yield Rejected(path, f"{which} more than one label" if places else reason)


def labelled_table(path: Path) -> Iterator[Item]:
    r"""Yield the recordings that a CSV lists, with paths relative to its folder.

    Yields
    ------
    Item
        A clip for each row, or its rejection. Rows are numbered as in spreadsheets.

    Raises
    ------
    SerEdgeError
        If it is not a CSV in UTF-8 with the columns path and label.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "1.wav").touch()
    ...     path = Path(folder, "calls.csv")
    ...     _ = path.write_text("path,label,speaker\n1.wav,joy,ANNA\n")
    ...     [item] = labelled_table(path)
    >>> item.clip.speaker, item.clip.label
    ('calls/ANNA', 'happy')
    """
    corpus = Path(os.path.abspath(path)).parent.name if path.name == LABELS_CSV else path.stem
    header, rows = _read_csv(path)
    for number, row in enumerate(rows, start=2):
        if not any(row):
            continue
        cells = {"speaker": "", "path": "", "label": "", **dict(zip(header, row, strict=False))}
        audio, label = path.parent / cells["path"], _label(cells["label"])
        if not is_audio(audio.name):
            reason = f"the path is {cells['path']!r}, expected {', '.join(AUDIO_SUFFIXES)}"
        elif not audio.is_file():
            reason = "the file does not exist"
        elif not label:
            reason = f"the label is {cells['label']!r}, expected one of {', '.join(LABELS)}"
        else:
            yield _own(audio, corpus, cells["speaker"], label)
            continue
        yield Rejected(audio, f"row {number} of {path.name}: {reason}")


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        delimiter = max(",;\t", key=text.partition("\n")[0].count)  # some spreadsheets write ";"
        table = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
        rows = [[cell.strip() for cell in row] for row in table]
    except (UnicodeDecodeError, csv.Error) as error:
        raise SerEdgeError(
            f"cannot be read as CSV ({error})", "save it as comma-separated UTF-8", path
        ) from error
    header = [cell.lower() for cell in rows[0]] if rows else []
    if not {"path", "label"} <= set(header):
        raise SerEdgeError(
            f"the first row is {','.join(header)!r}, expected the columns path,label and, if "
            "known, speaker",
            "add a first row with these names, or rename the file if it lists no recordings",
            path,
        )
    return header, rows[1:]


def _own(path: Path, corpus: str, speaker: str, label: str) -> Named:
    clip = Clip(path, corpus, f"{corpus}/{speaker}" if speaker else "", label)
    return Named(os.path.realpath(path), clip)


def _label(text: str) -> str:
    """Return the label for one of its spellings, otherwise ""."""
    return _LABEL_OF.get(re.sub(r"[\s_-]+", "_", text.strip()).casefold(), "")
