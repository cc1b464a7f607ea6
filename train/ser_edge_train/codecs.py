"""Codecs of telephones, voice messages and small recorders, by libsndfile."""

from __future__ import annotations

import io
from dataclasses import dataclass

import librosa
import numpy as np
import soundfile
from numpy.typing import NDArray

from ser_edge.errors import SerEdgeError

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Codec:
    """A codec at one sample rate [Hz] and quality.

    `container` and `subtype` are soundfile's. A `compression_level` of 1 gives the smallest file;
    it is None for codecs without a choice.
    """

    container: str
    subtype: str
    sample_rate: int
    compression_level: float | None = None

    def __call__(self, samples: Samples, sample_rate: int) -> Samples:
        """Encode and decode a clip within -1 to 1 [shape=(n,), dtype=float32, same shape].

        Raises
        ------
        SerEdgeError
            If the installed libsndfile lacks the codec.
        """
        encoded = librosa.resample(samples, orig_sr=sample_rate, target_sr=self.sample_rate)
        file = io.BytesIO()
        try:
            soundfile.write(
                file,
                encoded.clip(-1, 1),
                self.sample_rate,
                format=self.container,
                subtype=self.subtype,
                compression_level=self.compression_level,
            )
        except (ValueError, soundfile.SoundFileError) as error:
            raise SerEdgeError(
                f"libsndfile {soundfile.__libsndfile_version__} cannot write {self.subtype} "
                f"({error})",
                "install soundfile from PyPI, whose wheels include a full libsndfile",
            ) from None
        file.seek(0)
        decoded, decoded_rate = soundfile.read(file, dtype="float32")
        decoded = librosa.resample(decoded, orig_sr=decoded_rate, target_sr=sample_rate)
        return np.asarray(librosa.util.fix_length(decoded, size=len(samples)))


CODECS = (
    Codec("WAV", "ULAW", 8000),
    Codec("WAV", "GSM610", 8000),
    Codec("WAV", "IMA_ADPCM", 8000),
    Codec("MP3", "MPEG_LAYER_III", 16000, 0.9),
    Codec("MP3", "MPEG_LAYER_III", 22050, 0.6),
    Codec("OGG", "OPUS", 16000, 1.0),
    Codec("OGG", "OPUS", 8000, 0.9),
    Codec("OGG", "VORBIS", 16000, 0.9),
)
"""The codecs of the augmentation ``"coded"``."""
