import os
from collections import Counter
from pathlib import Path

import pytest
from raising import raises

from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge_train import corpora
from ser_edge_train.corpora import CALM, CORPORA, LABELS, Clip, Found, find_clips
from ser_edge_train.published import recognise


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return folder


def table(folder: Path, text: str, *names: str) -> Path:
    touch(folder, *names)
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def reasons(found: Found) -> Counter[str]:
    return Counter(item.reason for item in found.left_out)


@pytest.mark.parametrize(
    ("name", "speaker", "label"),
    [
        ("03-01-01-01-01-01-07.wav", "ravdess/07", "neutral"),
        ("03-01-02-02-02-02-24.WAV", "ravdess/24", "neutral"),
        ("03-01-03-01-01-01-01.wav", "ravdess/01", "happy"),
        ("03-01-04-01-01-01-01.wav", "ravdess/01", "sad"),
        ("03-01-05-01-01-01-01.wav", "ravdess/01", "angry"),
        ("03-01-06-01-01-01-01.wav", "ravdess/01", "fear"),
        ("03-01-07-01-01-01-01.wav", "ravdess/01", "disgust"),
        ("03-01-08-01-01-01-01.wav", "ravdess/01", "surprise"),
        ("1001_DFA_ANG_XX.wav", "crema-d/1001", "angry"),
        ("1091_IEO_DIS_HI.flac", "crema-d/1091", "disgust"),
        ("1002_IEO_FEA_MD.wav", "crema-d/1002", "fear"),
        ("1003_TSI_HAP_LO.mp3", "crema-d/1003", "happy"),
        ("1004_TSI_NEU_XX.ogg", "crema-d/1004", "neutral"),
        ("1040_ITH_SAD_X.wav", "crema-d/1040", "sad"),
        ("OAF_back_angry.wav", "tess/OAF", "angry"),
        ("YAF_food_ps.wav", "tess/YAF", "surprise"),
        ("OA_bite_neutral.wav", "tess/OAF", "neutral"),
        ("DC_a01.wav", "savee/DC", "angry"),
        ("JE_sa15.wav", "savee/JE", "sad"),
        ("KL/su03.wav", "savee/KL", "surprise"),
        ("JK/n30.wav", "savee/JK", "neutral"),
        ("JK/JK_h02.wav", "savee/JK", "happy"),
        ("03a01Wa.wav", "emodb/03", "angry"),
        ("16b10Eb.wav", "emodb/16", "disgust"),
        ("14a02Ac.wav", "emodb/14", "fear"),
        ("03a01Fa.wav", "emodb/03", "happy"),
        ("03a01Nc.wav", "emodb/03", "neutral"),
        ("14a02Tb.wav", "emodb/14", "sad"),
    ],
)
def test_published_names(tmp_path: Path, name: str, speaker: str, label: str) -> None:
    touch(tmp_path / "some" / "where", name)
    found = find_clips([tmp_path])
    path = tmp_path / "some" / "where" / name
    assert found.clips == (Clip(path, speaker.split("/")[0], speaker, label),)
    assert found.rejected == ()
    assert found.left_out == ()
    assert found.notes == ()


def test_the_table_is_complete() -> None:
    for name, corpus in CORPORA.items():
        assert corpus.name == name
        assert corpus.licence
        assert corpus.citation
        assert set(corpus.labels.values()) <= {*LABELS, CALM}
        assert set(corpus.labels.values()) >= set(LABELS) - {"surprise"}


def test_several_corpora_below_one_folder(tmp_path: Path) -> None:
    touch(tmp_path, "b/YAF_b_sad.wav", "a/x/OAF_a_sad.wav", "flat/DC_a01.wav", "flat/03a01Wa.wav")
    clips = find_clips([tmp_path]).clips
    assert [c.speaker for c in clips] == ["emodb/03", "savee/DC", "tess/OAF", "tess/YAF"]


def test_the_order_is_not_that_of_the_sources(tmp_path: Path) -> None:
    a, b = touch(tmp_path / "a", "YAF_b_sad.wav"), touch(tmp_path / "b", "OAF_b_sad.wav")
    assert find_clips([a, b]) == find_clips([b, str(a)])


