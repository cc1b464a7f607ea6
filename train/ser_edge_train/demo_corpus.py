"""A small corpus of synthetic emotional speech, for `ser-edge demo` and for tests.

It contains no recording of a person. A source-filter synthesiser (Fant 1960; glottal pulse of
Rosenberg 1971, noise for breath and consonants, resonances over windows of 20 ms) produces nonsense
sentences with the file names and sample rates of RAVDESS, CREMA-D, TESS and SAVEE. The emotions
differ in pitch, melody, rate, level, spectral tilt and voice quality as in Banse & Scherer 1996
(J. Personality and Social Psychology 70), Scherer 2003 (Speech Communication 40) and Juslin &
Laukka 2003 (Psychological Bulletin 129). Speakers and takes vary: a simple classifier is right on
about 70 % of a new speaker's clips. Figures on this corpus show that the toolkit works, and nothing
about people.
"""

import tempfile
from collections.abc import Callable, Iterator
from itertools import product
from math import gcd
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, rfft, rfftfreq
from scipy.io import wavfile
from scipy.ndimage import gaussian_filter1d
from scipy.signal import get_window, lfilter, resample_poly

from ser_edge.checks import check_number
from ser_edge.errors import SerEdgeError
from ser_edge_train.corpora import LABELS

_Array = npt.NDArray[Any]

_SAMPLE_RATE = 24000  # of the synthesis; each corpus is resampled from it
_HOP = 240  # 10 ms, half a window
_HIGH_FORMANTS = (3500, 4500, 5500, 6500, 7500, 8500, 9500, 10500)  # Hz, of a man
_N_FFT = 960  # a window, and as much again for the decay of the resonances
_NOTE = (
    "Synthetic speech, made by `ser-edge demo`. It is not part of the corpora whose file names it "
    "uses.\n"
)


class _Style(NamedTuple):
    """The difference of an emotion from the speaker's neutral voice."""

    pitch: float = 0.0  # semitones
    span: float = 0.0  # range of the melody, octaves relative to the neutral range
    rate: float = 0.0  # octaves of the syllable rate
    level: float = 0.0  # dB
    tilt: float = 0.0  # dB per octave above 500 Hz
    breath: float = 0.0  # octaves of the aspiration
    jitter: float = 0.0  # octaves of the cycle-to-cycle disturbance
    end: float = 0.0  # semitones of the last syllable


_STYLES = {
    "angry": _Style(4.5, 0.6, 0.2, 8.0, 2.5, -1.0, 0.7, -2.0),
    "calm": _Style(-1.0, -0.4, -0.25, -2.0, -0.7, 0.3, -0.3, -0.5),
    "disgust": _Style(-1.5, 0.1, -0.35, 0.0, 0.4, 0.0, 1.2, -3.0),
    "fear": _Style(5.5, -0.5, 0.4, 1.0, 0.6, 1.3, 1.0, 0.5),
    "happy": _Style(4.0, 0.7, 0.15, 4.0, 1.2, -0.3, -0.3, 2.0),
    "neutral": _Style(),
    "sad": _Style(-1.0, -0.9, -0.4, -6.0, -2.2, 1.2, 0.3, -1.5),
    "surprise": _Style(6.5, 1.0, -0.05, 3.0, 0.8, 0.5, -0.3, 7.0),
}
# Standard deviations: between speakers, and between takes of a speaker.
_SPEAKER = _Style(0.8, 0.12, 0.06, 1.2, 0.4, 0.25, 0.15, 0.3)
_TAKE = _Style(1.5, 0.35, 0.12, 1.8, 0.7, 0.5, 0.4, 1.4)


class _Room(NamedTuple):
    """Recording conditions of a corpus."""

    sample_rate: int
    speech: float  # level of neutral speech, dBFS
    noise: float  # dBFS
    silence: tuple[float, float]  # before and after, s


_EIGHT = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")
_CREMA_TEXTS = {
    "DFA": "dont forget jackets",
    "IEO": "its eleven oclock",
    "IWW": "i wonder what it is",
    "TSI": "that is it exactly",
}
_TESS_WORDS = ("back", "bite", "chair", "food", "home", "mill", "rain", "young")
_SAVEE_TEXTS = (
    "she had your dark suit",
    "dont carry an oily rag",
    "draw every outer line",
    "bagpipes and bongos",
)
_RAVDESS = _Room(48000, -32.0, -66.0, (0.4, 0.6))
_CREMA_D = _Room(16000, -30.0, -60.0, (0.15, 0.4))
_TESS = _Room(24414, -29.0, -62.0, (0.2, 0.3))
_SAVEE = _Room(44100, -29.0, -61.0, (0.1, 0.3))


