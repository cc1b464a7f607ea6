"""What telephones, voice messages and small recorders leave of speech: libsndfile's codecs."""

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
    """A codec at one rate and quality.

    Parameters
    ----------
    container, subtype : str
        As `soundfile.write` names them.
    rate : int > 0
        Samples a second that it is given [Hz].
    compression_level : float in [0, 1], optional
        1 is the smallest file, where the codec has a choice.
    """

    container: str
    subtype: str
    rate: int
    compression_level: float | None = None

    def __call__(self, samples: Samples, rate: int) -> Samples:
        """Encode and decode a clip.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,), dtype=float32]
            Within full scale.
        rate : int > 0
            Samples a second of the clip [Hz].

        Returns
        -------
        decoded : np.ndarray [shape=(n,), dtype=float32]

        Raises
        ------
        SerEdgeError
            If the libsndfile that is installed lacks the codec.
        """
        sent = librosa.resample(samples, orig_sr=rate, target_sr=self.rate)
        file = io.BytesIO()
        try:
            soundfile.write(
                file,
                sent.clip(-1, 1),
                self.rate,
                format=self.container,
                subtype=self.subtype,
                compression_level=self.compression_level,
            )
        except (ValueError, soundfile.SoundFileError) as error:
            raise SerEdgeError(
                f"libsndfile {soundfile.__libsndfile_version__} cannot write {self.subtype} "
                f"({error}); install soundfile from PyPI, whose wheels bring one that can"
            ) from None
        file.seek(0)
        received, received_rate = soundfile.read(file, dtype="float32")
        decoded = librosa.resample(received, orig_sr=received_rate, target_sr=rate)
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
"""Those that altered copies are sent through."""
