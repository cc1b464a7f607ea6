"""Split clips into training, validation and test, by one of four protocols.

===========  ===================================================================================
``speaker``  no test speaker is in training; published folds where they exist
             (`ser_edge_train.speakers`), otherwise a grouped, stratified k-fold
``corpus``   train on some corpora, test on another
``clip``     clips are split at random, then augmented: speakers are in both training and test
``leaky``    clips are augmented, then originals and augmentations are split at random, and the test
             part also chooses the epoch: the protocol of the published recipe
===========  ===================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from ser_edge.checks import check_choice, check_number
from ser_edge.choices import PROTOCOLS
from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge_train.corpora import Clip
from ser_edge_train.folds import n_folds, random_fold, speaker_folds

UNUSED, TRAIN, VALIDATION, TEST = range(4)
PARTS = ("unused", "train", "validation", "test")

_VALIDATION_SHARE = 0.15  # of the training speakers, or clips; by convention
_MIN_SPEAKERS = 3  # a corpus with fewer training speakers gives none to validation


@dataclass(frozen=True)
class Split:
    """The part of every clip and of every augmentation.

    Parameters
    ----------
    protocol : str
        One of `ser_edge.choices.PROTOCOLS`.
    parts : np.ndarray [shape=(n_clips, 1 + n_augmentations), dtype=int64]
        `UNUSED`, `TRAIN`, `VALIDATION` or `TEST`; column 0 is the original.
    notes : tuple of str
        Remarks for the report.
    """

    protocol: str
    parts: NDArray[np.int64]
    notes: tuple[str, ...]

    def rows(self, part: int) -> NDArray[np.int64]:
        """Return the (clip, augmentation) pairs of a part [shape=(n, 2)].

        Protocol leaky uses the test part for validation.
        """
        if part == VALIDATION and self.protocol == "leaky":
            part = TEST
        return np.argwhere(self.parts == part)

    @property
    def retrain(self) -> Split:
        """The same split with the validation clips, and their augmentations, in training."""
        parts = self.parts.copy()
        parts[(parts == VALIDATION).any(axis=1)] = TRAIN
        return replace(self, parts=parts)

    @property
    def augmented(self) -> NDArray[np.int64]:
        """Indices of the clips whose augmentations are used [shape=(n,)]."""
        return np.flatnonzero((self.parts[:, 1:] != UNUSED).any(axis=1))


def split_clips(
    clips: Sequence[Clip],
    protocol: str = "speaker",
    *,
    n_augmentations: int = 0,
    fold: int = 0,
    test_corpus: str | None = None,
    train_speakers: int | None = None,
    seed: int = 0,
) -> Split:
    """Split clips by a protocol.

    Parameters
    ----------
    clips : sequence of Clip
        All clips.
    protocol : str
        One of `ser_edge.choices.PROTOCOLS`.
    n_augmentations : int >= 0
        Augmentations of each training clip.
    fold : int >= 0
        The fold to test on, below `n_folds`. A corpus with fewer folds is used for training only.
    test_corpus : str, optional
        For ``corpus``: the corpus to test on.
    train_speakers : int > 0, optional
        For ``speaker`` and ``corpus``: use this many training speakers, drawn at random; default
        all.
    seed : int
        Seed of every random choice.

    Raises
    ------
    ConfigError
        If an option is out of range or does not fit the protocol or the clips.
    SerEdgeError
        If the clips cannot be split by this protocol.
    """
    check_protocol(protocol, test_corpus, train_speakers)
    _check_clips(clips, protocol, fold, test_corpus, seed)
    if protocol == "leaky":
        return _leaky(clips, n_augmentations, fold, seed)
    notes: list[str] = []
    part = np.full(len(clips), TRAIN)
    if protocol == "clip":
        part[random_fold([clip.label for clip in clips], fold, seed)] = TEST
        notes.append("Test speakers are in training too: the figures do not hold for new speakers.")
    elif protocol == "corpus":
        part[[clip.corpus == test_corpus for clip in clips]] = TEST
        _keep_tested_labels(clips, part, str(test_corpus), notes)
    else:
        part[_test_speakers(clips, fold, seed, notes)] = TEST
    if train_speakers is not None:
        _limit_speakers(clips, part, train_speakers, seed, notes)
    validation = _random_clips if protocol == "clip" else _validation_speakers
    part[validation(clips, np.flatnonzero(part == TRAIN), seed, notes)] = VALIDATION
    _keep_trained_labels(clips, part, notes)
    parts = np.full((len(clips), 1 + n_augmentations), UNUSED)
    parts[:, 0] = part
    parts[part == TRAIN] = TRAIN
    return Split(protocol, parts, tuple(notes))


def check_protocol(protocol: str, test_corpus: str | None, train_speakers: int | None) -> None:
    """Raise `ConfigError` for arguments of `split_clips` that are wrong with any clips."""
    check_choice("protocol", protocol, PROTOCOLS)
    if (protocol == "corpus") != (test_corpus is not None):
        raise ConfigError(
            f"protocol={protocol!r} with test_corpus={test_corpus!r}",
            "use --protocol corpus and --test-corpus together",
        )
    if train_speakers is None:
        return
    check_number("train_speakers", train_speakers, 1, integer=True)
    if protocol in ("clip", "leaky"):
        raise ConfigError(
            f"protocol={protocol!r} with train_speakers={train_speakers}, expected protocol "
            "speaker or corpus",
            "leave out --train-speakers, or choose another --protocol",
        )


def _check_clips(
    clips: Sequence[Clip], protocol: str, fold: int, test_corpus: str | None, seed: int
) -> None:
    corpora = sorted({clip.corpus for clip in clips})
    if test_corpus is not None and (test_corpus not in corpora or len(corpora) < 2):
        raise ConfigError(
            f"test_corpus={test_corpus!r}, expected one of at least two corpora, found "
            f"{', '.join(corpora)}",
            "add recordings of another corpus, or choose another --test-corpus",
        )
    count = n_folds(clips, protocol, seed=seed)
    if not 0 <= fold < count:
        raise ConfigError(
            f"fold={fold}, expected 0 to {count - 1} for protocol {protocol} with these clips"
        )


def _leave_out(
    clips: Sequence[Clip], part: NDArray[np.int64], kept: set[str], reason: str, notes: list[str]
) -> None:
    """Leave out the clips with other labels than the kept ones."""
    labels = np.array([clip.label for clip in clips])
    others = ~np.isin(labels, sorted(kept))
    if others.any():
        part[others] = UNUSED
        names = ", ".join(np.unique(labels[others]))
        notes.append(f"{others.sum()} clips of {names} were left out: {reason}.")


def _keep_tested_labels(
    clips: Sequence[Clip], part: NDArray[np.int64], test_corpus: str, notes: list[str]
) -> None:
    tested = {clip.label for clip in clips if clip.corpus == test_corpus}
    _leave_out(clips, part, tested, f"{test_corpus} has none", notes)
    if not (part == TRAIN).any():
        raise SerEdgeError(
            f"{test_corpus} shares no label with the other corpora",
            "choose another --test-corpus, or add recordings",
        )


def _limit_speakers(
    clips: Sequence[Clip], part: NDArray[np.int64], count: int, seed: int, notes: list[str]
) -> None:
    """Keep some speakers for training and validation, drawn at random."""
    speakers = np.array([clip.speaker for clip in clips])
    available = np.unique(speakers[part == TRAIN])
    if count > len(available):
        raise ConfigError(
            f"train_speakers={count}, expected at most {len(available)}: the speakers that are not "
            "in the test part",
            "lower --train-speakers, or add recordings of other speakers",
        )
    chosen = np.random.default_rng([seed, count]).choice(available, count, replace=False)
    part[(part == TRAIN) & ~np.isin(speakers, chosen)] = UNUSED
    notes.append(f"Training used {count} of the {len(available)} speakers outside the test part.")


def _keep_trained_labels(clips: Sequence[Clip], part: NDArray[np.int64], notes: list[str]) -> None:
    trained = {clips[i].label for i in np.flatnonzero(part == TRAIN)}
    if len(trained) < 2:
        raise SerEdgeError(
            f"all training clips are {', '.join(trained)}, expected at least two labels",
            "add recordings, or choose another --protocol",
        )
    _leave_out(clips, part, trained, "the training part has none", notes)
    if not (part == TEST).any():
        raise SerEdgeError(
            "no test clip has a label that is in the training part",
            "add recordings, or choose another --fold",
        )


def _leaky(clips: Sequence[Clip], n_augmentations: int, fold: int, seed: int) -> Split:
    labels = np.repeat([clip.label for clip in clips], 1 + n_augmentations)
    parts = np.full(len(labels), TRAIN)
    parts[random_fold(labels.tolist(), fold, seed)] = TEST
    parts = parts.reshape(len(clips), 1 + n_augmentations)
    in_test = (parts == TEST).any(axis=1)
    both = in_test & (parts == TRAIN).any(axis=1)
    return Split(
        "leaky",
        parts,
        (
            f"This protocol leaks: of the {in_test.sum()} test clips, {both.sum()} are also in the "
            "training part, as the original or another augmentation. All speakers are in both, and "
            "the test part chose the epoch. These figures do not estimate accuracy on new clips.",
        ),
    )


def _test_speakers(
    clips: Sequence[Clip], fold: int, seed: int, notes: list[str]
) -> NDArray[np.int64]:
    """Return the indices of the clips of a fold's test speakers."""
    nameless = next((clip for clip in clips if not clip.speaker), None)
    if nameless is not None:
        raise SerEdgeError(
            "the speaker is unknown, expected one for protocol speaker (folders such as train or "
            "session1 name none)",
            "move clips to LABEL/SPEAKER/ folders, or list them in a labels.csv with a speaker "
            "column, or choose --protocol clip",
            nameless.path,
        )
    tested: set[str] = set()
    for corpus in sorted({clip.corpus for clip in clips}):
        folds = speaker_folds(clips, corpus, seed)
        if not folds:
            notes.append(f"{corpus} has one speaker and is used for training only.")
        elif fold >= len(folds):
            notes.append(f"{corpus} has {len(folds)} folds; in this fold it is only trained on.")
        else:
            tested |= folds[fold]
    if not tested:
        raise SerEdgeError(
            "no corpus has two speakers, expected at least one that does for protocol speaker",
            "add recordings of another speaker, or choose --protocol clip",
        )
    return np.array([i for i, clip in enumerate(clips) if clip.speaker in tested])


