"""Which clip is for training, for choosing and for testing: four protocols, by name.

===========  ===================================================================================
``speaker``  test speakers are never heard in training; published folds where they exist
             (`ser_edge_train.speakers`), elsewhere a grouped, stratified k-fold
``corpus``   train on some corpora, test on another
``clip``     clips are split at random, then augmented: speakers stand on both sides
``leaky``    clips are augmented, then the copies are split at random, and the test part also
             chooses the epoch: the published recipe's own protocol
===========  ===================================================================================

A `Split` says for each clip and each of its copies (0 is the original) in which part it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge_train.corpora import Clip
from ser_edge_train.folds import n_folds, random_fold, speaker_folds

PROTOCOLS = ("speaker", "corpus", "clip", "leaky")
UNUSED, TRAIN, VALIDATION, TEST = range(4)
PARTS = ("unused", "train", "validation", "test")

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

    @property
    def refit(self) -> Split:
        """The same split with the validation clips, and their copies, in training."""
        parts = self.parts.copy()
        parts[(parts == VALIDATION).any(axis=1)] = TRAIN
        return replace(self, parts=parts)

    @property
    def altered(self) -> NDArray[np.int64]:
        """Numbers of the clips whose altered copies are used [shape=(n,)]."""
        return np.flatnonzero((self.parts[:, 1:] != UNUSED).any(axis=1))


def split_clips(
    clips: Sequence[Clip],
    protocol: str = "speaker",
    *,
    n_copies: int = 0,
    fold: int = 0,
    test_corpus: str | None = None,
    train_speakers: int | None = None,
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
        Which of the folds is tested, below `n_folds`. A corpus of fewer folds is only trained on
        in the others.
    test_corpus : str, optional
        For ``corpus``: the one to test on.
    train_speakers : int > 0, optional
        For ``speaker`` and ``corpus``: so many of the speakers that are not tested are used, drawn
        by chance; by default all.
    seed : int
        Decides what is left to chance.

    Returns
    -------
    split : Split

    Raises
    ------
    ConfigError
        If `protocol` is unknown, or `test_corpus` or `train_speakers` do not go with it.
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
    if train_speakers is not None and (protocol in ("clip", "leaky") or train_speakers < 1):
        raise ConfigError(
            f"protocol={protocol!r} with train_speakers={train_speakers}; expected 1 or more, with "
            "protocol speaker or corpus"
        )
    count = n_folds(clips, protocol, seed=seed)
    if not 0 <= fold < count:
        raise ConfigError(
            f"fold={fold}; protocol {protocol} has {count} fold{'s' * (count > 1)} of these clips, "
            f"expected 0 to {count - 1}"
        )
    rng = np.random.default_rng(seed)
    if protocol == "leaky":
        return _leaky(clips, n_copies, fold, seed)
    notes: list[str] = []
    part = np.full(len(clips), TRAIN)
    if protocol == "clip":
        part[random_fold([clip.label for clip in clips], fold, seed)] = TEST
        notes.append("Speakers stand on both sides: the figures say little about a new speaker.")
    elif protocol == "corpus":
        part[_of_corpus(clips, str(test_corpus))] = TEST
        _leave_out_untested_labels(clips, part, str(test_corpus), notes)
    else:
        part[_by_speaker(clips, fold, seed, notes)] = TEST
    if train_speakers is not None:
        _leave_out_speakers(clips, part, train_speakers, seed, notes)
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


def _leave_out_untested_labels(
    clips: Sequence[Clip], part: NDArray[np.int64], test_corpus: str, notes: list[str]
) -> None:
    """Train on the labels that the test corpus has too: what corpora share is compared."""
    labels = np.array([clip.label for clip in clips])
    foreign = ~np.isin(labels, labels[part == TEST])
    if foreign.any():
        part[foreign] = UNUSED
        names = ", ".join(np.unique(labels[foreign]))
        notes.append(f"{foreign.sum()} clips were left out: no clip of {test_corpus} is {names}.")
    if not (part == TRAIN).any():
        raise SerEdgeError(
            f"{test_corpus} shares no label with the other corpora; name another --test-corpus, or "
            "add recordings"
        )


def _leave_out_speakers(
    clips: Sequence[Clip], part: NDArray[np.int64], count: int, seed: int, notes: list[str]
) -> None:
    """Keep so many speakers for training and validation, drawn by chance."""
    speakers = np.array([clip.speaker for clip in clips])
    there = np.unique(speakers[part == TRAIN])
    if count > len(there):
        raise SerEdgeError(
            f"{count} speakers are asked for and {len(there)} are not tested; ask for no more, or "
            "add recordings of others"
        )
    chosen = np.random.default_rng([seed, count]).choice(there, count, replace=False)
    part[(part == TRAIN) & ~np.isin(speakers, chosen)] = UNUSED
    notes.append(f"{count} of the {len(there)} speakers that are not tested were used.")


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


def _leaky(clips: Sequence[Clip], n_copies: int, fold: int, seed: int) -> Split:
    labels = np.repeat([clip.label for clip in clips], 1 + n_copies)
    parts = np.full(len(labels), TRAIN)
    parts[random_fold(labels.tolist(), fold, seed)] = TEST
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
    tested: set[str] = set()
    for corpus in sorted({clip.corpus for clip in clips}):
        folds = speaker_folds(clips, corpus, seed)
        if not folds:
            notes.append(f"{corpus} has one speaker and is used for training only.")
        elif fold >= len(folds):
            notes.append(f"{corpus} has {len(folds)} folds; in this one it is trained on only.")
        else:
            tested |= folds[fold]
    if not tested:
        raise SerEdgeError(
            "protocol speaker needs a corpus with at least two speakers; record another, or "
            "choose --protocol clip"
        )
    return np.array([i for i, clip in enumerate(clips) if clip.speaker in tested])


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
