"""Make ``bundle``, the exported network that the runtime's tests use without TensorFlow.

python tests/data/make_bundle.py

It is trained on the synthetic demo corpus, so that nobody's recordings are in it; its manifest
records the versions that made it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from ser_edge_export.demo import demo

BUNDLE = Path(__file__).parent / "bundle"

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        demo(Path(folder))
        shutil.rmtree(BUNDLE, ignore_errors=True)
        shutil.copytree(Path(folder, "run", "bundle"), BUNDLE)
