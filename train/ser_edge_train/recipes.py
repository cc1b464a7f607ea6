"""A recipe: everything that decides how a network is trained, in one frozen dataclass.

``seed`` is the published recipe (docs/decisions.md lists what it leaves open), ``seed-kaggle`` its
predecessor. ``edge`` is ours, an ensemble of two networks; ``edge-max`` has four. ``edge-robust``
has six, for any microphone: no pitch, telephone frequencies only, trained on codecs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ser_edge.checks import check_choice, check_number
from ser_edge.errors import ConfigError
from ser_edge.features import FeatureConfig
from ser_edge.frontend import LAYOUTS
from ser_edge.window import WindowConfig

NETWORKS = ("edge", "seed", "seed-kaggle")
OPTIMIZERS = ("adamw", "rmsprop")
AUGMENTATIONS = ("published", "kaggle", "voices", "coded")


@dataclass(frozen=True)
class WaveAugmentation:
    """Augmentation of a clip's samples, computed once and cached as features.

    Parameters
    ----------
    kind : {"published", "kaggle", "voices", "coded"}
        ``"published"``: 1 adds noise and a circular shift, 2 changes pitch and speed, with the
        published constants. ``"kaggle"``: 1 adds noise, 2 changes the pitch, 3 does both, as in the
        public notebooks. ``"voices"``: pitch, formants and speed change at random. Odd numbers add
        a simulated room and microphone, the same for all clips of a speaker; half of the even
        numbers add white noise. ``"coded"``: like ``"voices"``, with a codec in half of the rooms.
    augmentations : int >= 0
        Augmented versions of each training clip, numbered from 1; 0 is the original.
    """

    kind: str
    augmentations: int

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, AUGMENTATIONS)
        check_number("augmentations", self.augmentations, 0, integer=True)


@dataclass(frozen=True)
class BatchAugmentation:
    """Augmentation of features when a batch is drawn, different in every epoch; 0 turns one off.

    Parameters
    ----------
    speaker_normalised : float in [0, 1]
        Share of windows with per-speaker normalisation (`ser_edge_train.speaker_normalisation`).
    formants, pitch : float
        Maximum change of the voice, up or down (`ser_edge_train.vtlp`) [semitones].
    equaliser_db : float
        Standard deviation of a random microphone response, applied to half of the windows [dB].
    gain_db : float
        Maximum change of the level, up or down, on ``log_rms`` and ``mfcc0`` [dB].
    shift_frames : int
        Maximum circular shift along time, in both directions.
    time_masks, time_mask_frames : int
        Number of time masks, and the upper bound (exclusive) of their length.
    column_mask : int
        Upper bound (exclusive) of the number of adjacent columns that are masked.
    mixup : float
        Parameter of the Beta distribution with which half of the batches are mixed.
    """

    speaker_normalised: float = 0.0
    formants: float = 0.0
    pitch: float = 0.0
    equaliser_db: float = 0.0
    gain_db: float = 0.0
    shift_frames: int = 0
    time_masks: int = 0
    time_mask_frames: int = 0
    column_mask: int = 0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        check_number("speaker_normalised", self.speaker_normalised, 0, 1)
        for name in ("formants", "pitch", "equaliser_db", "gain_db", "mixup"):
            check_number(name, getattr(self, name), 0)
        for name in ("shift_frames", "time_masks", "column_mask"):
            check_number(name, getattr(self, name), 0, integer=True)
        check_number(
            "time_mask_frames", self.time_mask_frames, min(self.time_masks, 1), integer=True
        )


@dataclass(frozen=True)
class Recipe:
    """Features, windows, augmentation, network and optimiser.

    Parameters
    ----------
    name : str
        Name in reports.
    features, window, layout
        The network's input; see `ser_edge.frontend.InputConfig`.
    network : {"edge", "seed", "seed-kaggle"}
        A network of `ser_edge_train.networks`.
    wave, batch
        Augmentation of training clips.
    optimizer : {"adamw", "rmsprop"}
        ``"adamw"`` has a warm-up and cosine decay to zero. ``"rmsprop"`` lowers its learning rate
        when the validation loss stalls.
    learning_rate, weight_decay, label_smoothing : float
        As in Keras.
    batch_size, epochs : int
        An epoch draws one window of each training clip at random, original or augmented; with
        ``every_row`` it draws every window.
    every_row : bool
        See ``epochs``.
    patience : int
        Training ends after this many epochs without a lower validation loss, and the weights of the
        best epoch are kept. 0 trains to the last epoch and keeps that.
    ensemble : int > 0
        Networks that are trained with different seeds and averaged into one.
    retrain : bool
        Whether the ensemble is trained again on training and validation clips, after the validation
        clips have set the temperature and the speaker model.
    zero_tail : bool
        Whether clips that end within the window get the vector of the published code: fewer frames
        followed by zeros (`ser_edge_train.zero_tail`). `TrainOptions` sets it for protocol
        ``leaky`` only, because the zeros reveal the corpus.
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
    ensemble: int = 1
    retrain: bool = False
    zero_tail: bool = False

    def __post_init__(self) -> None:
        for name, low in (("batch_size", 2), ("epochs", 1), ("ensemble", 1), ("patience", 0)):
            check_number(name, getattr(self, name), low, integer=True)
        check_number("learning_rate", self.learning_rate, 0, exclusive=True)
        check_number("weight_decay", self.weight_decay, 0)
        check_number("label_smoothing", self.label_smoothing, 0, 1)
        check_choice("network", self.network, NETWORKS)
        check_choice("layout", self.layout, LAYOUTS)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        if self.retrain and self.patience:
            raise ConfigError(
                f"recipe {self.name} has retrain=True, but its validation clips decide when "
                "training stops",
                "leave out --retrain, or choose another --recipe",
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
            raise ConfigError(f"the recipe has a missing or unknown entry: {error}") from None


_EDGE = Recipe(
    name="edge",
    features=FeatureConfig(descriptors=("zcr", "log_rms", "mfcc", "log_f0", "voicing")),
    window=WindowConfig(duration_s=3.0, hop_s=1.0, placement="speech"),
    layout="sequence",
    network="edge",
    wave=WaveAugmentation(kind="voices", augmentations=16),
    batch=BatchAugmentation(
        speaker_normalised=0.5,
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
    ensemble=2,
    retrain=True,
)
_SEED = Recipe(
    name="seed",
    features=FeatureConfig(),
    window=WindowConfig(duration_s=2.5, hop_s=1.25, placement="offset", offset_s=0.6),
    layout="flat",
    network="seed",
    wave=WaveAugmentation(kind="published", augmentations=2),
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
        replace(_EDGE, name="edge-max", ensemble=4),
        replace(
            _EDGE,
            name="edge-robust",
            ensemble=6,
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
            wave=WaveAugmentation(kind="kaggle", augmentations=3),
        ),
    )
}
"""The recipes that `ser_edge.choices.RECIPES` names."""