def test_a_stranger_among_a_corpus_is_rejected(tmp_path: Path) -> None:
    touch(
        tmp_path, *(f"03-01-05-01-01-01-{n:02}.wav" for n in range(1, 4)), "03-01-05.wav", "x.txt"
    )
    found = find_clips([tmp_path])
    assert len(found.clips) == 3
    [rejected] = found.rejected
    assert rejected.path == tmp_path / "03-01-05.wav"
    assert "03-01-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR" in rejected.reason


def test_a_foreign_folder_beside_a_corpus_is_rejected(tmp_path: Path) -> None:
    touch(tmp_path, "tess/YAF_b_sad.wav", "noise/fan.wav")
    [rejected] = find_clips([tmp_path]).rejected
    assert rejected.path == tmp_path / "noise" / "fan.wav"
    assert "'noise'" in rejected.reason


def test_unsupported_labels_are_left_out(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "song/03-02-05-01-01-01-01.wav",
        "song/03-02-06-01-01-01-01.wav",
        "video/01-01-05-01-01-01-01.mp4",
        "video/02-01-05-01-01-01-01.mp4",
        "speech/03-01-05-01-01-01-01.wav",
        "emodb/03a01La.wav",
    )
    found = find_clips([tmp_path])
    assert [c.path.parent.name for c in found.clips] == ["speech"]
    assert found.rejected == ()
    assert reasons(found) == {
        "emodb: boredom": 1,
        "ravdess: audio-visual version": 1,
        "ravdess: video without sound": 1,
        "ravdess: song": 2,
    }


def test_duplicates_are_left_out(tmp_path: Path) -> None:
    names = ("OAF_a_sad.wav", "OAF_a_ps.wav")
    touch(tmp_path, *names, *(f"TESS/TESS/{n}" for n in names), "DC/a01.wav", "savee/DC_a01.flac")
    found = find_clips([tmp_path])
    assert len(found.clips) == 3
    assert reasons(found) == {"savee: duplicate": 1, "tess: duplicate": 2}
    assert {item.path.name for item in found.left_out} == {*names, "DC_a01.flac"}
    assert find_clips([tmp_path, tmp_path / "TESS"]).clips == found.clips


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "OAF_a_sad.wav", "._OAF_a_sad.wav", ".cache/x.wav", "__MACOSX/._OAF_a_sad.wav")
    found = find_clips([tmp_path])
    assert len(found.clips) == 1
    assert found.rejected == ()
    names = ["._OAF_a_sad.wav", ".cache", "__MACOSX/._OAF_a_sad.wav"]
    assert [item.path for item in found.left_out] == [tmp_path / name for name in names]
    assert all("hidden" in item.reason for item in found.left_out)


def test_links_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path / "real", "OAF_a_sad.wav")
    data = tmp_path / "data"
    data.mkdir()
    (data / "linked").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real" / "round").symlink_to(data, target_is_directory=True)
    found = find_clips([data])
    assert [c.path for c in found.clips] == [data / "linked" / "OAF_a_sad.wav"]
    assert found.left_out == ()


def test_the_working_directory_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(touch(tmp_path, "DC/a01.wav", "mine/angry/1.wav") / "DC")
    assert find_clips(["."]).clips[0].speaker == "savee/DC"
    os.chdir(tmp_path / "mine")
    assert find_clips(["."]).clips[0].corpus == "mine"


@pytest.mark.parametrize(
    ("name", "speaker", "label"),
    [
        ("angry/1.wav", "", "angry"),
        ("angry/ANNA/1.wav", "mine/ANNA", "angry"),
        ("ANNA/angry/1.wav", "mine/ANNA", "angry"),
        ("ANNA/angry/monday/1.wav", "mine/ANNA", "angry"),
        ("angry/train/ANNA/1.wav", "mine/ANNA", "angry"),
        ("ANNA/angry/session2/1.wav", "mine/ANNA", "angry"),
        ("ANNA/Session_02/angry/1.wav", "mine/ANNA", "angry"),
        ("train-clean-100/ANNA/angry/1.wav", "mine/ANNA", "angry"),
        ("test/angry/1.wav", "", "angry"),
        ("angry/val/1.wav", "", "angry"),
        ("ANNA/angry/unknown/1.wav", "mine/ANNA", "angry"),
        ("Anger/1.wav", "", "angry"),
        ("FEARFUL/1.wav", "", "fear"),
        ("happiness/1.wav", "", "happy"),
        ("sadness/1.wav", "", "sad"),
        ("surprised/1.wav", "", "surprise"),
        ("Pleasant Surprise/1.wav", "", "surprise"),
        ("disgusted/1.wav", "", "disgust"),
        ("calm/1.wav", "", "neutral"),
    ],
)
def test_a_folder_per_label(tmp_path: Path, name: str, speaker: str, label: str) -> None:
    folder = touch(tmp_path / "mine", name)
    assert find_clips([folder]).clips == (Clip(folder / name, "mine", speaker, label),)


