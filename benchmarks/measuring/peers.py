"""Other libraries' MFCC, each set as near to librosa's as its parameters allow.

Each gets 2.5 s with librosa's padding (1024 zeros before and after): frames of 2048 samples every
512, Hann window, 128 mel bands, 20 coefficients. Natural logarithms are converted to decibels.
``benchmarks/peers.txt`` installs the libraries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE, N_FFT, HOP, N_MELS, N_MFCC = 22050, 2048, 512, 128, 20
Mfcc = Callable[[NDArray[np.float32]], NDArray[Any]]


def decibels(cepstra: Any) -> NDArray[np.float64]:
    """Convert cepstra of natural logarithms to cepstra of decibels."""
    natural: NDArray[np.float64] = np.asarray(cepstra, np.float64)
    return natural * (10 / float(np.log(10)))


@dataclass(frozen=True)
class Peer:
    """Another library.

    Parameters
    ----------
    computes : str
        How its MFCC differ from librosa's, for the report.
    open : callable
        Imports the library; returns a function from a padded signal to its MFCC
        [shape=(n_frames, 20)].
    """

    computes: str
    open: Callable[[], Mfcc]


def _kaldi() -> Mfcc:
    import kaldi_native_fbank as kaldi

    options = kaldi.MfccOptions()
    frames, mel = options.frame_opts, options.mel_opts
    frames.samp_freq, frames.dither, frames.preemph_coeff = SAMPLE_RATE, 0, 0
    frames.frame_length_ms, frames.frame_shift_ms = (
        1e3 * N_FFT / SAMPLE_RATE,
        1e3 * HOP / SAMPLE_RATE,
    )
    frames.remove_dc_offset, frames.window_type = False, "hann"
    mel.num_bins, mel.low_freq, mel.high_freq, mel.is_librosa = N_MELS, 0, SAMPLE_RATE / 2, True
    options.num_ceps, options.use_energy, options.cepstral_lifter = N_MFCC, False, 0

    def mfcc(padded: NDArray[np.float32]) -> NDArray[Any]:
        computer = kaldi.OnlineMfcc(options)
        computer.accept_waveform(SAMPLE_RATE, padded)
        computer.input_finished()
        ready = computer.num_frames_ready
        return decibels([computer.get_frame(number) for number in range(ready)])

    return mfcc


def _python_speech_features() -> Mfcc:
    import python_speech_features

    window = np.hanning(N_FFT + 1)[:-1]

    def mfcc(padded: NDArray[np.float32]) -> NDArray[Any]:
        cepstra = python_speech_features.mfcc(
            padded,
            SAMPLE_RATE,
            winlen=N_FFT / SAMPLE_RATE,
            winstep=HOP / SAMPLE_RATE,
            numcep=N_MFCC,
            nfilt=N_MELS,
            nfft=N_FFT,
            preemph=0,
            ceplifter=0,
            appendEnergy=False,
            winfunc=lambda length: window[:length],
        )
        return decibels(cepstra)

    return mfcc


def _spafe() -> Mfcc:
    from spafe.features.mfcc import mfcc as spafe_mfcc
    from spafe.utils.preprocessing import SlidingWindow

    window = SlidingWindow(N_FFT / SAMPLE_RATE, HOP / SAMPLE_RATE, "hanning")

    def mfcc(padded: NDArray[np.float32]) -> NDArray[Any]:
        cepstra = spafe_mfcc(
            padded,
            SAMPLE_RATE,
            num_ceps=N_MFCC,
            pre_emph=False,
            window=window,
            nfilts=N_MELS,
            nfft=N_FFT,
            low_freq=0,
            high_freq=SAMPLE_RATE / 2,
        )
        return decibels(cepstra)

    return mfcc


def _opensmile() -> Mfcc:
    import opensmile

    smile = opensmile.Smile(str(Path(__file__).with_name("opensmile_mfcc.conf")), "func")

    def mfcc(padded: NDArray[np.float32]) -> NDArray[Any]:
        return decibels(smile.process_signal(padded, SAMPLE_RATE))

    return mfcc


PEERS = {
    "kaldi-native-fbank": Peer(
        "librosa's mel bands (`is_librosa`); no floor 80 dB below the loudest band", _kaldi
    ),
    "python_speech_features": Peer(
        "HTK's mel scale, triangles on whole bins, so that low bands are empty; no floor",
        _python_speech_features,
    ),
    "spafe": Peer("HTK's mel scale, triangles not divided by their width; no floor", _spafe),
    "opensmile": Peer("HTK's mel scale, a scaling of its own; no floor", _opensmile),
}


def _ser_edge() -> Callable[[NDArray[np.float32]], object]:
    from ser_edge.features import FeatureExtractor

    return FeatureExtractor()


def _librosa() -> Callable[[NDArray[np.float32]], object]:
    import librosa

    return lambda y: (
        librosa.feature.zero_crossing_rate(y),
        librosa.feature.rms(y=y),
        librosa.feature.mfcc(y=y, sr=SAMPLE_RATE),
    )


def first_call(name: str) -> Iterator[dict[str, float]]:
    """Time a library's import, its first call and its tenth [s of CPU]; run it in a new process."""
    y = (0.1 * np.random.default_rng(0).standard_normal(55125)).astype(np.float32)
    own = {"ser-edge": _ser_edge, "librosa": _librosa}
    times = [time.process_time()]
    compute = own[name]() if name in own else PEERS[name].open()
    times.append(time.process_time())
    for _ in range(10):
        compute(y)
        times.append(time.process_time())
    spent = np.diff(times).tolist()
    yield {"import_s": spent[0], "first_s": spent[1], "tenth_s": spent[-1]}
