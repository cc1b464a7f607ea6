"""Acceptance criteria, and the search for an int8 configuration that passes them."""

from __future__ import annotations

import math

import pytest
from raising import raises

from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.quantisation_search import QuantConfig, candidates, search
from ser_edge_export.variants import ModelVariant
from ser_edge_export.weight_types import check_weights
from ser_edge_train.variant_comparison import VariantResult


def result(
    *,
    precision: str = "int8",
    agreement: float = 1.0,
    uar_change: float = 0.0,
    largest_change: float = 0.0,
    snr_db: float | None = None,
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
        largest_change=largest_change,
        mcnemar_p=1.0,
        snr_db=snr_db,
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
        ({"largest_change": 0.2, "snr_db": 14.0}, []),
        ({"precision": "float32", "largest_change": 0.01, "snr_db": 40.0}, []),
        ({"precision": "float32", "largest_change": 0.02}, ["0.02", "0.01"]),
        ({"precision": "float32", "snr_db": 14.0}, ["14.0", "40"]),
        ({"precision": "float16", "largest_change": math.nan, "snr_db": math.nan}, ["nan"] * 2),
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


def test_a_later_candidate_that_cannot_be_written_is_left_out() -> None:
    configs = list(candidates("int8", fine_tune=False))

    def evaluate(config: QuantConfig) -> list[VariantResult]:
        if config is configs[3]:
            raise SerEdgeError("no weights in int8")
        return [result(agreement=0.9)]

    found = search("model.int8.onnx", iter(configs), evaluate, AcceptanceCriteria())
    assert [config for config, _ in found.tried] == configs[:3]

    def refuse(_config: QuantConfig) -> list[VariantResult]:
        raise SerEdgeError("no weights in int8")

    with raises(SerEdgeError, "no weights in int8"):
        search("model.int8.onnx", iter(configs), refuse, AcceptanceCriteria())


@pytest.mark.parametrize(
    ("counts", "left", "is_refused"),
    [
        ((0, 0), None, True),
        ((0, 100), 100, True),
        ((1, 100), None, False),
        ((10, 100), 90, False),
        ((10, 100), 89, True),
    ],
)
def test_int8_in_name_only(counts: tuple[int, int], left: int | None, is_refused: bool) -> None:
    variant = ModelVariant("onnx", "int8")
    if is_refused:
        with raises(SerEdgeError, variant.file, *counts):
            check_weights(variant, counts, left=left)
    else:
        check_weights(variant, counts, left=left)


@pytest.mark.parametrize("name", ["min_float_snr_db", "max_float_change"])
def test_criteria_out_of_range(name: str) -> None:
    with raises(ConfigError, f"{name}=201"):
        AcceptanceCriteria(**{name: 201})
