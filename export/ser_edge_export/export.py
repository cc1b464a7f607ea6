"""`ser-edge export`: from a run folder to a bundle that has been tried before it is handed over."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ser_edge.bundle import Bundle, Manifest, ModelFile, describe_model
from ser_edge.errors import SerEdgeError
from ser_edge.graph_file import graph_bytes
from ser_edge_export.golden import golden_clips, save_golden
from ser_edge_export.graph import graph_of
from ser_edge_export.model_card import model_card
from ser_edge_train.folders import check_free, written_beside
from ser_edge_train.forms import FormResult, compare_forms
from ser_edge_train.report import form_table
from ser_edge_train.run import Run
from ser_edge_train.versions import versions

logger = logging.getLogger(__name__)

_MADE_WITH = ("ser-edge", "tensorflow", "tensorflow-cpu", "onnx", "onnxruntime")
# Below this agreement with the Keras model a conversion is not imprecise but broken.
_LEAST_AGREEMENT = {"float32": 0.99, "int8": 0.9}


@dataclass(frozen=True)
class Export:
    """What `export` wrote, and how each form compares with the Keras model on the test clips."""

    folder: Path
    forms: tuple[FormResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {"folder": str(self.folder), "forms": [asdict(form) for form in self.forms]}

    def __str__(self) -> str:
        return (
            "Exported forms against Keras, on the run's test clips:\n\n"
            f"{form_table(self.forms)}\n\n"
            f"{self.folder}: copy this folder to the device; "
            f"next: ser-edge predict CLIP --bundle {self.folder}"
        )


def export(
    run_folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    int8: bool = True,
    overwrite: bool = False,
) -> Export:
    """Write a run's network in every form that a device may want, and try each.

    Parameters
    ----------
    run_folder : path
        What ``ser-edge train`` wrote.
    out : path
        The bundle to write; it appears whole or not at all.
    int8 : bool
        Whether full-int8 forms are written beside float32.
    overwrite : bool
        Whether `out` may be replaced.

    Returns
    -------
    export : Export

    Raises
    ------
    SerEdgeError
        If the run cannot be used, `out` exists, or a form does not say what the network says.
    """
    out = Path(out)
    check_free(out, overwrite=overwrite)
    run = Run.open(run_folder)
    settings = run.settings
    network = run.network()
    test = run.held_out("test")
    inputs = settings.input.network_inputs(test.features)

    from ser_edge_train.fit import logits

    reference = logits(network, inputs)
    with written_beside(out, overwrite=overwrite) as folder:
        models = _write_models(folder, run, network, int8=int8)
        manifest = Manifest(
            settings.name, settings.labels, settings.input, settings.temperature, models
        )
        _write_manifest(folder, manifest)
        logger.info("trying each form on %d test clips", len(test.truth))
        forms = tuple(compare_forms(Bundle(folder, manifest), inputs, test, reference))
        _refuse_broken(forms)
        about = {
            **{k: v for k, v in settings.about.items() if k != "training_speakers"},
            "recipe": settings.recipe.to_dict(),
            "forms": [{k: v for k, v in f.to_dict().items() if k != "scores"} for f in forms],
            "licence": _licence(settings.about["corpora"]),
            "exported_with": versions(*_MADE_WITH),
        }
        manifest = replace(manifest, about=about)
        _write_manifest(folder, manifest)
        save_golden(folder / "golden.npz", golden_clips(manifest.input), network, manifest)
        (folder / "MODEL_CARD.md").write_text(model_card(manifest, forms), encoding="utf-8")
    return Export(out, forms)


def _write_models(folder: Path, run: Run, network: Any, *, int8: bool) -> tuple[ModelFile, ...]:
    # TensorFlow takes seconds to import: not before the run is known to be good.
    from ser_edge_export.equalise import equalised
    from ser_edge_export.metadata import describe_onnx, describe_tflite, description
    from ser_edge_export.onnx import onnx_model, quantised
    from ser_edge_export.tflite import tflite_model

    written = []
    text = description(run.settings)

    def write(name: str, precision: str, content: bytes) -> None:
        path = folder / f"model.{precision}.{name}"
        path.write_bytes(content)
        written.append(describe_model(path, precision))

    def write_tflite(precision: str, content: bytes) -> None:
        write("tflite", precision, describe_tflite(content, text))

    def write_onnx(precision: str, model: Any) -> None:
        write("onnx", precision, describe_onnx(model, text).SerializeToString())

    logger.info("writing float32 TFLite, ONNX and NumPy")
    graph = graph_of(network)
    write_tflite("float32", tflite_model(network))
    write_onnx("float32", onnx_model(graph, run.settings.name))
    write("npz", "float32", graph_bytes(graph))
    if int8:
        calibration = run.calibration_inputs()
        logger.info("calibrating int8 TFLite and ONNX on %d training windows", len(calibration))
        even = equalised(network, calibration)
        write_tflite("int8", tflite_model(even, calibration))
        even_onnx = onnx_model(graph_of(even), run.settings.name)
        write_onnx("int8", quantised(even_onnx, calibration))
    return tuple(written)


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def _refuse_broken(forms: tuple[FormResult, ...]) -> None:
    for form in forms:
        least = _LEAST_AGREEMENT[form.precision]
        if form.agreement < least:
            raise SerEdgeError(
                f"{form.file} in {form.backend} says the same label as the Keras model on only "
                f"{form.agreement:.1%} of the test clips, expected at least {least:.0%}; the "
                "network does not survive this conversion, so no bundle was written"
            )


def _licence(corpora: dict[str, dict[str, Any]]) -> str:
    terms = {c["licence"] for c in corpora.values() if c["trained_on"]}
    return f"the weights carry the terms of the corpora: {'; '.join(sorted(terms))}"
