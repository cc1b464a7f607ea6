"""Text from outside, made safe for a terminal."""

from __future__ import annotations


def printable(text: object) -> str:
    r"""Escape what a terminal would obey: line breaks, control characters and the like.

    Names of files, labels, profiles and messages of libraries come from outside. Printed as they
    are, they could move the cursor, change the colours or pretend to be other lines.

    Examples
    --------
    >>> print(printable("café\x1b[2J\nok.wav"))
    café\x1b[2J\nok.wav
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)
    )
