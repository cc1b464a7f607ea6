"""Which clip is for training, for choosing and for testing: four protocols, by name.

===========  ===================================================================================
``speaker``  test speakers are never heard in training; published folds where they exist
``corpus``   train on some corpora, test on another
``clip``     clips are split at random, then augmented: speakers stand on both sides
``leaky``    clips are augmented, then the copies are split at random, and the test part also
             chooses the epoch: the published recipe's own protocol
===========  ===================================================================================

A `Split` says for each clip and each of its copies (0 is the original) in which part it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge_train.corpora import Clip

PROTOCOLS = ("speaker", "corpus", "clip", "leaky")
UNUSED, TRAIN, VALIDATION, TEST = range(4)
PARTS = ("unused", "train", "validation", "test")

# RAVDESS: EmoBox (Ma et al. 2024), six folds of actors. CREMA-D: audEERING's crema-d 1.1.0.
PUBLISHED_FOLDS: dict[str, tuple[str, ...]] = {
    "ravdess": (
        "01 11 20 21",
        "04 10 12 14",
        "08 09 19 23",
        "03 05 07 24",
        "02 15 16 18",
        "06 13 17 22",
    ),
    "crema-d": (
        "1048 1069 1071 1074 1076 1077 1078 1079 1082 1083 1084 1086 1087 1088 1089 1090 1091",
    ),
}
_FEW_SPEAKERS = 4  # a corpus with no more is tested one speaker at a time
_FOLDS = 5
_VALIDATION_SHARE = 0.15


@dataclass(frozen=True)
class Split:
    """The part of every copy of every clip.

    Parameters
    ----------
    protocol : str
        One of `PROTOCOLS`.
    parts : np.ndarray [shape=(n_clips, 1 + n_copies), dtype=int64]
        `UNUSED`, `TRAIN`, `VALIDATION` or `TEST`; column 0 is the original.
    notes : tuple of str
        What a reader of the figures has to know of this split.
    """

    protocol: str
    parts: NDArray[np.int64]
    notes: tuple[str, ...]

    def rows(self, part: int) -> NDArray[np.int64]:
        """Return (clip, copy) pairs of a part [shape=(n, 2)]; leaky validates on its test rows."""
        if part == VALIDATION and self.protocol == "leaky":
            part = TEST
        return np.argwhere(self.parts == part)


def split_clips(
    clips: Sequence[Clip],
    protocol: str = "speaker",
    *,
    n_copies: int = 0,
    fold: int = 0,
    test_corpus: str | None = None,
    seed: int = 0,
) -> Split:
    """Divide clips by a protocol.

    Parameters
    ----------
    clips : sequence of Clip
        All clips.
    protocol : {"speaker", "corpus", "clip", "leaky"}
        See the module.
    n_copies : int >= 0
        Augmented copies of each clip beside the original.
    fold : int >= 0
        Which of the folds is tested; numbers above the last start over.
    test_corpus : str, optional
        For ``corpus``: the one to test on.
    seed : int
        Decides what is left to chance.

    Returns
    -------
    split : Split

    Raises
    ------
    ConfigError
        If `protocol` is unknown, or `test_corpus` does not go with it.
    SerEdgeError
        If the clips cannot be divided that way.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"protocol={protocol!r}; expected one of {', '.join(PROTOCOLS)}")
    if (protocol == "corpus") != (test_corpus is not None):
        raise ConfigError(
            f"protocol={protocol!r} with test_corpus={test_corpus!r}; protocol corpus needs a "
            "--test-corpus, the other protocols take none"
        )
    rng = np.random.default_rng(seed)
    if protocol == "leaky":
        return _leaky(clips, n_copies, seed)
    notes: list[str] = []
    if protocol == "clip":
        tested = _random_clips(clips, np.arange(len(clips)), 0.2, seed)
        notes.append("Speakers stand on both sides: the figures say little about a new speaker.")
    elif protocol == "corpus":
        tested = _of_corpus(clips, str(test_corpus))
    else:
        tested = _by_speaker(clips, fold, seed, notes)
    part = np.full(len(clips), TRAIN)
    part[tested] = TEST
    if protocol == "clip":
        part[_random_clips(clips, np.flatnonzero(part == TRAIN), _VALIDATION_SHARE, seed)] = (
            VALIDATION
        )
    else:
        part[_validation_clips(clips, part, seed, rng, notes)] = VALIDATION
    _leave_out_untrained_labels(clips, part, notes)
    parts = np.full((len(clips), 1 + n_copies), UNUSED)
    parts[:, 0] = part
    parts[part == TRAIN] = TRAIN
    return Split(protocol, parts, tuple(notes))


def _leave_out_untrained_labels(
    clips: Sequence[Clip], part: NDArray[np.int64], notes: list[str]
) -> None:
    labels = np.array([clip.label for clip in clips])
    trained = np.unique(labels[part == TRAIN])
    if len(trained) < 2:
        raise SerEdgeError(
            f"the training clips are all {', '.join(trained)}; expected at least two labels, add "
            "recordings or choose another --protocol"
        )
    unknown = ~np.isin(labels, trained)
    if unknown.any():
        part[unknown] = UNUSED
        names = ", ".join(np.unique(labels[unknown]))
        notes.append(f"{unknown.sum()} clips were left out: no training clip is {names}.")
    if not (part == TEST).any():
        raise SerEdgeError(
            "no clip is left for testing, since none of the test part has a label that was "
            "trained; add recordings or choose another --fold"
        )


