"""The CSV reader: rows that are right are read right, and a fault in a row stays in it."""

from __future__ import annotations

import contextlib
import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from raising import raises

from ser_edge import SerEdgeError
from ser_edge_train.table_file import read_table

# A line break in a cell is refused; a header's separator has to be the most frequent one in it.
CELL = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
ROW = st.lists(CELL, min_size=3, max_size=3)


def rows_of(content: bytes) -> list[tuple[int, dict[str, str] | str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "labels.csv")
        path.write_bytes(content)
        return list(read_table(path))


@given(
    rows=st.lists(ROW, max_size=6),
    delimiter=st.sampled_from(",;\t"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    bom=st.booleans(),
)
def test_what_a_csv_writer_wrote_is_read(
    rows: list[list[str]], delimiter: str, quoting: int, end: str, bom: bool
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerows([["speaker", "path", "label"], *rows])
    text = file.getvalue()
    expected = [
        (number, dict(zip(("speaker", "path", "label"), cells, strict=True)))
        for number, row in enumerate(rows, start=2)
        if any(cells := [cell.strip() for cell in row])
    ]
    assert rows_of(text.encode("utf-8-sig" if bom else "utf-8")) == expected


@given(
    text=st.text(st.sampled_from('ab,"\n\r \t;\u2028\x0b\x00é'), max_size=60),
    number=st.integers(2, 9),
)
@example(text='"', number=3)
@example(text='1.wav,sad,"Anna\n2.wav,sad,Ben"', number=2)
def test_a_fault_stays_in_its_row(text: str, number: int) -> None:
    good = [f"{n}.wav,sad,Ben" for n in range(2, 10)]
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    position = number - 2
    table = ["path,label,speaker", *good[:position], *lines, *good[position:]]
    rows = dict(rows_of("\n".join(table).encode()))
    for n, line in enumerate(table[1:], start=2):
        if not number <= n < number + len(lines):
            assert rows[n] == dict(zip(("path", "label", "speaker"), line.split(","), strict=True))
        for cell in rows[n].values() if isinstance(rows.get(n), dict) else ():  # type: ignore[union-attr]
            assert "\n" not in cell


@given(st.binary(max_size=80))
@example(b"path,label\n1.wav\0,sad")
@example(b"\xff\xfep\0a\0")
def test_any_content_is_read_or_refused(content: bytes) -> None:
    for head in (b"", b"path,label,speaker\n"):
        with contextlib.suppress(SerEdgeError):
            for _, cells in rows_of(head + content):
                assert isinstance(cells, str) or cells.keys() >= {"path", "label", "speaker"}


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("1.wav,sad,Anna", ("1.wav", "sad", "Anna")),
        (' "1.wav" ,sad, "An""na" ', ("1.wav", "sad", 'An"na')),
        ('"a, b.wav",sad', ("a, b.wav", "sad", "")),
        ("1.wav,sad,Anna,,,", ("1.wav", "sad", "Anna")),
        ("1.wav", ("1.wav", "", "")),
    ],
)
def test_rows(line: str, cells: tuple[str, ...]) -> None:
    [(number, row)] = rows_of(f"path,label,speaker\n\n,,\n{line}\n".encode())
    assert number == 4
    assert row == dict(zip(("path", "label", "speaker"), cells, strict=True))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('1.wav,sad,"Anna', "quotation mark"),
        ('1.wav,sad,An"na', "quotation mark"),
        ('1.wav,sad,"Anna"x', "quotation mark"),
        ("1.wav,sad,Doe, Anna", "4 cells, expected 3"),
    ],
)
def test_rows_with_a_fault(line: str, value: str) -> None:
    [(number, row)] = rows_of(f"path,label,speaker\n{line}".encode())
    assert number == 2
    assert isinstance(row, str)
    assert value in row
    assert repr(line) in row


@pytest.mark.parametrize(
    "head", ["path;label;speaker", "sep=;\nPath ; Label;SPEAKER", "\n\npath;label;speaker"]
)
def test_headers(head: str) -> None:
    [(number, row)] = rows_of(f"{head}\n1,2.wav;sad;Anna\n".encode("utf-8-sig"))
    assert number == head.count("\n") + 2
    assert row == {"path": "1,2.wav", "label": "sad", "speaker": "Anna"}


@pytest.mark.parametrize(
    ("head", "value"),
    [
        ("path,label,label", "column label twice"),
        ("Path,path,label", "column path twice"),
        ("path,label,speaker,Speaker", "column speaker twice"),
        ("path,speaker", "'path,speaker'"),
        ('path,"label', "'path,\"label'"),
    ],
)
def test_headers_that_are_refused(tmp_path: Path, head: str, value: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"{head}\n1.wav,sad,Anna\n", encoding="utf-8")
    with raises(SerEdgeError, value, "path,label", source=path):
        list(read_table(path))