class _Job(NamedTuple):
    file: str
    room: _Room
    speaker: str
    female: bool
    emotion: str
    text: str
    strong: int = 0


# A phone is F1, F2, F3 of a man in Hz, voicing, noise, and the centre of the noise in Hz: one row
# each below. The vowels are those of Peterson & Barney (1952).
_VOWELS = np.array(
    [
        (270, 390, 530, 660, 730, 570, 300, 640),
        (2290, 1990, 1840, 1720, 1090, 840, 870, 1190),
        (3010, 2550, 2480, 2410, 2440, 2410, 2240, 2390),
        np.full(8, 1.0),
        np.full(8, 0.0),
        np.full(8, 3000.0),
    ]
).T
_CONSONANTS = np.array(  # s, sh, f, t, k, d, b, n, l
    [
        (300, 300, 300, 200, 200, 250, 250, 280, 350),
        (1700, 1900, 1100, 1800, 1500, 1600, 1000, 1300, 1200),
        (2600, 2500, 2300, 2600, 2200, 2500, 2200, 2300, 2700),
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.4, 0.4, 0.6, 0.7),
        (1.5, 2.0, 0.6, 1.2, 1.2, 0.3, 0.1, 0.0, 0.0),
        (6500, 3500, 5000, 4500, 2200, 4000, 1500, 4000, 4000),
    ]
).T
_SILENCE = np.array([450, 1450, 2450, 0.0, 0.0, 3000])


