"""Read the rows of a CSV that lists recordings, strictly: a fault in one row changes no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ser_edge.errors import SerEdgeError

COLUMNS = ("path", "label", "speaker")


def read_table(path: Path) -> Iterator[tuple[int, dict[str, str] | str]]:
    r"""Yield each row's number, as in spreadsheets, with its cells or with what is wrong with it.

    The separator is the comma, semicolon or tab that the header has. A cell may stand in quotation
    marks, but ends on its line: an unpaired mark cannot swallow the rows that follow.

    Raises
    ------
    SerEdgeError
        If it is not UTF-8, or its header has no column path or label, or one of these twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels.csv")
    ...     _ = path.write_text('Label;Path\nsad;"1;2.wav"\n')
    ...     list(read_table(path))
    [(2, {'path': '1;2.wav', 'label': 'sad', 'speaker': ''})]
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise SerEdgeError(
            f"cannot be read as CSV ({error})", "save it as comma-separated UTF-8", path
        ) from None
    # Excel may write the separator above the header: sep=;
    rows = [
        (number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip(" ,;\t") and not (number == 1 and line.startswith("sep="))
    ]
    first, *others = rows or [(1, "")]
    separator = max(",;\t", key=first[1].count)
    header = _header(path, first[1], separator)
    for number, line in others:
        cells = _cells(line, separator)
        if cells is None:
            yield (
                number,
                f"a quotation mark is unpaired, or inside a cell without marks: {line[:60]!r}",
            )
        elif any(cells[len(header) :]):
            yield number, f"has {len(cells)} cells, expected {len(header)}: {line[:60]!r}"
        elif any(cells):
            yield number, {**dict.fromkeys(COLUMNS, ""), **dict(zip(header, cells, strict=False))}


def _header(path: Path, line: str, separator: str) -> list[str]:
    header = [cell.lower() for cell in _cells(line, separator) or [line]]
    expected = "expected the columns path,label and, if known, speaker"
    if not {"path", "label"} <= set(header):
        raise SerEdgeError(
            f"the first row is {line.strip()!r}, {expected}",
            "add a first row with these names, or rename the file if it lists no recordings",
            path,
        )
    for name in COLUMNS:
        if header.count(name) > 1:
            raise SerEdgeError(
                f"the first row is {line.strip()!r}, with the column {name} twice, {expected}",
                "rename one of the two",
                path,
            )
    return header


def _cells(line: str, separator: str) -> list[str] | None:
    """Split a line into stripped cells; None if a quotation mark is where none may be."""
    pattern = re.compile(rf' *(?:"((?:[^"]|"")*)" *|([^"{separator}]*))({separator}|\Z)')
    cells: list[str] = []
    end = 0
    while match := pattern.match(line, end):
        quoted, plain, following = match.groups()
        cells.append((plain if quoted is None else quoted.replace('""', '"')).strip())
        if not following:
            return cells
        end = match.end()
    return None
