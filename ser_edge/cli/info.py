"""What ``ser-edge info`` tells of a bundle."""

from __future__ import annotations

import json
from typing import Any

from ser_edge.backends import INTERPRETERS
from ser_edge.bundle import Bundle
from ser_edge.errors import BundleError


def to_dict(bundle: Bundle) -> dict[str, Any]:
    """Return the manifest, with the bundle's ``folder`` and which ``interpreters`` are usable."""
    content: dict[str, Any] = json.loads(bundle.manifest.to_json())
    return {"folder": str(bundle.folder), "interpreters": _interpreters(), **content}


def describe(bundle: Bundle) -> str:
    """Lay out for people what a bundle holds.

    Raises
    ------
    BundleError
        If its manifest tells people something that does not fit.
    """
    manifest = bundle.manifest
    rows = [
        ("bundle", f"{manifest.name} in {bundle.folder}, sha256 of every model as exported"),
        ("labels", ", ".join(manifest.labels)),
        (
            "input",
            f"{manifest.input.window.duration_s} s windows at "
            f"{manifest.input.features.sample_rate} Hz, {manifest.input.shape} numbers each",
        ),
        *(
            ("model", f"{m.file}, {m.precision}, {m.size_bytes / 1024:.0f} KiB")
            for m in manifest.models
        ),
        (
            "interpreters",
            ", ".join(f"{n} {'yes' if usable else 'no'}" for n, usable in _interpreters().items()),
        ),
    ]
    try:
        rows += _about(manifest.about)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise BundleError(
            f"{bundle.folder}: what its manifest says under `about` does not fit; export it again"
        ) from None
    return "\n".join(f"{name:<13} {value}" for name, value in rows)


def _interpreters() -> dict[str, bool]:
    """Which are installed, and for this NumPy; `ser_edge.doctor` tries whether they work."""
    return {name: interpreter.usable for name, interpreter in INTERPRETERS.items()}


def _about(about: dict[str, Any]) -> list[tuple[str, str]]:
    """Lay out what a manifest tells people; it may lack any of it."""
    rows = [
        *(("degraded", violation) for violation in about.get("acceptance", {}).get("failed", [])),
        ("corpora", ", ".join(about.get("corpora", {}))),
        ("licence", about.get("licence", "not stated")),
    ]
    scores = about.get("metrics", {}).get("all")
    if scores:
        rows.append(
            (
                "accuracy",
                f"UAR {scores['uar']:.1%} on {scores['n_clips']} clips of {scores['n_speakers']} "
                f"speakers, protocol {about['protocol']['name']}; MODEL_CARD.md has the intervals",
            )
        )
    return rows