def test_folders_that_name_no_or_two_labels_are_rejected(tmp_path: Path) -> None:
    touch(tmp_path, "sad/1.wav", "bored/1.wav", "angry/Joy/1.wav")
    found = find_clips([tmp_path])
    assert [c.label for c in found.clips] == ["sad"]
    two, none = found.rejected
    assert two.path == tmp_path / "angry/Joy/1.wav"
    assert "'angry/Joy'" in two.reason
    assert none.path == tmp_path / "bored/1.wav"
    assert "'bored'" in none.reason


def test_a_csv(tmp_path: Path) -> None:
    path = table(
        tmp_path / "mine",
        '\ufeffPath, Label ,speaker\n a.wav , Anger,S1\n"b, c.wav","sad",\n\n sub/d.FLAC,ps, S2 \n',
        "a.wav",
        "b, c.wav",
        "sub/d.FLAC",
        "unlisted.wav",
    )
    expected = (
        Clip(path.parent / "b, c.wav", "mine", "", "sad"),
        Clip(path.parent / "a.wav", "mine", "mine/S1", "angry"),
        Clip(path.parent / "sub" / "d.FLAC", "mine", "mine/S2", "surprise"),
    )
    for source in (path, path.parent, tmp_path):
        found = find_clips([source])
        assert found.clips == expected
        assert found.rejected == ()
        unlisted = [] if source == path else [path.parent / "unlisted.wav"]
        assert [item.path for item in found.left_out] == unlisted


def test_a_csv_of_another_name_names_the_corpus(tmp_path: Path) -> None:
    path = table(tmp_path, "label;path\nsad;1.wav\n", "1.wav").rename(tmp_path / "calls.csv")
    assert find_clips([path]).clips == (Clip(tmp_path / "1.wav", "calls", "", "sad"),)