def _leaky(clips: Sequence[Clip], n_copies: int, seed: int) -> Split:
    labels = np.repeat([clip.label for clip in clips], 1 + n_copies)
    rows = np.arange(len(labels))
    tested = train_test_split(rows, test_size=0.2, random_state=seed, stratify=labels)[1]
    parts = np.full(len(rows), TRAIN)
    parts[tested] = TEST
    parts = parts.reshape(len(clips), 1 + n_copies)
    in_test = (parts == TEST).any(axis=1)
    both = in_test & (parts == TRAIN).any(axis=1)
    return Split(
        "leaky",
        parts,
        (
            f"This protocol leaks: of the {in_test.sum()} clips in the test part, {both.sum()} "
            "stand in the training part as well, as another augmented copy; all speakers do; and "
            "the epoch was chosen on the test part. The figures are no estimate of anything new.",
        ),
    )


def _of_corpus(clips: Sequence[Clip], corpus: str) -> NDArray[np.int64]:
    held = np.array([clip.corpus for clip in clips])
    if corpus not in held or (held == corpus).all():
        raise SerEdgeError(
            f"cannot train and test apart on the test corpus {corpus!r}: the clips are of "
            f"{', '.join(sorted(set(held)))}; name one of at least two of them"
        )
    return np.flatnonzero(held == corpus)


def _by_speaker(clips: Sequence[Clip], fold: int, seed: int, notes: list[str]) -> NDArray[np.int64]:
    nameless = next((clip for clip in clips if not clip.speaker), None)
    if nameless is not None:
        raise SerEdgeError(
            f"{nameless.path}: its speaker is unknown, and protocol speaker keeps speakers apart; "
            "put clips into LABEL/SPEAKER/ folders or list them in a labels.csv with a speaker "
            "column, or choose --protocol clip"
        )
    corpora = np.array([clip.corpus for clip in clips])
    tested = []
    for corpus in sorted(set(corpora)):
        members = np.flatnonzero(corpora == corpus)
        test = _test_speakers([clips[i] for i in members], corpus, fold, seed)
        if test:
            tested += [i for i in members if clips[i].speaker in test]
        else:
            notes.append(f"{corpus} has one speaker and is used for training only.")
    if not tested:
        raise SerEdgeError(
            "protocol speaker needs a corpus with at least two speakers; record another, or "
            "choose --protocol clip"
        )
    return np.array(tested)


def _test_speakers(clips: Sequence[Clip], corpus: str, fold: int, seed: int) -> set[str]:
    speakers = sorted({clip.speaker for clip in clips})
    if len(speakers) < 2:
        return set()
    published = PUBLISHED_FOLDS.get(corpus)
    if published:
        numbers = published[fold % len(published)].split()
        chosen = {speaker for speaker in speakers if speaker.rpartition("/")[2] in numbers}
        if chosen and chosen != set(speakers):
            return chosen
    if len(speakers) <= _FEW_SPEAKERS:
        return {speakers[fold % len(speakers)]}
    folds = StratifiedGroupKFold(min(_FOLDS, len(speakers)), shuffle=True, random_state=seed)
    labels = [clip.label for clip in clips]
    groups = [clip.speaker for clip in clips]
    parts = list(folds.split(np.zeros(len(clips)), labels, groups))
    return {groups[i] for i in parts[fold % len(parts)][1]}


def _validation_clips(
    clips: Sequence[Clip],
    part: NDArray[np.int64],
    seed: int,
    rng: np.random.Generator,
    notes: list[str],
) -> NDArray[np.int64]:
    """Take some training speakers of every corpus that has three or more left."""
    training = np.flatnonzero(part == TRAIN)
    chosen: set[str] = set()
    for corpus in sorted({clips[i].corpus for i in training}):
        speakers = sorted({clips[i].speaker for i in training if clips[i].corpus == corpus})
        if len(speakers) >= 3:
            count = max(1, round(_VALIDATION_SHARE * len(speakers)))
            chosen.update(rng.choice(speakers, count, replace=False).tolist())
    if chosen:
        return np.array([i for i in training if clips[i].speaker in chosen])
    notes.append("No speaker could be spared for validation: clips of training speakers choose.")
    return _random_clips(clips, training, _VALIDATION_SHARE, seed)


def _random_clips(
    clips: Sequence[Clip], among: NDArray[np.int64], share: float, seed: int
) -> NDArray[np.int64]:
    """Draw a share of the clips, at least one of each label and never the last of one."""
    labels = [clips[i].label for i in among]
    spare = [i for i, label in zip(among, labels, strict=True) if labels.count(label) > 1]
    if not spare:
        raise SerEdgeError(
            "each label has a single clip, and some are needed for training and some for choosing; "
            "add recordings"
        )
    stratify = [clips[i].label for i in spare]
    size = max(round(share * len(spare)), len(set(stratify)))
    parts = train_test_split(spare, test_size=size, random_state=seed, stratify=stratify)
    return np.asarray(parts[1])
