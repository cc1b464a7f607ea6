"""Acceptance criteria, and the search for an int8 configuration that passes them."""

from __future__ import annotations

import pytest

from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.quantisation_search import QuantConfig, candidates, search
from ser_edge_train.variant_comparison import VariantResult


def result(
    *, precision: str = "int8", agreement: float = 1.0, uar_change: float = 0.0
) -> VariantResult:
    """Make a result with these figures."""
    return VariantResult(
        backend="litert",
        file=f"model.{precision}.tflite",
        precision=precision,
        input_kind="features",
        size_bytes=1,
        latency_ms=1.0,
        scores={},
        uar_change=uar_change,
        agreement=agreement,
        expected_agreement=agreement,
        largest_change=0.0,
        mcnemar_p=1.0,
        snr_db=None,
    )


@pytest.mark.parametrize(
    ("figures", "values"),
    [
        ({}, []),
        ({"agreement": 0.98, "uar_change": -0.01}, []),
        ({"agreement": 0.979}, ["97.9%", "98.0%"]),
        ({"uar_change": -0.011}, ["1.10", "1.00"]),
        ({"precision": "float16", "uar_change": -0.001}, []),
        ({"precision": "float16", "uar_change": -0.002}, ["0.20", "0.10"]),
        ({"agreement": 0.5, "uar_change": -0.5}, ["50.0%", "50.00"]),
    ],
    ids=str,
)
def test_violations(figures: dict[str, float], values: list[str]) -> None:
    found = result(**figures)  # type: ignore[arg-type]
    violation = AcceptanceCriteria().violation(found)
    assert bool(violation) == bool(values)
    if values:
        assert violation.startswith(f"{found.file} in litert: ")
        assert all(value in violation for value in values)


@pytest.mark.parametrize(
    ("agreements", "n_tried", "chosen"),
    [
        ([0.99, 1.0, 1.0, 1.0], 1, 0),  # half of the allowed 2 % is the margin
        ([0.985, 0.995, 1.0, 1.0], 2, 1),
        ([0.9, 0.95, 0.94, 0.93], 4, 1),  # none: the best
    ],
)
def test_the_search_stops_at_the_first_that_passes_with_a_margin(
    agreements: list[float], n_tried: int, chosen: int
) -> None:
    configs = list(candidates("int8", fine_tune=False))
    shares = dict(zip(configs, agreements, strict=True))

    def evaluate(config: QuantConfig) -> list[VariantResult]:
        return [result(), result(agreement=shares[config])]

    found = search("model.int8.tflite", iter(configs), evaluate, AcceptanceCriteria())
    assert found.config == configs[chosen]
    assert found.tried == tuple(zip(configs, agreements, strict=True))[:n_tried]


def test_candidates_of_each_precision() -> None:
    assert [c.weight_only for c in candidates("dynamic", fine_tune=True)] == [False, True]
    assert not any(c.float_layers for c in candidates("int8-io", fine_tune=True))
    assert [c.fine_tuned for c in candidates("int8", fine_tune=True)] == [False] * 4 + [True]