def write_demo_corpus(
    folder: Path,
    *,
    seed: int = 0,
    takes: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the synthetic corpus: 18 speakers, 8 emotions, 16-bit mono WAV.

    The same seed gives the same bytes, and a clip does not depend on the number of takes. An
    interruption leaves no folder.

    Parameters
    ----------
    folder : Path
        A new or empty folder; `find_clips` reads the result.
    seed : int >= 0
        Seed of speakers, sentences and takes.
    takes : int in 1..4
        Takes of each emotion by each speaker (twice as many in TESS); 4 give 560 clips.
    progress : callable, optional
        Called after each clip, with the number of clips written and the total.

    Raises
    ------
    ConfigError
        If `takes` or `seed` is out of range.
    SerEdgeError
        If the folder is not empty, or cannot be written.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     write_demo_corpus(Path(parent, "demo"), takes=1)
    ...     len(list(Path(parent, "demo").rglob("*.wav")))
    140
    """
    check_number("takes", takes, 1, 4, integer=True)
    check_number("seed", seed, 0, integer=True)
    folder = Path(folder)
    jobs = list(_jobs(takes))
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SerEdgeError("is not empty", "choose a new folder, or empty it", folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".ser-edge-demo-", dir=folder.parent) as parent:
            whole = Path(parent, "corpus")
            for done, job in enumerate(jobs, start=1):
                path = whole / job.file
                path.parent.mkdir(parents=True, exist_ok=True)
                wavfile.write(path, job.room.sample_rate, _clip(job, seed))
                if progress is not None:
                    progress(done, len(jobs))
            Path(whole, "README.txt").write_text(_NOTE, encoding="utf-8")
            if folder.exists():
                folder.rmdir()
            whole.rename(folder)
    except OSError as error:
        raise SerEdgeError(
            f"cannot be written ({error.strerror})",
            "choose a writable folder on a disk with 150 MB free",
            folder,
        ) from error


def _jobs(takes: int) -> Iterator[_Job]:
    """Yield every clip, with a file name of its corpus."""
    for actor, (code, emotion), take in product(range(1, 7), enumerate(_EIGHT, 1), range(takes)):
        strong, rest = (0, take) if emotion == "neutral" else (take % 2, take // 2)
        numbers = (3, 1, code, 1 + strong, 1 + rest % 2, 1 + rest // 2, actor)
        file = f"ravdess/Actor_{actor:02}/{'-'.join(f'{number:02}' for number in numbers)}.wav"
        text = ("kids talk by the door", "dogs sit by the door")[rest % 2]
        yield _Job(file, _RAVDESS, f"ravdess/{actor:02}", actor % 2 == 0, emotion, text, strong)
    six = zip(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), LABELS[:6], strict=True)
    for number, (key, emotion), text in product(range(1001, 1007), six, list(_CREMA_TEXTS)[:takes]):
        file = f"crema-d/{number}_{text}_{key}_XX.wav"
        speaker = f"crema-d/{number}"
        yield _Job(file, _CREMA_D, speaker, number % 2 == 0, emotion, _CREMA_TEXTS[text])
    seven = zip((*LABELS[:6], "ps"), LABELS, strict=True)
    for name, (key, emotion), word in product(("OAF", "YAF"), seven, _TESS_WORDS[: 2 * takes]):
        file = f"tess/{name}_{word}_{key}.wav"
        yield _Job(file, _TESS, f"tess/{name}", True, emotion, f"say the word {word}")
    seven = zip(("a", "d", "f", "h", "n", "sa", "su"), LABELS, strict=True)
    for name, (key, emotion), take in product(("DC", "JE", "JK", "KL"), seven, range(takes)):
        file = f"savee/{name}_{key}{take + 1:02}.wav"
        yield _Job(file, _SAVEE, f"savee/{name}", False, emotion, _SAVEE_TEXTS[take])


def _clip(job: _Job, seed: int) -> npt.NDArray[np.int16]:
    """Synthesise a sentence by a speaker in an emotion, and add the corpus' level and noise."""
    speaker = np.random.default_rng([seed, crc32(job.speaker.encode())])
    neutral = speaker.normal(size=len(_SPEAKER)) * _SPEAKER
    expression = speaker.uniform(0.85, 1.2) * 1.2**job.strong
    pitch, tract = (200.0, 1.16) if job.female else (112.0, 1.0)
    tract *= speaker.uniform(0.95, 1.05)

    rng = np.random.default_rng([seed, crc32(job.file.encode())])
    take = rng.normal(size=len(_TAKE)) * _TAKE
    meant = np.array(_STYLES[job.emotion]) * expression
    style = _Style(*(neutral + meant + take).tolist())

    phones, accent = _phones(job.text, style, rng)
    f0 = pitch * 2 ** (_melody(phones, accent, style, rng) / 12)
    speech = _sound(phones, f0, tract, style, rng)
    speech *= 10 ** ((job.room.speech + style.level) / 20) / np.sqrt(np.mean(speech**2))
    before, after = (round(_SAMPLE_RATE * rng.uniform(0.8, 1.2) * s) for s in job.room.silence)
    speech = np.pad(speech, (before, after))
    common = gcd(_SAMPLE_RATE, job.room.sample_rate)
    signal: _Array = resample_poly(speech, job.room.sample_rate // common, _SAMPLE_RATE // common)
    noise = lfilter([1.0], [1.0, -0.9], rng.standard_normal(len(signal), np.float32))
    signal += noise * 10 ** (job.room.noise / 20) / np.sqrt(np.mean(noise**2))
    signal *= min(1.0, 0.98 / np.abs(signal).max())
    samples: npt.NDArray[np.int16] = np.round(signal * 32767).astype(np.int16)
    return samples


def _phones(text: str, style: _Style, rng: np.random.Generator) -> tuple[_Array, _Array]:
    """Return a phone for each 10 ms, shape (n, 6), and its stress, shape (n,)."""
    syllables = []
    for word in text.split():
        spoken = np.random.default_rng(crc32(word.encode()))  # the same for all speakers
        for place in range(max(1, len(word) // 2)):
            consonant, vowel = spoken.choice(_CONSONANTS), spoken.choice(_VOWELS)
            syllables.append((consonant, vowel, 1.0 if place == 0 and len(word) > 3 else 0.2))
    pause = rng.integers(1, len(syllables) - 1)

    # A sequence of (phone, seconds, stress), with silence at both ends and in a pause.
    sequence: list[tuple[_Array, float, float]] = [(_SILENCE, 0.06, 0.0)]
    for place, (consonant, vowel, stress) in enumerate(syllables):
        length = (1 + 0.4 * stress) / (6.0 * 2 ** np.clip(style.rate, -0.6, 0.5))
        length *= rng.lognormal(sigma=0.12) * (1.4 if place == len(syllables) - 1 else 1.0)
        sequence += [(consonant, 0.35 * length, 0.0), (vowel, 0.65 * length, stress)]
        if place == pause:
            sequence.append((_SILENCE, rng.normal(0.08, 0.05) - 0.15 * style.rate, 0.0))
    sequence.append((_SILENCE, 0.08, 0.0))
    rows, seconds, accents = zip(*sequence, strict=True)
    lengths = np.maximum(np.round(np.array(seconds) * _SAMPLE_RATE / _HOP), 1).astype(int)
    phones = np.repeat(np.array(rows), lengths, axis=0)
    accent = gaussian_filter1d(np.repeat(np.array(accents), lengths), 4.0)
    phones[:, :3] = gaussian_filter1d(phones[:, :3], 2.5, axis=0)
    phones[:, 3:5] = gaussian_filter1d(phones[:, 3:5], 1.2, axis=0)
    phones[:, 3] *= 0.6 + 0.6 * accent
    return phones, accent


def _melody(phones: _Array, accent: _Array, style: _Style, rng: np.random.Generator) -> _Array:
    """Return the pitch in semitones above the speaker's mean, shape (n,)."""
    time = np.linspace(0, 1, len(phones))
    span = 2 ** np.clip(style.span, -2, 1.5)
    wander = gaussian_filter1d(rng.normal(size=len(phones)), 6.0) * 3
    last = np.clip((time - 0.8) / 0.2, 0, 1)
    return np.asarray(style.pitch + span * (5 * accent - 3 * time + wander) + style.end * last)


def _sound(
    phones: _Array, f0: _Array, tract: float, style: _Style, rng: np.random.Generator
) -> _Array:
    """Return the sound of phones, shape (n, 6), at a pitch in Hz, shape (n,)."""
    size = len(phones) * _HOP
    at = np.arange(size) / _HOP
    pitch = np.interp(at, np.arange(len(f0)), f0)
    period = np.cumsum(pitch / _SAMPLE_RATE).astype(int)
    disturbance = 2 ** np.clip(style.jitter, -2, 2.5) * rng.normal(size=(2, period[-1] + 1))
    phase = np.cumsum(pitch * (1 + 0.008 * disturbance[0, period]) / _SAMPLE_RATE) % 1
    # Rosenberg's pulse, differentiated: it opens for 0.4 of the period and closes for 0.16.
    opening = np.pi / 0.8 * np.sin(np.pi / 0.4 * phase)
    closing = -np.pi / 0.32 * np.sin(np.pi / 0.32 * (phase - 0.4))
    pulse = np.select([phase < 0.4, phase < 0.56], [opening, closing], 0.0)
    breath = 0.12 * 2 ** np.clip(style.breath, -3, 3) * rng.standard_normal(size, np.float32)
    voicing = np.interp(at, np.arange(len(phones)), phones[:, 3])
    glottis = voicing * (
        pulse * (1 + 0.05 * disturbance[1, period]) + breath * (0.4 + (phase < 0.56))
    )
    hiss = np.interp(at, np.arange(len(phones)), phones[:, 4]) * rng.standard_normal(
        size, np.float32
    )

    phones = phones.astype(np.float32)  # halves the time of the rest
    f = rfftfreq(_N_FFT, 1 / _SAMPLE_RATE).astype(np.float32)
    tilt = 10 ** ((1 + style.tilt) * np.log2(np.maximum(f / 500, 1)) / 20)
    tract_response: _Array = tilt / np.prod(
        [_resonance(f, hz * tract) for hz in _HIGH_FORMANTS], axis=0
    )
    for formant in range(3):
        tract_response = tract_response / _resonance(f, phones[:, [formant]] * tract)
    centre = phones[:, 5:] * tract
    band = 1 / (1 + ((f - centre) / (0.3 * centre)) ** 2)
    spectra = _spectra(glottis) * tract_response + _spectra(hiss) * band
    blocks = irfft(spectra, _N_FFT).reshape(len(phones), -1, _HOP)
    out = np.zeros((len(phones) + blocks.shape[1] - 1, _HOP), np.float32)
    for shift in range(blocks.shape[1]):
        out[shift : shift + len(phones)] += blocks[:, shift]
    return out.ravel()


def _resonance(f: _Array, centre: _Array | float) -> _Array:
    """Return the inverse response of a resonance with a bandwidth of 50 Hz + 5 %."""
    return np.asarray(1 + f / centre * (1j * (50 / centre + 0.05) - f / centre))


def _spectra(signal: _Array) -> _Array:
    """Return the spectra of 20 ms windows, one every 10 ms."""
    padded = np.pad(signal.astype(np.float32), (_HOP, 0)).reshape(-1, _HOP)
    frames = np.concatenate([padded[:-1], padded[1:]], axis=1)
    spectra: _Array = rfft(frames * get_window("hann", 2 * _HOP).astype(np.float32), _N_FFT)
    return spectra
