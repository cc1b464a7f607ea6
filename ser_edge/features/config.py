"""Feature settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ser_edge.checks import check_number
from ser_edge.errors import ConfigError
from ser_edge.features.descriptors import DESCRIPTORS
from ser_edge.features.pitch import Periods
from ser_edge.resampling import MAX_RATE, MIN_RATE

# Far beyond speech, and low enough that settings from an untrusted file cannot exhaust the memory.
_MAX_SAMPLES = 16384
_MAX_MELS = 512


@dataclass(frozen=True)
class FeatureConfig:
    """Feature settings, with librosa's names and defaults.

    Parameters
    ----------
    sample_rate : int in [8000, 192000]
        In Hz.
    n_fft : int in [2, 16384]
        Frame length in samples.
    hop_length : int in [1, 16384]
        Distance of the frames in samples.
    n_mfcc : int in [1, n_mels]
        Number of mel-frequency cepstral coefficients.
    n_mels : int in [1, 512]
        Number of mel bands.
    fmin, fmax : float
        Lowest and highest frequency of the mel bands, at least 1 Hz apart [Hz]; ``fmax=None`` is
        half the sample rate.
    center : bool
        If true, frame ``t`` is centred on sample ``t * hop_length`` of the padded signal; if
        false, it starts there.
    descriptors : tuple of str
        Low-level descriptors (LLD), in the order of the columns: any of ``zcr``, ``rms``,
        ``log_rms``, ``centroid``, ``rolloff``, ``flatness``, ``log_f0``, ``voicing``,
        ``log_mel``, ``mfcc`` and ``delta`` (`ser_edge.features.descriptors`).

    Raises
    ------
    ConfigError
        If a value is out of range.

    Examples
    --------
    >>> FeatureConfig().columns[:4]
    ('zcr', 'rms', 'mfcc0', 'mfcc1')
    """

    sample_rate: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    n_mfcc: int = 20
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    center: bool = True
    descriptors: tuple[str, ...] = ("zcr", "rms", "mfcc")

    def __post_init__(self) -> None:
        check_number("sample_rate", self.sample_rate, MIN_RATE, MAX_RATE, integer=True, unit="Hz")
        check_number("n_fft", self.n_fft, 2, _MAX_SAMPLES, integer=True)
        check_number("hop_length", self.hop_length, 1, _MAX_SAMPLES, integer=True)
        check_number("n_mels", self.n_mels, 1, _MAX_MELS, integer=True)
        check_number("n_mfcc", self.n_mfcc, 1, self.n_mels, integer=True)
        fmin, fmax = self.mel_range
        check_number("fmax", fmax, 1, self.sample_rate / 2, unit="Hz")
        check_number("fmin", fmin, 0, fmax - 1, unit="Hz")
        if not isinstance(self.center, bool):
            raise ConfigError(f"center={self.center!r}, expected True or False")
        known = tuple(DESCRIPTORS)
        names = self.descriptors if isinstance(self.descriptors, tuple) else ()
        if not (names and all(name in known for name in names) and len(set(names)) == len(names)):
            raise ConfigError(
                f"descriptors={self.descriptors!r}, expected one or more of {known}, each once"
            )
        if {"log_f0", "voicing"} & set(names):
            Periods(self.sample_rate, self.n_fft)  # raises if a frame is too short

    @property
    def mel_range(self) -> tuple[float, float]:
        """Lowest and highest frequency of the mel bands [Hz], with ``fmax=None`` resolved."""
        return self.fmin, self.sample_rate / 2 if self.fmax is None else self.fmax

    @property
    def columns(self) -> tuple[str, ...]:
        """Name of each column of the features, such as ``mfcc3``."""
        return tuple(
            f"{name}{i}" if DESCRIPTORS[name].columns else name
            for name, columns in self.columns_of.items()
            for i in range(columns.stop - columns.start)
        )

    @property
    def columns_of(self) -> dict[str, slice]:
        """Columns of each descriptor."""
        columns, start = {}, 0
        for name in self.descriptors:
            setting = DESCRIPTORS[name].columns
            columns[name] = slice(start, start + (getattr(self, setting) if setting else 1))
            start = columns[name].stop
        return columns

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a signal.

        Parameters
        ----------
        n_samples : int >= 0
            Length of the signal.

        Returns
        -------
        n_frames : int
            0 if the signal is too short.
        """
        padded = n_samples + 2 * self.padding
        return max(0, 1 + (padded - self.n_fft) // self.hop_length)

    @property
    def padding(self) -> int:
        """Zeros added at either end of a signal, in samples."""
        return self.n_fft // 2 if self.center else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the settings for JSON.

        Returns
        -------
        settings : dict
            Values by name.
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> FeatureConfig:
        """Create it from the result of `to_dict`, read back from JSON.

        Parameters
        ----------
        settings : dict
            Values by name; missing ones keep their default.

        Returns
        -------
        config : FeatureConfig

        Raises
        ------
        ConfigError
            If a name is unknown, or a value has another type or is out of range.
        """
        try:
            unknown = sorted(set(settings) - {field.name for field in fields(cls)})
            if unknown:
                raise ConfigError(f"unknown feature setting {unknown[0]!r}")
            descriptors = tuple(settings.get("descriptors", cls.descriptors))
            return cls(**{**settings, "descriptors": descriptors})
        except (AttributeError, TypeError) as error:
            raise ConfigError(f"a feature setting has the wrong type: {error}") from None
