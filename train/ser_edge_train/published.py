"""The published corpora and how their file names give speaker and label: see `CORPORA`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ser_edge_train.clips import CALM, LABELS, Clip, Item, LeftOut, Named


@dataclass(frozen=True)
class Corpus:
    """A published corpus.

    `pattern` is searched in "FOLDER/STEM" of a file and has the groups `speaker` and `label`.
    `labels` maps its label codes to `LABELS`, `aliases` corrects speaker names, and `voices`
    describes the speakers. A clip is left out if any group equals a key of `other`, which gives the
    reason.
    """

    name: str
    title: str
    naming: str
    pattern: re.Pattern[str]
    labels: Mapping[str, str]
    licence: str
    citation: str
    voices: str
    other: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


CORPORA: Mapping[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="ravdess",
            title="RAVDESS",
            naming="03-01-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR",
            pattern=re.compile(
                r"/(?P<kind>0[1-3]-0[12])-(?P<label>0[1-8])-0[12]-0[12]-0[12]-(?P<speaker>\d\d)$"
            ),
            labels=dict(
                zip(
                    ("01", "02", "03", "04", "05", "06", "07", "08"),
                    ("neutral", CALM, "happy", "sad", "angry", "fear", "disgust", "surprise"),
                    strict=True,
                )
            ),
            other={
                "01-01": "audio-visual version",
                "02-01": "video without sound",
                **dict.fromkeys(("01-02", "02-02", "03-02"), "song"),
            },
            licence="CC BY-NC-SA 4.0",
            citation="Livingstone & Russo 2018, PLoS ONE 13(5), doi:10.5281/zenodo.1188976",
            voices="actors, North American English, 21 to 33 years",
        ),
        Corpus(
            name="crema-d",
            title="CREMA-D",
            naming="SPEAKER_SENTENCE_EMOTION_INTENSITY (1001_DFA_ANG_XX)",
            pattern=re.compile(
                r"/(?P<speaker>1\d{3})_[A-Z]{3}_(?P<label>ANG|DIS|FEA|HAP|NEU|SAD)_(?:XX?|LO|MD|HI)$"
            ),
            labels=dict(zip(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), LABELS[:6], strict=True)),
            licence="Open Database License 1.0",
            citation="Cao et al. 2014, IEEE Trans. Affective Computing 5(4), 377-390",
            voices="actors, American English of several ethnicities, 20 to 74 years",
        ),
        Corpus(
            name="tess",
            title="TESS",
            naming="SPEAKER_word_emotion (OAF_back_angry)",
            pattern=re.compile(
                r"/(?P<speaker>OAF|OA|YAF)_[A-Za-z]+_"
                r"(?P<label>angry|disgust|fear|happy|neutral|ps|sad)$"
            ),
            labels=dict(zip((*LABELS[:6], "ps"), LABELS, strict=True)),
            aliases={"OA": "OAF"},  # the full corpus has one OA_bite_neutral
            licence="CC BY-NC-ND 4.0",
            citation="Pichora-Fuller & Dupuis 2020, doi:10.5683/SP2/E8H2MF",
            voices="two actresses, Canadian English, 26 and 64 years",
        ),
        Corpus(
            name="savee",
            title="SAVEE",
            naming="SPEAKER_EMOTIONnn (DC_a01), or EMOTIONnn in a folder DC, JE, JK or KL",
            pattern=re.compile(r"(?:^|/)(?P<speaker>DC|JE|JK|KL)[_/](?P<label>sa|su|[adfhn])\d\d$"),
            labels=dict(zip(("a", "d", "f", "h", "n", "sa", "su"), LABELS, strict=True)),
            licence="free for research, after registration with the University of Surrey",
            citation="Haq & Jackson 2010, in Machine Audition, IGI Global, 398-423",
            voices="men, British English, 27 to 31 years",
        ),
        Corpus(
            name="emodb",
            title="EMO-DB",
            naming="SPEAKER TEXT EMOTION TAKE (03a01Fa)",
            pattern=re.compile(r"/(?P<speaker>\d\d)[ab]\d\d(?P<label>[WLEAFTN])[a-z]$"),
            labels=dict(zip("WEAFNT", LABELS[:6], strict=True)),
            other={"L": "boredom"},
            licence="free; please cite",
            citation="Burkhardt et al. 2005, Interspeech, 1517-1520",
            voices="actors, German, 21 to 35 years",
        ),
    )
}


def recognise(name: str) -> tuple[Corpus, re.Match[str]] | None:
    """Find the published corpus whose pattern matches "FOLDER/STEM" of a file.

    Examples
    --------
    >>> corpus, match = recognise("wav/03a01Fa")
    >>> corpus.title, match["speaker"], match["label"]
    ('EMO-DB', '03', 'F')
    """
    for corpus in CORPORA.values():
        if match := corpus.pattern.search(name):
            return corpus, match
    return None


def published_clip(path: Path, corpus: Corpus, match: re.Match[str]) -> Item:
    """Return the clip for a match of `recognise`, or why it is left out.

    Examples
    --------
    >>> path = Path("wav/03a01Fa.wav")
    >>> published_clip(path, *recognise("wav/03a01Fa")).clip.label
    'happy'
    """
    for code in match.groupdict().values():
        if code in corpus.other:
            return LeftOut(path, f"{corpus.name}: {corpus.other[code]}")
    speaker = corpus.aliases.get(match["speaker"], match["speaker"])
    clip = Clip(path, corpus.name, f"{corpus.name}/{speaker}", corpus.labels[match["label"]])
    stem = match.group().strip("/").replace("/", "_")  # DC/a01 is DC_a01
    return Named(f"{corpus.name}/{stem}", clip)
