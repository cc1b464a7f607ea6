"""Make ``bundle``, the exported network that the runtime's tests use without TensorFlow.

python tests/data/make_bundle.py

It is trained on the synthetic demo corpus, so that nobody's recordings are in it; its manifest
records the versions that made it. The int8 weights of its ONNX file have 7 bits: with 8, processors
without VNNI saturate, and answer something else than those with it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.demo import demo
from ser_edge_export.export import export
from ser_edge_export.run_model import trained_model_of_run
from ser_edge_export.variants import chosen_variants

BUNDLE = Path(__file__).parent / "bundle"

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        demo(Path(folder))
        source = trained_model_of_run(Path(folder, "run"), reduce_range=True)
        export(
            source,
            BUNDLE,
            chosen_variants(int8=True),
            criteria=AcceptanceCriteria(0.95),
            overwrite=True,
        )
