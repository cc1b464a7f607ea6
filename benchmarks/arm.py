"""What does a prediction cost on ARM, and does it give the same result? Collects emulated devices.

make test-arm64 test-armhf && python benchmarks/arm.py

writes ``results/arm.json`` from what ``python -m emulated`` wrote, and tables of docs/arm.md.
"""

from __future__ import annotations

import json
import sys

from measuring import document_tables, results


def main() -> None:
    """Collect the devices' files."""
    paths = sorted((results.ROOT / "build" / "emulated").glob("*.json"))
    if not paths:
        sys.exit("build/emulated has no results; run make test-arm64 test-armhf first")
    devices = [json.loads(path.read_text("utf-8")) for path in paths]
    content = json.dumps({"devices": devices}, indent=1)
    (results.RESULTS / "arm.json").write_text(f"{content}\n", encoding="utf-8")
    document_tables.fill_documents()


if __name__ == "__main__":
    main()
