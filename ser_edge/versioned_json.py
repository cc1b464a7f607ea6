"""JSON that states its format and version: manifests, runs, profiles and graphs."""

from __future__ import annotations

import json
import math
from typing import Any

from ser_edge.errors import SerEdgeError


def parse_versioned_json(
    text: str | bytes,
    name: str,
    version: int,
    *,
    remedy: str,
    error: type[SerEdgeError] = SerEdgeError,
) -> dict[str, Any]:
    """Parse a JSON object and check its ``format`` and ``format_version``.

    Parameters
    ----------
    text : str or bytes
        UTF-8 JSON; NaN and infinity are refused.
    name, version : str, int
        Expected values of the two entries.
    remedy, error : str, type of SerEdgeError
        Remedy and class of the error for any other content.

    Returns
    -------
    content : dict
        The other entries.

    Raises
    ------
    SerEdgeError
        Of class `error`, for any other content.
    """
    try:
        content = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as reason:
        raise error(f"is not JSON ({reason})", remedy) from None
    found = content.pop("format", None) if isinstance(content, dict) else None
    if found != name:
        raise error(f"format={found!r}, expected {name!r}", remedy)
    found = content.pop("format_version", None)
    if found != version or isinstance(found, bool):
        raise error(f"format_version={found!r}, expected {version}", remedy)
    return dict(content)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value
