"""Merged segments, and the formats in which they are written."""

from __future__ import annotations

import csv
import io
import json
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_edge import Segment
from ser_edge.choices import SEGMENT_FORMATS
from ser_edge.streaming.segments import FORMATS, displayed_label, merge_segments


def segment(start: float, end: float, best: str, state: str = "speech") -> Segment:
    shares = {name: 0.6 if name == best else 0.2 for name in ("angry", "happy", "sad")}
    return Segment(start, end, best if state == "speech" else None, 0.6, shares, state)


SEGMENTS = [
    segment(0, 3, "angry"),
    segment(3, 3.5, "angry"),
    segment(3.5, 4, "happy", "silence"),
    segment(4, 4.5, "sad", "silence"),
    segment(4.5, 5, "sad", "uncertain"),
    segment(5, 3725.0625, "happy"),
]


def test_equal_neighbours_are_merged() -> None:
    found = merge_segments(SEGMENTS)
    assert [(s.start_s, s.end_s, displayed_label(s)) for s in found] == [
        (0, 3.5, "angry"),
        (3.5, 4.5, "silence"),
        (4.5, 5, "uncertain"),
        (5, 3725.0625, "happy"),
    ]
    assert found[0].probabilities == pytest.approx({"angry": 0.6, "happy": 0.2, "sad": 0.2})
    assert found[1].probabilities == pytest.approx({"angry": 0.2, "happy": 0.4, "sad": 0.4})


@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from("ab"), st.sampled_from(["speech", "silence"])),
        min_size=1,
    )
)
def test_merged_segments_cover_the_same_time(parts: list[tuple[int, str, str]]) -> None:
    now, segments = 0, []
    for length, label, state in parts:
        shares = {"a": 0.5, "b": 0.5}
        known = label if state == "speech" else None
        segments.append(Segment(now, now + length, known, 0.5, shares, state))
        now += length
    found = merge_segments(segments)
    assert (found[0].start_s, found[-1].end_s) == (0, now)
    for before, after in pairwise(found):
        assert before.end_s == after.start_s
        assert displayed_label(before) != displayed_label(after)


def test_table() -> None:
    assert FORMATS["table"](merge_segments(SEGMENTS)).splitlines()[::3] == [
        "00:00:00.000 - 00:00:03.500  angry       60%",
        "00:00:05.000 - 01:02:05.062  happy       60%",
    ]


def test_json() -> None:
    found = json.loads(FORMATS["json"](merge_segments(SEGMENTS)))
    assert [one["state"] for one in found] == ["speech", "silence", "uncertain", "speech"]
    assert [one["label"] for one in found] == ["angry", None, None, "happy"]
    assert found[0]["probabilities"]["angry"] == pytest.approx(0.6)


def test_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](merge_segments(SEGMENTS)))))
    assert list(rows[0]) == [
        *("start_s", "end_s", "label", "probability", "state", "angry", "happy", "sad")
    ]
    assert [row["label"] for row in rows] == ["angry", "", "", "happy"]
    assert (rows[3]["start_s"], rows[3]["end_s"], rows[3]["label"]) == (
        "5.000",
        "3725.062",
        "happy",
    )


def test_web_vtt() -> None:
    text = FORMATS["vtt"](merge_segments(SEGMENTS))
    assert text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:03.500\nangry (60%)\n\n")
    times = re.findall(r"^(\d\d:\d\d:\d\d\.\d{3}) --> (\d\d:\d\d:\d\d\.\d{3})$", text, re.M)
    assert times == [("00:00:00.000", "00:00:03.500"), ("00:00:05.000", "01:02:05.062")]


def test_audacity_labels() -> None:
    lines = FORMATS["audacity"](merge_segments(SEGMENTS)).splitlines()
    assert lines[1] == "3.500000\t4.500000\tsilence"
    assert all(re.fullmatch(r"\d+\.\d{6}\t\d+\.\d{6}\t\w+", line) for line in lines)


def test_there_is_a_writer_for_each_format() -> None:
    assert tuple(FORMATS) == SEGMENT_FORMATS
