"""Legal values and defaults shared by the command line and the code; imports nothing."""

from __future__ import annotations

BACKENDS = ("litert", "tflite", "onnx", "numeric")
"""In the order in which they are tried; see `ser_edge.backends`."""

PRECISIONS = ("float32", "float16", "dynamic", "int8", "int8-io")
"""float32 or float16 weights; weight-only int8 (``"dynamic"``); int8 weights and arithmetic
(``"int8"``), with int8 input and output as well (``"int8-io"``)."""

INPUT_KINDS = ("features", "batch", "audio")
"""Input of a model file: standardised features of one window, or of any number of windows, or the
samples of one window. With samples the output is probabilities, otherwise logits."""

MODEL_FORMATS = ("tflite", "onnx", "npz")
"""Suffixes of model files."""

SEGMENT_FORMATS = ("table", "json", "csv", "vtt", "audacity")
"""Formats of ``ser-edge predict --segments``."""

PCM_FORMATS = ("u8", "s16", "s32", "f32")
"""Raw sample formats, named as in ALSA and ffmpeg; little-endian."""

MAX_THREADS = 64
"""More than any edge device has cores; beyond that a value is a typing error."""

RECIPES = ("edge", "edge-max", "edge-robust", "seed", "seed-kaggle")
"""Named recipes of ``ser-edge train``."""

PROTOCOLS = ("speaker", "corpus", "clip", "leaky")
"""How ``ser-edge train`` splits clips; see docs/evaluation.md."""

THRESHOLD = 0.65
"""Smoothed probability below which a stream's segment is ``"uncertain"``; see docs/streaming.md."""

HOP_S = 0.5
"""Time from one window of a stream to the next [s]; set by hand, see docs/streaming.md."""
