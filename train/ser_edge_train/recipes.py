"""A recipe is all that decides how a network is trained, in one frozen dataclass; some are named.

``seed`` is the published recipe (docs/decisions.md tells what of it is ambiguous), ``seed-kaggle``
the one that it descends from; ``edge`` is ours, two networks in one, ``edge-max`` four of them,
and ``edge-robust`` six, without pitch and with what a telephone and codecs let through, for
voices and microphones unlike those of the training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ser_edge.errors import ConfigError
from ser_edge.features import FeatureConfig
from ser_edge.window import WindowConfig

NETWORKS = ("edge", "seed", "seed-kaggle")


@dataclass(frozen=True)
class WaveAugmentation:
    """Altered copies of a clip's samples, made once and cached with their features.

    Parameters
    ----------
    kind : {"published", "kaggle", "voices", "coded"}
        ``"published"``: copy 1 has noise and a circular shift, copy 2 another pitch and speed, with
        the published constants. ``"kaggle"``: copy 1 has noise, copy 2 another pitch, copy 3 both,
        as the public notebooks have it. ``"voices"``: every copy has a pitch, formants and a speed
        of its own, as if another speaker had said it, odd ones a room and a microphone, the same
        for all clips of a speaker, and of the others every second a noise level. ``"coded"``: the
        same, and half of the rooms' microphones send what they hear through a codec.
    copies : int >= 0
        Copies of each training clip beside the original.
    """

    kind: str
    copies: int


@dataclass(frozen=True)
class BatchAugmentation:
    """What happens to features as a batch is drawn, anew in every epoch; zeros switch it off.

    Parameters
    ----------
    levelled : float in [0, 1]
        Share of the windows that `ser_edge_train.speaker_normalisation` moves.
    formants, pitch : float
        Largest change of the voice, either way; see `ser_edge_train.vtlp` [semitones].
    equaliser_db : float
        Standard deviation of the response of other microphones, through which half of the windows
        are heard [dB].
    gain_db : float
        Largest change of level, either way, on ``log_rms`` and ``mfcc0`` [dB].
    shift_frames : int
        Largest circular shift along time, either way.
    time_masks, time_mask_frames : int
        Number of masks, and the length that each stays below.
    column_mask : int
        Neighbouring columns masked, fewer than this.
    mixup : float
        Parameter of the Beta distribution by which half the batches are mixed.
    """

    levelled: float = 0.0
    formants: float = 0.0
    pitch: float = 0.0
    equaliser_db: float = 0.0
    gain_db: float = 0.0
    shift_frames: int = 0
    time_masks: int = 0
    time_mask_frames: int = 0
    column_mask: int = 0
    mixup: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """Features, windows, augmentation, network and optimiser.

    Parameters
    ----------
    name : str
        How reports call it.
    features, window, layout
        The network's input; see `ser_edge.frontend.InputConfig`.
    network : {"edge", "seed", "seed-kaggle"}
        A network of `ser_edge_train.networks`.
    refit : bool
        Whether the members are trained anew on the validation clips as well, once these have
        given what they are for: temperature and what adaptation rests on.
    zero_tail : bool
        Whether a clip that ends within the window gives the vector that the published code makes
        of it: that of fewer frames, its blocks shifted, with zeros behind. They tell a network
        which corpus a clip is from; `TrainOptions` sets it for protocol ``leaky`` alone.
    members : int > 0
        So many of them are trained, by other chances, and their logits averaged, in one network.
    wave, batch
        Augmentation of training clips.
    optimizer : {"adamw", "rmsprop"}
        ``"adamw"`` follows a warm-up and a cosine to zero, ``"rmsprop"`` is lowered when the
        validation loss stalls.
    learning_rate, weight_decay, label_smoothing : float
        As Keras names them.
    batch_size, epochs : int
        An epoch draws every training clip once, one of its windows and copies by chance; with
        ``every_row`` it draws all of them.
    every_row : bool
        See ``epochs``.
    patience : int
        Epochs without a lower validation loss after which training ends; 0 trains to the end. The
        weights kept are those of the best validation loss, or, with 0, of the last epoch.
    """

    name: str
    features: FeatureConfig
    window: WindowConfig
    layout: str
    network: str
    wave: WaveAugmentation
    batch: BatchAugmentation = field(default_factory=BatchAugmentation)
    optimizer: str = "adamw"
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.1
    batch_size: int = 64
    epochs: int = 60
    every_row: bool = False
    patience: int = 0
    members: int = 1
    refit: bool = False
    zero_tail: bool = False

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 2), ("epochs", 1), ("members", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}={getattr(self, name)}; expected at least {least}")
        if self.network not in NETWORKS:
            raise ConfigError(f"network={self.network!r}; expected one of {NETWORKS}")
        if self.refit and self.patience:
            raise ConfigError(
                f"recipe {self.name} cannot be refitted: validation clips say when it stops, and "
                "are not to be trained on; leave out --refit, or take another --recipe"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Recipe:
        """Read `to_dict`'s result back from JSON.

        Raises
        ------
        ConfigError
            If an entry is unknown, missing or out of range.
        """
        try:
            return cls(
                **{
                    **settings,
                    "features": FeatureConfig.from_dict(settings["features"]),
                    "window": WindowConfig.from_dict(settings["window"]),
                    "wave": WaveAugmentation(**settings["wave"]),
                    "batch": BatchAugmentation(**settings["batch"]),
                }
            )
        except (KeyError, TypeError) as error:
            raise ConfigError(f"the recipe does not fit: {error}") from None


_EDGE = Recipe(
    name="edge",
    features=FeatureConfig(descriptors=("zcr", "log_rms", "mfcc", "log_f0", "voicing")),
    window=WindowConfig(duration_s=3.0, hop_s=1.0, placement="speech"),
    layout="sequence",
    network="edge",
    wave=WaveAugmentation(kind="voices", copies=16),
    batch=BatchAugmentation(
        levelled=0.5,
        formants=2.5,
        pitch=4.0,
        gain_db=6.0,
        shift_frames=8,
        time_masks=2,
        time_mask_frames=16,
        column_mask=3,
        mixup=0.3,
    ),
    epochs=150,
    members=2,
    refit=True,
)
_SEED = Recipe(
    name="seed",
    features=FeatureConfig(),
    window=WindowConfig(duration_s=2.5, hop_s=1.25, placement="offset", offset_s=0.6),
    layout="flat",
    network="seed",
    wave=WaveAugmentation(kind="published", copies=2),
    optimizer="rmsprop",
    learning_rate=1e-3,
    weight_decay=0.0,
    label_smoothing=0.0,
    batch_size=64,
    epochs=50,
    every_row=True,
    patience=8,
)
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _EDGE,
        replace(_EDGE, name="edge-max", members=4),
        replace(
            _EDGE,
            name="edge-robust",
            members=6,
            epochs=75,
            wave=replace(_EDGE.wave, kind="coded"),
            features=FeatureConfig(descriptors=("log_rms", "mfcc"), n_mels=80, fmax=3400.0),
            batch=replace(_EDGE.batch, formants=0.0, pitch=0.0, equaliser_db=6.0, gain_db=15.0),
        ),
        _SEED,
        replace(
            _SEED,
            name="seed-kaggle",
            network="seed-kaggle",
            wave=WaveAugmentation(kind="kaggle", copies=3),
        ),
    )
}
"""The named recipes."""
