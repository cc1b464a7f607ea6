"""Which folders are people."""

from __future__ import annotations

from pathlib import Path

import pytest

from ser_edge_train.own_speakers import known_speaker, people_of, same_spelling, speaker_folder


@pytest.mark.parametrize(
    "name",
    "train Train TEST val dev validation_set test-set train-clean-100 TrainSet fold3 Session1 "
    "session_02 ses-01 set_A part_b take2 batch07 day1 monday 2024-01-05 20240105 audio wav "
    "WAV_16kHz female men raw speakers recordings unknown ?".split(),
)
def test_parts_of_the_data(name: str) -> None:
    assert speaker_folder((name,), ("ANNA",)) == ("ANNA", (name,))
    assert speaker_folder((), ("ANNA", name)) == ("ANNA", (name,))
    assert speaker_folder((name,), (name,)) == ("", (name, name))


@pytest.mark.parametrize(
    "name",
    "ANNA Anna_test test_anna speaker1 Actor_07 p225 s1 F03 A 0011 20241305 Tessa Testa Valerie "
    "Mária Jörg 小明 spk-0001 user42".split(),
)
def test_people(name: str) -> None:
    assert speaker_folder((), (name,)) == (name, ())
    assert speaker_folder((name,), ("BEN",)) == (name, ())


def test_nearer_folders_come_first() -> None:
    assert speaker_folder(("test", "A"), ("B", "C")) == ("A", ("test",))
    assert speaker_folder((), ("A", "B")) == ("B", ())


@pytest.mark.parametrize("name", ["unknown", "N/A", "nan", "None", "?", "-", " "])
def test_unknown_speakers(name: str) -> None:
    assert known_speaker(name) == ""


def test_people_of_a_folder(tmp_path: Path) -> None:
    for name in ("calls", "calls/train", "calls/test/session1", "calls/2024-01-05"):
        assert people_of(tmp_path / name) == "calls"
    assert people_of(Path("/train")) == "train"


def test_spellings() -> None:
    assert len({same_spelling(name) for name in ("Anna M", "anna_m", "ANNA-M")}) == 1
    assert len({same_spelling(name) for name in ("speaker1", "Speaker 01")}) == 2
    assert len({same_spelling(name) for name in ("m/1", "m/01", "m/001")}) == 1
    assert len({same_spelling(name) for name in ("1", "10", "1-0", "100", "0")}) == 5
