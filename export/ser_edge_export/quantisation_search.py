"""Search for the way to quantise an int8 variant, on the validation clips."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ser_edge.errors import SerEdgeError
from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_train.variant_comparison import VariantResult

logger = logging.getLogger(__name__)

_FEW, _MANY = 512, 1024  # calibration windows
_MARGIN = 0.5  # of the disagreement that is accepted: other clips may be nearer to ties


@dataclass(frozen=True)
class QuantConfig:
    """How to quantise a network.

    Parameters
    ----------
    windows : int > 0
        Training windows for calibration; fewer where there are fewer.
    percentile : float in (50, 100), optional
        Percentile at which ranges are clipped, instead of minimum and maximum.
    float_layers : tuple of {"first", "last"}
        Layers left in float32.
    fine_tuned : bool
        Whether weights are fine-tuned by quantisation-aware training.
    weight_only : bool
        Weight-only int8 with activations in float32, instead of dynamic quantisation.
    """

    windows: int = _FEW
    percentile: float | None = None
    float_layers: tuple[str, ...] = ()
    fine_tuned: bool = False
    weight_only: bool = False

    def __str__(self) -> str:
        if self.weight_only:
            return "weight-only int8"
        ranges = f"percentile {self.percentile}" if self.percentile else "minimum to maximum"
        parts = [f"{self.windows} calibration windows, {ranges}"]
        if self.float_layers:
            parts.append(f"{' and '.join(self.float_layers)} layer in float32")
        if self.fine_tuned:
            parts.append("quantisation-aware fine-tuning")
        return ", ".join(parts)


def candidates(precision: str, *, fine_tune: bool) -> Iterator[QuantConfig]:
    """Yield configurations for an int8 precision, the simplest first.

    ``"int8-io"`` has the first and the last layer always in int8, ``"dynamic"`` has no calibration.
    `fine_tune` adds fine-tuning, which takes minutes.
    """
    if precision == "dynamic":
        yield QuantConfig()
        yield QuantConfig(weight_only=True)
        return
    # The last layer is a few thousand products, and rounding its logits makes ties.
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
    """The configuration that a search chose.

    Parameters
    ----------
    config : QuantConfig
        The first that passes the criteria with a margin, or else the one with most agreement.
    tried : tuple of (QuantConfig, float)
        All that were tried, each with its lowest expected agreement in any interpreter.
    """

    config: QuantConfig
    tried: tuple[tuple[QuantConfig, float], ...]


def search(
    name: str,
    configs: Iterator[QuantConfig],
    evaluate: Callable[[QuantConfig], list[VariantResult]],
    criteria: AcceptanceCriteria,
) -> SearchResult:
    """Find a configuration with which an int8 variant passes the acceptance criteria.

    `evaluate` compares the variant on the validation clips in every interpreter. The test clips are
    used once, after the choice. A candidate after the first that cannot be written, such as one
    that leaves every layer in float32, is left out.

    Raises
    ------
    SerEdgeError
        By `evaluate`, for the first candidate.
    """
    enough = criteria.min_agreement + _MARGIN * (1 - criteria.min_agreement)
    tried: list[tuple[QuantConfig, float]] = []
    for config in configs:
        try:
            results = evaluate(config)
        except SerEdgeError as error:
            if not tried:
                raise
            logger.info("%s: %s", config, error)
            continue
        agreement = min((r.expected_agreement for r in results), default=1.0)
        tried.append((config, agreement))
        if agreement >= enough:
            break
        logger.info("%s: expected agreement %.1f %% with %s", name, 100 * agreement, config)
    else:
        config = max(tried, key=lambda pair: pair[1])[0]
    return SearchResult(config, tuple(tried))
