"""Your own recordings: a folder per label, or a CSV with the columns path, label, speaker."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

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
    is_audio,
)
from ser_edge_train.own_speakers import known_speaker, people_of, speaker_folder
from ser_edge_train.table_file import read_table

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
    """Yield the files of one directory, labelled by the names of its parent folders.

    The name of `source`, the top folder, is the name of the corpus.

    Yields
    ------
    Item
        A clip for each recording, or its rejection if the folders name no label, or several.

    Examples
    --------
    >>> path = Path("mine/ANNA/angry/1.wav")
    >>> [item] = labelled_folder(Path("mine"), path.parent, [path])
    >>> item.clip.speaker, item.clip.label
    ('mine/ANNA', 'angry')
    """
    corpus, people = os.path.basename(os.path.abspath(source)), people_of(source)
    parts = folder.relative_to(source).parts
    places = [place for place, part in enumerate(parts) if _label(part)]
    label = _label(parts[places[0]]) if len(places) == 1 else ""
    which = f"its folder {'/'.join(parts) or corpus!r} names"
    reason = f"is not named like a known corpus, and {which} no label"
    for path in paths:
        if not is_audio(path.name):
            yield LeftOut(path, _no_recording(path), label)
        elif label:
            speaker, passed_over = speaker_folder(parts[places[0] + 1 :], parts[: places[0]])
            yield _own(path, corpus, people, speaker, label, passed_over)
        else:
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
    folder = Path(os.path.abspath(path)).parent
    source = folder if path.name == LABELS_CSV else folder / path.stem
    people = people_of(source)
    for number, cells in read_table(path):
        if isinstance(cells, str):
            yield Rejected(path, f"row {number}: {cells}")
            continue
        audio, label = path.parent / cells["path"], _label(cells["label"])
        if not is_audio(audio.name):
            reason = f"the path is {cells['path']!r}, expected one that ends in {AUDIO_EXAMPLES}"
        elif not os.path.isfile(audio):
            reason = "the file does not exist"
        elif not label:
            reason = f"the label is {cells['label']!r}, expected one of {', '.join(LABELS)}"
        else:
            speaker = known_speaker(cells["speaker"])
            yield _own(audio, source.name, people, speaker, label)
            continue
        yield Rejected(audio, f"row {number} of {path.name}: {reason}", label)


def _no_recording(path: Path) -> str:
    if path.suffix.lower() == ".csv":
        return f"a table that is not named {LABELS_CSV}"
    return NO_RECORDING


def _own(
    path: Path,
    corpus: str,
    people: str,
    speaker: str,
    label: str,
    passed_over: tuple[str, ...] = (),
) -> Named:
    clip = Clip(path, corpus, f"{people}/{speaker}" if speaker else "", label)
    return Named(os.path.realpath(path), clip, passed_over)


def _label(text: str) -> str:
    """Return the label for one of its spellings, otherwise ""."""
    return _LABEL_OF.get(re.sub(r"[\s_-]+", "_", text.strip()).casefold(), "")
