"""Other libraries' MFCC, each set as near to librosa's as its parameters allow.

All get the 2.5 s with 1024 zeros ahead and behind, as librosa pads them, frames of 2048 samples
each 512 under a Hann window, 128 mel bands and 20 coefficients; logarithms are brought to decibels.
``benchmarks/peers.txt`` installs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE, N_FFT, HOP, N_MELS, N_MFCC = 22050, 2048, 512, 128, 20
Mfcc = Callable[[NDArray[np.float32]], NDArray[Any]]


def decibels(cepstra: Any) -> NDArray[np.float64]:
    """Bring what comes of natural logarithms to decibels."""
    natural: NDArray[np.float64] = np.asarray(cepstra, np.float64)
    return natural * (10 / float(np.log(10)))


@dataclass(frozen=True)
class Peer:
    """A library beside ours.

    Parameters
    ----------
    computes : str
        In what its MFCC differ from librosa's, for people.
    open : callable
        Imports it and returns its MFCC of a padded signal [shape=(n_frames, 20)].
    """

    computes: str
    open: Callable[[], Mfcc]


def _kaldi() -> Mfcc:
    import kaldi_native_fbank as kaldi

    options = kaldi.MfccOptions()
    frames, mel = options.frame_opts, options.mel_opts
    frames.samp_freq, frames.dither, frames.preemph_coeff = RATE, 0, 0
    frames.frame_length_ms, frames.frame_shift_ms = 1e3 * N_FFT / RATE, 1e3 * HOP / RATE
    frames.remove_dc_offset, frames.window_type = False, "hann"
    mel.num_bins, mel.low_freq, mel.high_freq, mel.is_librosa = N_MELS, 0, RATE / 2, True
    options.num_ceps, options.use_energy, options.cepstral_lifter = N_MFCC, False, 0

    def mfcc(padded: NDArray[np.float32]) -> NDArray[Any]:
        computer = kaldi.OnlineMfcc(options)
        computer.accept_waveform(RATE, padded)
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
            RATE,
            winlen=N_FFT / RATE,
            winstep=HOP / RATE,
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

    window = SlidingWindow(N_FFT / RATE, HOP / RATE, "hanning")

    def mfcc(padded: NDArray[np.float32]) -> NDArray[Any]:
        cepstra = spafe_mfcc(
            padded,
            RATE,
            num_ceps=N_MFCC,
            pre_emph=False,
            window=window,
            nfilts=N_MELS,
            nfft=N_FFT,
            low_freq=0,
            high_freq=RATE / 2,
        )
        return decibels(cepstra)

    return mfcc


def _opensmile() -> Mfcc:
    import opensmile

    smile = opensmile.Smile(str(Path(__file__).with_name("opensmile_mfcc.conf")), "func")

    def mfcc(padded: NDArray[np.float32]) -> NDArray[Any]:
        return decibels(smile.process_signal(padded, RATE))

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
