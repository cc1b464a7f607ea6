"""The four protocols: what they keep apart, and what they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raising import raises

from ser_edge import ConfigError, SerEdgeError
from ser_edge_train import splits
from ser_edge_train.corpora import LABELS, Clip
from ser_edge_train.folds import n_folds
from ser_edge_train.speakers import published_folds
from ser_edge_train.splits import TEST, TRAIN, VALIDATION, split_clips


def clips_of(corpus: str, speakers: list[str], takes: int = 2) -> list[Clip]:
    return [
        Clip(Path(f"{speaker}_{label}_{take}.wav"), corpus, f"{corpus}/{speaker}", label)
        for speaker in speakers
        for label in LABELS
        for take in range(takes)
    ]


RAVDESS = clips_of("ravdess", [f"{n:02}" for n in range(1, 25)])
TESS = clips_of("tess", ["OAF", "YAF"])
EMODB = clips_of("emodb", [f"{n:02}" for n in range(3, 13)])


def speakers_in(clips: list[Clip], split: splits.Split, part: int) -> set[str]:
    return {clips[clip].speaker for clip, _ in split.rows(part)}


@pytest.mark.parametrize("fold", range(6))
def test_speaker_protocol_keeps_every_speaker_on_one_side(fold: int) -> None:
    clips = RAVDESS + TESS + EMODB
    split = split_clips(clips, "speaker", n_augmentations=2, fold=fold)
    train, validation, test = (speakers_in(clips, split, p) for p in (TRAIN, VALIDATION, TEST))
    assert train
    assert validation
    assert not train & test
    assert not train & validation
    assert not validation & test
    folds = {"ravdess": 6, "tess": 2, "emodb": 5}
    expected = {corpus for corpus, count in folds.items() if fold < count}
    assert {clips[i].corpus for i, _ in split.rows(TEST)} == expected


@pytest.mark.parametrize("fold", range(6))
def test_published_folds_are_used(fold: int) -> None:
    split = split_clips(RAVDESS, "speaker", fold=fold)
    assert speakers_in(RAVDESS, split, TEST) == published_folds("ravdess")[fold]


def test_published_folds_cover_each_actor_once() -> None:
    actors = [actor for fold in published_folds("ravdess") for actor in fold]
    assert sorted(actors) == [f"ravdess/{n:02}" for n in range(1, 25)]
    assert len(published_folds("crema-d")[0]) == 17


@pytest.mark.parametrize("protocol", ["speaker", "clip", "leaky"])
def test_folds_test_everything_once(protocol: str) -> None:
    clips = RAVDESS + TESS + EMODB
    count = n_folds(clips, protocol)
    assert count == (6 if protocol == "speaker" else 5)
    splits = [
        split_clips(clips, protocol, n_augmentations=1, fold=fold).parts for fold in range(count)
    ]
    times = sum((parts == TEST).astype(int) for parts in splits)
    assert (times[:, 0] == 1).all()
    assert (times[:, 1] == (protocol == "leaky")).all()


def test_a_fold_that_is_not_there() -> None:
    with raises(ConfigError, "fold=6", "0 to 5"):
        split_clips(RAVDESS, "speaker", fold=6)
    with raises(ConfigError, "fold=1", "0 to 0"):
        split_clips(RAVDESS + TESS, "corpus", fold=1, test_corpus="tess")


@given(
    n_speakers=st.integers(2, 12),
    takes=st.integers(2, 3),
    fold=st.integers(0, 9),
    seed=st.integers(0, 5),
)
@settings(max_examples=60)
def test_no_speaker_of_other_corpora_is_in_two_parts(
    n_speakers: int, takes: int, fold: int, seed: int
) -> None:
    clips = clips_of("mine", [f"s{n}" for n in range(n_speakers)], takes)
    fold %= n_folds(clips, "speaker", seed=seed)
    split = split_clips(clips, "speaker", n_augmentations=1, fold=fold, seed=seed)
    train, test = (speakers_in(clips, split, part) for part in (TRAIN, TEST))
    assert train
    assert test
    assert not train & test
    # With two speakers, the validation clips are of the training speaker; a note says so.
    shared = train & speakers_in(clips, split, VALIDATION)
    assert bool(shared) == any("Too few speakers" in note for note in split.notes)


@pytest.mark.parametrize("protocol", ["speaker", "clip"])
def test_only_training_clips_are_augmented(protocol: str) -> None:
    split = split_clips(RAVDESS, protocol, n_augmentations=3)
    for parts in split.parts:
        assert set(parts[1:]) == ({TRAIN} if parts[0] == TRAIN else {splits.UNUSED})


def test_retraining_uses_validation_clips_too_and_no_test_clip() -> None:
    split = split_clips(RAVDESS, n_augmentations=3)
    assert not len(split.retrain.rows(VALIDATION))
    np.testing.assert_array_equal(split.retrain.rows(TEST), split.rows(TEST))
    chosen_on = split.parts[:, 0] == VALIDATION
    assert (split.retrain.parts[chosen_on] == TRAIN).all()
    np.testing.assert_array_equal(split.retrain.parts[~chosen_on], split.parts[~chosen_on])


def test_clip_protocol_keeps_clips_but_not_speakers_apart() -> None:
    split = split_clips(RAVDESS, "clip", n_augmentations=2)
    sides = [{int(clip) for clip, _ in split.rows(part)} for part in (TRAIN, VALIDATION, TEST)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert speakers_in(RAVDESS, split, TRAIN) & speakers_in(RAVDESS, split, TEST)
    assert len(sides[2]) == pytest.approx(0.2 * len(RAVDESS), abs=1)


def test_leaky_protocol_leaks_and_says_so() -> None:
    split = split_clips(RAVDESS, "leaky", n_augmentations=2)
    train, test = ({int(clip) for clip, _ in split.rows(part)} for part in (TRAIN, TEST))
    assert len(train & test) > 0.8 * len(test)
    np.testing.assert_array_equal(split.rows(VALIDATION), split.rows(TEST))
    assert f"{len(train & test)} are also in the training part" in split.notes[0]


def test_corpus_protocol_tests_on_one_corpus() -> None:
    clips = RAVDESS + TESS + EMODB
    split = split_clips(clips, "corpus", test_corpus="emodb")
    assert {clips[i].corpus for i, _ in split.rows(TEST)} == {"emodb"}
    assert {clips[i].corpus for i, _ in split.rows(TRAIN)} == {"ravdess", "tess"}
    assert not speakers_in(clips, split, TRAIN) & speakers_in(clips, split, VALIDATION)


def test_corpora_are_compared_in_the_labels_that_they_share() -> None:
    emodb = [clip for clip in EMODB if clip.label != "surprise"]
    split = split_clips(RAVDESS + emodb, "corpus", test_corpus="emodb")
    trained = {(RAVDESS + emodb)[i].label for i, _ in split.rows(TRAIN)}
    assert trained == set(LABELS) - {"surprise"}
    assert "48 clips of surprise were left out: emodb has none." in split.notes


def test_the_same_seed_gives_the_same_split() -> None:
    clips = RAVDESS + EMODB
    for protocol in ("speaker", "clip", "leaky"):
        first, second, other = (
            split_clips(clips, protocol, n_augmentations=2, seed=seed).parts for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(first, second)
        assert not np.array_equal(first, other)


def test_speakers_must_be_known() -> None:
    clips = [*TESS, Clip(Path("who.wav"), "mine", "", "angry")]
    with raises(SerEdgeError, "--protocol clip", source="who.wav"):
        split_clips(clips, "speaker")


def test_one_speaker_cannot_be_kept_apart() -> None:
    with raises(SerEdgeError, "--protocol clip"):
        split_clips(clips_of("mine", ["me"]), "speaker")


def test_a_corpus_of_one_speaker_trains_only() -> None:
    clips = RAVDESS + clips_of("mine", ["me"])
    split = split_clips(clips, "speaker")
    assert "mine/me" in speakers_in(clips, split, TRAIN)
    assert any("mine has one speaker" in note for note in split.notes)


def test_illegal_requests() -> None:
    with raises(ConfigError, "protocol='random'", "speaker, corpus, clip, leaky"):
        split_clips(RAVDESS, "random")
    with raises(ConfigError, "test_corpus=None"):
        split_clips(RAVDESS, "corpus")
    with raises(ConfigError, "protocol='clip'", "test_corpus='tess'"):
        split_clips(RAVDESS, "clip", test_corpus="tess")
    with raises(ConfigError, "test_corpus='tess'", "ravdess"):
        split_clips(RAVDESS, "corpus", test_corpus="tess")
    with raises(ConfigError, "test_corpus='ravdess'"):
        split_clips(RAVDESS, "corpus", test_corpus="ravdess")


def test_untrained_labels_are_left_out() -> None:
    train = [clip for clip in EMODB if clip.label != "surprise"]
    split = split_clips(train + TESS, "corpus", test_corpus="tess")
    clips = train + TESS
    assert {clips[i].label for i, _ in split.rows(TEST)} == set(LABELS) - {"surprise"}
    assert "4 clips of surprise were left out: the training part has none." in split.notes
    angry = [clip for clip in EMODB if clip.label == "angry"]
    with raises(SerEdgeError, "angry"):
        split_clips(angry + TESS, "corpus", test_corpus="tess")
    with raises(SerEdgeError, "tess"):
        split_clips(
            train + [clip for clip in TESS if clip.label == "surprise"],
            "corpus",
            test_corpus="tess",
        )


def test_a_single_clip_of_each_label_is_too_few() -> None:
    with raises(SerEdgeError):
        split_clips(clips_of("mine", ["me", "you"], takes=1), "speaker")


@pytest.mark.parametrize("count", [1, 4, 20])
def test_fewer_speakers_to_train_on(count: int) -> None:
    split = split_clips(RAVDESS, "speaker", n_augmentations=1, fold=2, train_speakers=count)
    tested, *others = (speakers_in(RAVDESS, split, p) for p in (TEST, TRAIN, VALIDATION))
    assert tested == published_folds("ravdess")[2]
    assert len(set.union(*others)) == count
    assert f"Training used {count} of the 20 speakers outside the test part." in split.notes
    rows = split.rows(TRAIN)
    assert {clip for clip, number in rows if number} <= {clip for clip, _ in rows}


@pytest.mark.parametrize(
    ("protocol", "count", "expected"),
    [("speaker", 21, "20"), ("speaker", 0, "1 up"), ("clip", 4, "protocol='clip'")],
)
def test_an_illegal_number_of_speakers(protocol: str, count: int, expected: str) -> None:
    with raises(ConfigError, f"train_speakers={count}", expected):
        split_clips(RAVDESS, protocol, train_speakers=count)
