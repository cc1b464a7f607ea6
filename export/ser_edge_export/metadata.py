"""What a model file says of itself, so that it can be understood without its bundle.

The manifest stays the truth; this is a copy of what a program needs to feed the network.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict

import onnx

from ser_edge_export.trained_model import Source

KEY = "ser-edge"
"""The entry of an ONNX file's ``metadata_props``; a TFLite file has ``ser-edge.json``."""


def description(source: Source, takes: str) -> str:
    """Return name, labels, input and temperature as JSON, under the manifest's names.

    ``takes`` is one of `ser_edge.manifest.TAKES`, which tells what goes in and what comes out.
    """
    content = {
        "name": source.name,
        "labels": source.labels,
        "input_kind": takes,
        "gives": "probabilities" if takes == "audio" else "logits",
        "input": asdict(source.input),
        "temperature": source.temperature,
    }
    return json.dumps(content, allow_nan=False)


def describe_onnx(model: onnx.ModelProto, text: str) -> onnx.ModelProto:
    """Put a description into an ONNX model's ``metadata_props``, and return the model."""
    onnx.helper.set_model_props(model, {KEY: text})
    return model


def describe_tflite(content: bytes, text: str) -> bytes:
    """Append a description to a TFLite file as TFLite's metadata holds associated files.

    That is a ZIP archive behind the model, which interpreters do not read and ``unzip -p
    model.tflite ser-edge.json`` does (https://ai.google.dev/edge/litert/models/metadata).
    """
    file = io.BytesIO(content)
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        # Without the time of day: the same run is exported to the same bytes.
        archive.writestr(zipfile.ZipInfo(f"{KEY}.json"), text, zipfile.ZIP_DEFLATED)
    return file.getvalue()