def test_rows_that_cannot_be_used_are_rejected(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "path,label\n1.wav,sad\ngone.wav,sad\n\n2.wav,bored\nlabels.csv,sad\n3.wav\n1.wav,angry\n",
        "1.wav",
        "2.wav",
        "3.wav",
    )
    found = find_clips([path])
    assert [c.path.name for c in found.clips] == ["1.wav"]
    values = {
        "1.wav": ["sad"],
        "gone.wav": ["row 3 of labels.csv"],
        "2.wav": ["row 5 of labels.csv", "'bored'", *LABELS],
        "labels.csv": ["row 6 of labels.csv", "'labels.csv'", ".wav"],
        "3.wav": ["row 7 of labels.csv", "''"],
    }
    reasons = {item.path.name: item.reason for item in found.rejected}
    assert reasons.keys() == values.keys()
    for name, expected in values.items():
        assert all(value in reasons[name] for value in expected)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"", "''"),
        (b"file,emotion\n1.wav,sad\n", "'file,emotion'"),
        ("path,label\nä.wav,sad\n".encode("latin-1"), "UTF-8"),
        (b"path,label\n", ".wav"),
        (b"path,label\ngone.wav,sad\n", "row 2 of labels.csv"),
    ],
)
def test_a_csv_that_cannot_be_used(tmp_path: Path, content: bytes, value: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with raises(SerEdgeError, value, source=path):
        find_clips([path])


@pytest.mark.parametrize(
    ("names", "source", "value"),
    [
        ((), "gone", "does not exist"),
        (("1.wav",), "1.wav", "CSV"),
        (("a/b/c/",), "a", ".wav, .flac, .ogg, .opus"),
        (("a/notes.txt",), "a", "1 left out"),
        (("a/1.wav",), "a", "1 rejected"),
        (("a/03a01La.wav",), "a", "emodb: boredom"),
    ],
)
def test_sources_without_recordings(
    tmp_path: Path, names: tuple[str, ...], source: str, value: str
) -> None:
    touch(tmp_path, *names)
    with raises(SerEdgeError, value, "RAVDESS", source=tmp_path / source):
        find_clips([tmp_path / source])


def test_no_source() -> None:
    with raises(ConfigError, "sources", "RAVDESS"):
        find_clips([])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    touch(tmp_path, "tess/OAF_a_sad.wav", "locked/OAF_b_sad.wav")
    (tmp_path / "locked").chmod(0)
    try:
        with raises(SerEdgeError, "Permission denied", source=tmp_path / "locked"):
            find_clips([tmp_path])
    finally:
        (tmp_path / "locked").chmod(0o700)


def test_every_file_is_examined_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{1001 + n % 91}_IEO_{'ANG' if n % 2 else 'SAD'}_XX.wav" for n in range(91)]
    for number in range(20):
        touch(tmp_path / str(number), *names)
    examined: list[str] = []

    def counted(name: str) -> object:
        examined.append(name)
        return recognise(name)

    monkeypatch.setattr(corpora, "recognise", counted)
    found = find_clips([tmp_path])
    assert len(examined) == 20 * 91
    assert reasons(found) == {"crema-d: duplicate": 19 * 91}


@pytest.mark.corpora
def test_the_real_corpora(corpora_dir: Path) -> None:
    found = find_clips([corpora_dir / name for name in ("ravdess", "tess", "emodb")])
    counts = Counter(clip.corpus for clip in found.clips)
    assert counts == {"ravdess": 1440, "tess": 700, "emodb": 535 - 81}
    assert len({clip.speaker for clip in found.clips}) == 24 + 2 + 10
    assert found.rejected == ()
    assert reasons(found) == {"emodb: boredom": 81}
    assert found.notes == ()


@pytest.mark.parametrize(
    "suffix", ["wav", "WAVE", "opus", "oga", "aiff", "aif", "au", "caf", "w64", "m4a", "webm"]
)
def test_every_kind_of_recording_is_a_clip(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path, "sad/1.wav", f"angry/1.{suffix}")
    found = find_clips([tmp_path])
    assert {(c.label, c.path.name) for c in found.clips} == {
        ("angry", f"1.{suffix}"),
        ("sad", "1.wav"),
    }
    assert found.left_out == ()


def test_every_other_file_is_named(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "sad/anna/1.wav",
        "sad/anna/1.m4a",
        "sad/notes.txt",
        "happy/1.raw",
        "calls.csv",
        "tess/OAF_a_sad.wav",
        "tess/OAF_a_sad.TextGrid",
    )
    found = find_clips([tmp_path])
    assert {c.path.name for c in found.clips} == {"1.wav", "OAF_a_sad.wav"}
    assert found.rejected == ()
    unused = {str(item.path.relative_to(tmp_path)): item.label for item in found.left_out}
    assert unused == {
        "sad/anna/1.m4a": "",
        "sad/notes.txt": "sad",
        "happy/1.raw": "happy",
        "calls.csv": "",
        "tess/OAF_a_sad.TextGrid": "",
    }
    assert reasons(found) == {
        "the same recording is there as .m4a and as .wav": 1,
        "not a recording": 3,
        "a table that is not named labels.csv": 1,
    }


def test_files_below_a_table_that_it_does_not_list_are_named(tmp_path: Path) -> None:
    names = ("1.wav", "new/2.wav", "new/labels.csv", "new/a.txt", ".x")
    path = table(tmp_path, "path,label\n1.wav,sad\n3.wav,sad\n", *names)
    found = find_clips([tmp_path])
    assert [item.path.name for item in found.rejected] == ["3.wav"]
    assert {item.path.name: item.reason for item in found.left_out} == {
        "2.wav": f"not listed in {path}",
        "labels.csv": "not a recording",
        "a.txt": "not a recording",
        ".x": "hidden, its name begins with a dot",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_and_a_broken_link_are_rejected(tmp_path: Path) -> None:
    touch(tmp_path, "sad/1.wav")
    os.mkfifo(tmp_path / "sad" / "2.wav")
    (tmp_path / "sad" / "3.wav").symlink_to(tmp_path / "gone.wav")
    found = find_clips([tmp_path])
    assert [c.path.name for c in found.clips] == ["1.wav"]
    assert [item.path.name for item in found.rejected] == ["2.wav", "3.wav"]


def test_parts_of_the_data_are_no_speakers_and_are_named(tmp_path: Path) -> None:
    names = [f"{part}/{who}/sad/{part}.wav" for part in ("train", "test") for who in "AB"]
    touch(tmp_path / "mine", *names, "val/sad/1.wav")
    found = find_clips([tmp_path / "mine"])
    assert {c.speaker for c in found.clips} == {"mine/A", "mine/B", ""}
    note, unknown = found.notes
    assert ": val." in note
    assert "1 clips" in unknown


def test_people_are_the_same_in_train_and_test_folders(tmp_path: Path) -> None:
    mine = touch(tmp_path / "mine", "train/sad/A/1.wav", "test/sad/A/2.wav")
    table(mine, "path,label,speaker\n3.wav,sad,A\n", "3.wav").rename(mine / "val.csv")
    sources = [mine / "train", mine / "test", mine / "val.csv"]
    assert {c.speaker for c in find_clips(sources).clips} == {"mine/A"}
    assert {c.corpus for c in find_clips(sources).clips} == {"train", "test", "val"}


def test_names_that_differ_in_spelling_are_reported(tmp_path: Path) -> None:
    text = (
        "path,label,speaker\n1.wav,sad,Anna\n2.wav,sad,anna\n3.wav,sad,Ben\n4.wav,sad,Zoe\u0301\n"
    )
    path = table(
        tmp_path, text + "5.wav,sad,Zo\u00e9\n6.wav,sad,?\n", *(f"{n}.wav" for n in "123456")
    )
    found = find_clips([path])
    people = {c.speaker.rpartition("/")[2] for c in found.clips}
    assert people == {"Anna", "anna", "Ben", "Zo\u00e9", ""}
    unknown, note = found.notes
    assert "1 clips" in unknown
    assert "Anna" in note
    assert "anna" in note
    assert "Ben" not in note
    assert "Zo" not in note


@pytest.mark.parametrize(
    ("second", "value"), [("angry,A", "labelled sad"), ("sad,B", "speaker mine/A")]
)
def test_a_recording_that_is_listed_twice_differently(
    tmp_path: Path, second: str, value: str
) -> None:
    path = table(tmp_path / "mine", f"path,label,speaker\n1.wav,sad,A\n1.wav,{second}\n", "1.wav")
    found = find_clips([path])
    assert [c.speaker for c in found.clips] == ["mine/A"]
    assert value in found.rejected[0].reason


def test_a_stray_quotation_mark_changes_no_other_row(tmp_path: Path) -> None:
    rows = [f"{n}.wav,sad,Ben" for n in range(12)]
    rows[2], rows[11] = '2.wav,sad,"Anna', '11.wav,sad,Ben"'
    names = [f"{n}.wav" for n in range(12)]
    path = table(tmp_path / "mine", "\n".join(["path,label,speaker", *rows]), *names)
    found = find_clips([path])
    assert {c.path.name for c in found.clips} == {*names} - {"2.wav", "11.wav"}
    assert {c.speaker for c in found.clips} == {"mine/Ben"}
    assert [item.path for item in found.rejected] == [path, path]
    assert [item.reason.partition(":")[0] for item in found.rejected] == ["row 13", "row 4"]


def test_calm_is_neutral_unless_it_is_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, "03-01-02-01-01-01-01.wav", "calm/1.wav", "sad/1.wav")
    assert {clip.label for clip in find_clips([tmp_path]).clips} == {"neutral", "sad"}
    apart = find_clips([tmp_path], calm_apart=True)
    assert sorted(clip.label for clip in apart.clips) == [CALM, CALM, "sad"]
