"""Other rooms and microphones than those of the studio in which a corpus was recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.signal import fftconvolve

Samples = NDArray[np.float32]

_N_KNOTS = 8
_DIRECT_S = 0.002  # of the direct sound alone, ahead of the first reflection


@dataclass(frozen=True)
class RoomSimulation:
    """A room, a microphone in it, and the noise around; drawn by chance.

    Parameters
    ----------
    reverberation_s : float
        Time in which the room's sound falls by 60 dB [s]; 0 for none.
    reverberation_db : float
        Level of the room's sound below the direct one [dB].
    response_db : tuple of float
        The microphone's response at frequencies of equal ratio from 60 Hz to half the rate [dB].
    low_cut_hz, high_cut_hz : float
        Where it falls off [Hz]; 0 for nowhere.
    noise_snr_db : float or None
        Level of the speech above the noise [dB].
    noise_slope : float
        The noise's amplitude falls with this power of frequency: 0 is white, 1 brown.
    """

    reverberation_s: float
    reverberation_db: float
    response_db: tuple[float, ...]
    low_cut_hz: float
    high_cut_hz: float
    noise_snr_db: float | None
    noise_slope: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> RoomSimulation:
        """Choose one by chance."""
        return cls(
            reverberation_s=rng.uniform(0.15, 0.6) if rng.random() < 0.4 else 0.0,
            reverberation_db=rng.uniform(0, 15),
            response_db=tuple(rng.normal(0, 4, _N_KNOTS).tolist()),
            low_cut_hz=rng.uniform(80, 300) if rng.random() < 0.3 else 0.0,
            high_cut_hz=rng.uniform(3400, 9000) if rng.random() < 0.3 else 0.0,
            noise_snr_db=rng.uniform(10, 35) if rng.random() < 0.5 else None,
            noise_slope=rng.uniform(0, 1),
        )

    def __call__(self, samples: Samples, rate: int, rng: np.random.Generator) -> Samples:
        """Play a clip in the room.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,), dtype=float32]
            The clip.
        rate : int > 0
            Samples a second [Hz].
        rng : np.random.Generator
            Source of the noise and of the room's fine structure.

        Returns
        -------
        heard : np.ndarray [shape=(n,), dtype=float32]
            Within full scale.
        """
        heard = samples.astype(np.float64)
        n = len(heard)
        if self.reverberation_s:
            heard = fftconvolve(heard, self._impulse_response(rate, rng))[:n]
        size = fft.next_fast_len(n, real=True)  # a prime's transform takes many times as long
        frequencies = fft.rfftfreq(size, 1 / rate)
        gain = 10 ** (self._gain_db(frequencies, rate) / 20)
        heard = fft.irfft(fft.rfft(heard, size) * gain, size)[:n]
        if self.noise_snr_db is not None:
            spectrum = fft.rfft(rng.standard_normal(size))
            slope = np.maximum(frequencies, 30) ** -self.noise_slope
            noise = fft.irfft(spectrum * slope, size)[:n]
            level = np.sqrt(np.mean(heard**2) / np.mean(noise**2))
            heard += noise * level * 10 ** (-self.noise_snr_db / 20)
        return np.asarray(heard / max(1.0, np.abs(heard).max()), dtype=np.float32)

    def _impulse_response(self, rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return noise that dies away exponentially, behind the direct sound (Moorer 1979)."""
        times = np.arange(round(self.reverberation_s * rate)) / rate
        response = rng.standard_normal(len(times)) * 10 ** (-3 * times / self.reverberation_s)
        response[: round(_DIRECT_S * rate)] = 0
        response *= 10 ** (-self.reverberation_db / 20) / np.sqrt(np.sum(response**2))
        response[0] = 1
        return np.asarray(response)

    def _gain_db(self, frequencies: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
        knots = np.log(np.geomspace(60, rate / 2, _N_KNOTS))
        gain = np.interp(np.log(np.maximum(frequencies, 30)), knots, self.response_db)
        if self.low_cut_hz:
            gain -= 30 * np.clip(2 * (1 - frequencies / self.low_cut_hz), 0, 1)
        if self.high_cut_hz:
            gain -= 50 * np.clip(10 * (frequencies / self.high_cut_hz - 1), 0, 1)
        return np.asarray(gain)