def _validation_speakers(
    clips: Sequence[Clip], training: NDArray[np.int64], seed: int, notes: list[str]
) -> NDArray[np.int64]:
    """Return the indices of the clips of some training speakers of every corpus."""
    rng = np.random.default_rng(seed)
    chosen: set[str] = set()
    for corpus in sorted({clips[i].corpus for i in training}):
        speakers = sorted({clips[i].speaker for i in training if clips[i].corpus == corpus})
        if len(speakers) >= _MIN_SPEAKERS:
            count = max(1, round(_VALIDATION_SHARE * len(speakers)))
            chosen.update(rng.choice(speakers, count, replace=False).tolist())
    if chosen:
        return np.array([i for i in training if clips[i].speaker in chosen])
    notes.append("Too few speakers: the validation clips are of training speakers.")
    return _random_clips(clips, training, seed, notes)


def _random_clips(
    clips: Sequence[Clip], training: NDArray[np.int64], seed: int, _: list[str]
) -> NDArray[np.int64]:
    """Draw a share of the clips, at least one of each label and never the last one of a label."""
    labels = [clips[i].label for i in training]
    spare = [i for i, label in zip(training, labels, strict=True) if labels.count(label) > 1]
    if not spare:
        raise SerEdgeError(
            "each label has one clip, expected at least one each for training and validation",
            "add recordings",
        )
    stratify = [clips[i].label for i in spare]
    size = max(round(_VALIDATION_SHARE * len(spare)), len(set(stratify)))
    parts = train_test_split(spare, test_size=size, random_state=seed, stratify=stratify)
    return np.asarray(parts[1])
