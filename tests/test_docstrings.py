"""Docstrings of the API reference are complete, and none documents what does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import FunctionType

import pytest
from numpydoc.validate import validate
from test_runtime_imports import MODULES

import ser_edge
from ser_edge import SerEdgeError

REFERENCE = {
    *("adaptation.profile", "adaptation.speaker_model", "audio.reading", "bundle", "classifier"),
    *("errors", "features.config", "features.extractor", "frontend", "prediction"),
    *("resampling.resampler", "streaming.smoothing", "streaming.stream", "streaming.timeline"),
    "window",
}
"""Modules that ``make api`` shows, by themselves or by their names in `ser_edge`."""

# numpydoc's codes: no docstring; an unknown parameter, or another order; a parameter, returned or
# yielded value that is not described. One line is enough if the signature says the rest.
ALWAYS, COMPLETE = {"GL08", "PR02", "PR03"}, {"PR01", "PR07", "RT01", "YD01"}


def public(module: str) -> Iterator[str]:
    for name, value in vars(import_module(module)).items():
        if name.startswith("_") or not isinstance(value, type | FunctionType):
            continue
        if value.__module__ == module:
            yield f"{module}.{name}"
            for member, inner in vars(value).items() if isinstance(value, type) else ():
                documented = isinstance(inner, FunctionType | property | classmethod | staticmethod)
                if documented and (member == "__call__" or not member.startswith("_")):
                    yield f"{module}.{name}.{member}"


NAMES = [name for module in MODULES for name in public(module)]


def test_there_are_names() -> None:
    assert len(NAMES) > 100
    assert "ser_edge.features.extractor.FeatureExtractor.__call__" in NAMES
    assert "ser_edge.classifier.Classifier.load" in NAMES


def is_in_reference(name: str) -> bool:
    return name.startswith(tuple(f"ser_edge.{module}." for module in REFERENCE))


@pytest.mark.parametrize("name", NAMES)
def test_docstrings(name: str) -> None:
    module, _, last = name.rpartition(".")
    kind = getattr(import_module(module), last, None) if module in MODULES else None
    inherited = isinstance(kind, type) and issubclass(kind, SerEdgeError) and kind != SerEdgeError
    found = validate(name)
    one_line = "\n" not in found["docstring"].strip()
    exempt = inherited or one_line or not is_in_reference(name)
    wanted = ALWAYS if exempt else ALWAYS | COMPLETE
    assert [error for error in found["errors"] if error[0] in wanted] == []


@pytest.mark.parametrize("name", ser_edge.__all__)
def test_every_name_of_the_package_is_in_the_reference_with_an_example(name: str) -> None:
    home = getattr(ser_edge, name)
    full_name = f"{home.__module__}.{name}"
    assert is_in_reference(full_name)
    errors = {code for code, _ in validate(full_name)["errors"]}
    assert "EX01" not in errors or issubclass(home, Exception)
