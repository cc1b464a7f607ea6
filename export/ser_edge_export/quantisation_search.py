"""How an int8 form is made, and what is tried where the first way does not do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_train.variant_comparison import VariantResult

logger = logging.getLogger(__name__)

_FEW, _MANY = 512, 1024
_RESERVE = 0.5  # of the disagreement that the gate allows: other clips are nearer to ties


@dataclass(frozen=True)
class QuantConfig:
    """One way to make a network int8.

    Parameters
    ----------
    windows : int > 0
        Training windows to calibrate on; fewer where there are fewer.
    percentile : float in (50, 100), optional
        Where ranges are clipped; without it they go from the smallest to the largest value.
    float_layers : tuple of {"first", "last"}
        Layers left in float32.
    fine_tuned : bool
        Whether weights are trained to live with int8.
    weights_alone : bool
        Whether activations stay in float32, in a form that else quantises them as they come.
    """

    windows: int = _FEW
    percentile: float | None = None
    float_layers: tuple[str, ...] = ()
    fine_tuned: bool = False
    weights_alone: bool = False

    def __str__(self) -> str:
        if self.weights_alone:
            return "weights alone in int8"
        ranges = f"percentile {self.percentile}" if self.percentile else "minimum to maximum"
        parts = [f"{self.windows} calibration windows, {ranges}"]
        if self.float_layers:
            parts.append(f"{' and '.join(self.float_layers)} layer in float32")
        if self.fine_tuned:
            parts.append("quantisation-aware fine-tuning")
        return ", ".join(parts)


def ladder(precision: str, *, fine_tune: bool) -> Iterator[QuantConfig]:
    """Yield ways to make a network int8, the plainest first.

    Parameters
    ----------
    precision : {"int8", "int8-io", "dynamic"}
        In ``"int8-io"`` the first and the last layer have to be int8; ``"dynamic"`` has no
        calibration to change.
    fine_tune : bool
        Whether the weights may be trained, which takes minutes.
    """
    if precision == "dynamic":
        yield QuantConfig()
        yield QuantConfig(weights_alone=True)
        return
    # The last layer is a few thousand products, and steps of its logits would make ties.
    io = precision == "int8-io"
    last: tuple[str, ...] = () if io else ("last",)
    yield QuantConfig(float_layers=last)
    yield QuantConfig(_MANY, float_layers=last)
    yield QuantConfig(_MANY, percentile=99.999, float_layers=last)
    if not io:
        yield QuantConfig(float_layers=("first", "last"))
    if fine_tune:
        yield QuantConfig(fine_tuned=True, float_layers=last)


@dataclass(frozen=True)
class SearchResult:
    """The way that was chosen, and what was tried ahead of it.

    Parameters
    ----------
    way : QuantConfig
        The first that passes the gate on the validation clips with something to spare, or, where
        none does, the one of most agreement.
    tried : tuple of (QuantConfig, float)
        All that were tried, with the least agreement in any interpreter.
    """

    way: QuantConfig
    tried: tuple[tuple[QuantConfig, float], ...]


def mend(
    name: str,
    ways: Iterator[QuantConfig],
    trial: Callable[[QuantConfig], list[VariantResult]],
    gate: AcceptanceCriteria,
) -> SearchResult:
    """Find a way to make one int8 form that passes the gate.

    Parameters
    ----------
    name : str
        The form's file.
    ways : iterator of QuantConfig
        In the order in which they are to be tried.
    trial : callable
        Makes the form in a way and compares it on the validation clips in every interpreter.
        The choice is made there, so that the test clips are looked at once, when it is made.
    gate : AcceptanceCriteria

    Returns
    -------
    mended : SearchResult
    """
    spare = gate.min_agreement + _RESERVE * (1 - gate.min_agreement)
    tried: list[tuple[QuantConfig, float]] = []
    for way in ways:
        results = trial(way)
        agreement = min((result.expected_agreement for result in results), default=1.0)
        tried.append((way, agreement))
        if agreement >= spare:
            break
        logger.info(
            "%s: by the validation clips %.1f %% would keep their label with %s",
            *(name, 100 * agreement, way),
        )
    else:
        way = max(tried, key=lambda pair: pair[1])[0]
    return SearchResult(way, tuple(tried))
