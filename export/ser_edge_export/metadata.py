"""Metadata inside model files, so that a file is usable without its bundle.

It repeats what a program needs to feed the network; ``manifest.json`` is authoritative.
"""

from __future__ import annotations

import io
import zipfile

import onnx

KEY = "ser-edge"
"""The entry of an ONNX file's ``metadata_props``; a TFLite file has ``ser-edge.json``."""


def describe_onnx(content: bytes, text: str) -> bytes:
    """Set the ``metadata_props`` of an ONNX file."""
    model = onnx.ModelProto.FromString(content)
    onnx.helper.set_model_props(model, {KEY: text})
    return bytes(model.SerializeToString(deterministic=True))


def describe_tflite(content: bytes, text: str) -> bytes:
    """Append a text to a TFLite file, as TFLite's metadata holds associated files.

    They are a ZIP archive behind the model. Interpreters ignore it, and ``unzip -p model.tflite
    ser-edge.json`` reads it (https://ai.google.dev/edge/litert/models/metadata).
    """
    file = io.BytesIO(content)
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        # ZipInfo without a date: the same run is exported to the same bytes.
        archive.writestr(zipfile.ZipInfo(f"{KEY}.json"), text, zipfile.ZIP_DEFLATED)
    return file.getvalue()
