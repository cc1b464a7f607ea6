"""Write docs/arm.md's tables and results/arm.json from what ``python -m emulated`` found.

make test-arm64 test-armhf && python benchmarks/arm_tables.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from filled import fill
from ser_edge_train.tables import markdown_table

ROOT = Path(__file__).parents[1]
FOUND = ROOT / "build" / "emulated"
RESULTS = ROOT / "benchmarks" / "results" / "arm.json"
DOCUMENT = ROOT / "docs" / "arm.md"


def main() -> None:
    """Read, and write."""
    devices = [json.loads(path.read_text("utf-8")) for path in sorted(FOUND.glob("*.json"))]
    RESULTS.write_text(json.dumps({"devices": devices}, indent=1) + "\n", encoding="utf-8")
    fill(DOCUMENT, "arm:differences", _differences(devices))
    fill(DOCUMENT, "arm:costs", _costs(devices))


def _differences(devices: list[dict[str, Any]]) -> str:
    rows = [
        (
            device["device"],
            row["bundle"],
            row["form"],
            str(row["n_clips"]),
            f"{row['largest']:.1e}",
            "" if row["steps"] is None else f"{row['steps']:.2g}",
            str(row["others"]),
        )
        for device in devices
        for row in device["differences"]
    ]
    header = ["device", "bundle", "form", "clips", "largest difference", "steps", "other labels"]
    return markdown_table(header, rows)


def _costs(devices: list[dict[str, Any]]) -> str:
    rows = []
    for device in devices:
        for cost in device["costs"]:
            rows.append(
                (
                    device["device"],
                    cost["backend"],
                    f"{cost['instructions'] / 1e6:.0f} M",
                    f"{cost['start_instructions'] / 1e9:.2f} G",
                    f"{cost['peak_mib']:.0f} MiB",
                    f"{cost['disk_mb']:.0f} MB",
                    str(cost["n_files"]),
                )
            )
    header = [
        "device",
        "interpreter",
        "a prediction",
        "until the first",
        "peak memory",
        "disk",
        "files",
    ]
    return markdown_table(header, rows)


if __name__ == "__main__":
    main()
