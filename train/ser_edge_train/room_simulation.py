"""Room simulation: reverberation, a microphone and background noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.signal import fftconvolve

Samples = NDArray[np.float32]

_N_KNOTS = 8  # points of the microphone response: about one an octave
_DIRECT_S = 0.002  # time of the first reflection, after the direct sound [s]


@dataclass(frozen=True)
class RoomSimulation:
    """A random room with a microphone and background noise.

    Parameters
    ----------
    reverberation_s : float
        Reverberation time RT60 [s]; 0 for none.
    reverberation_db : float
        Level of the direct sound above the reverberation [dB].
    response_db : tuple of float
        Response of the microphone at log-spaced frequencies, 60 Hz to half the sample rate [dB].
    low_cut_hz, high_cut_hz : float
        Cut-off frequencies of the microphone [Hz]; 0 for none.
    noise_snr_db : float or None
        Signal-to-noise ratio [dB]; None for no noise.
    noise_slope : float
        The noise amplitude is 1 / frequency ** noise_slope: 0 is white, 1 brown.
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
        """Draw the parameters at random."""
        # By convention: furnished rooms, small microphones, and telephone to full bandwidth.
        return cls(
            reverberation_s=rng.uniform(0.15, 0.6) if rng.random() < 0.4 else 0.0,
            reverberation_db=rng.uniform(0, 15),
            response_db=tuple(rng.normal(0, 4, _N_KNOTS).tolist()),
            low_cut_hz=rng.uniform(80, 300) if rng.random() < 0.3 else 0.0,
            high_cut_hz=rng.uniform(3400, 9000) if rng.random() < 0.3 else 0.0,
            noise_snr_db=rng.uniform(10, 35) if rng.random() < 0.5 else None,
            noise_slope=rng.uniform(0, 1),
        )

    def __call__(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        """Simulate a recording of a clip, within -1 to 1 [shape=(n,), dtype=float32, same shape].

        `rng` draws the noise and the impulse response.
        """
        recorded = samples.astype(np.float64)
        n = len(recorded)
        if self.reverberation_s:
            recorded = fftconvolve(recorded, self._impulse_response(sample_rate, rng))[:n]
        size = fft.next_fast_len(n, real=True)  # a prime length takes many times as long
        frequencies = fft.rfftfreq(size, 1 / sample_rate)
        gain = 10 ** (self._gain_db(frequencies, sample_rate) / 20)
        recorded = fft.irfft(fft.rfft(recorded, size) * gain, size)[:n]
        if self.noise_snr_db is not None:
            spectrum = fft.rfft(rng.standard_normal(size))
            slope = np.maximum(frequencies, 30) ** -self.noise_slope
            noise = fft.irfft(spectrum * slope, size)[:n]
            level = np.sqrt(np.mean(recorded**2) / np.mean(noise**2))
            recorded += noise * level * 10 ** (-self.noise_snr_db / 20)
        return np.asarray(recorded / max(1.0, np.abs(recorded).max()), dtype=np.float32)

    def _impulse_response(self, sample_rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the direct sound, then exponentially decaying noise (Moorer 1979)."""
        times = np.arange(round(self.reverberation_s * sample_rate)) / sample_rate
        response = rng.standard_normal(len(times)) * 10 ** (-3 * times / self.reverberation_s)
        response[: round(_DIRECT_S * sample_rate)] = 0
        response *= 10 ** (-self.reverberation_db / 20) / np.sqrt(np.sum(response**2))
        response[0] = 1
        return np.asarray(response)

    def _gain_db(self, frequencies: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
        knots = np.log(np.geomspace(60, sample_rate / 2, _N_KNOTS))
        gain = np.interp(np.log(np.maximum(frequencies, 30)), knots, self.response_db)
        if self.low_cut_hz:
            gain -= 30 * np.clip(2 * (1 - frequencies / self.low_cut_hz), 0, 1)
        if self.high_cut_hz:
            gain -= 50 * np.clip(10 * (frequencies / self.high_cut_hz - 1), 0, 1)
        return np.asarray(gain)
