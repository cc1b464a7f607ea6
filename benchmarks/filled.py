"""Tables of results in documents, between ``<!-- NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import re
from pathlib import Path


def fill(document: Path, name: str, text: str) -> None:
    """Put a text between the marks of that name, instead of what stands there.

    Raises
    ------
    ValueError
        If the document has no such marks, or several.
    """
    content = document.read_text(encoding="utf-8")
    marks = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    filled, count = marks.subn(lambda match: f"{match[1]}{text.strip()}\n{match[2]}", content)
    if count != 1:
        raise ValueError(f"{document}: has {count} places for {name}; expected one")
    document.write_text(filled, encoding="utf-8")
