"""Classify one clip as a notebook does: librosa's features, then Keras or ONNX Runtime.

startup.py runs it as a process of its own:

python benchmarks/measuring/notebook.py {keras,onnxruntime} RUN CLIP
"""

import json
import sys
from pathlib import Path

import librosa
import numpy as np

package, run, clip = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
manifest = json.loads((run / "bundle" / "manifest.json").read_text("utf-8"))
input_config = manifest["input"]
duration_s = input_config["window"]["duration_s"]

y, sr = librosa.load(clip, offset=0.6, duration=duration_s)
y = librosa.util.fix_length(y, size=round(duration_s * sr))
descriptors = {
    "zcr": lambda: librosa.feature.zero_crossing_rate(y),
    "rms": lambda: librosa.feature.rms(y=y),
    "log_rms": lambda: np.log10(librosa.feature.rms(y=y) + 1e-5),
    "mfcc": lambda: librosa.feature.mfcc(y=y, sr=sr),
    "log_f0": lambda: np.log2(librosa.yin(y, fmin=60, fmax=600, sr=sr) / 200)[None],
    # Instead of the voicing of librosa.pyin, which takes seconds.
    "voicing": lambda: 1 - librosa.feature.spectral_flatness(y=y),
}
rows = [descriptors[name]() for name in input_config["features"]["descriptors"]]
if input_config["layout"] == "sequence":
    features = np.concatenate(rows).T
else:
    features = np.concatenate([row.T.ravel() for row in rows])[:, None]
mean, scale = (
    np.reshape(input_config[name], (-1, features.shape[1])) for name in ("mean", "scale")
)
inputs = ((features - mean) / scale)[None].astype(np.float32)

if package == "keras":
    import keras

    import ser_edge_train.networks  # noqa: F401 - registers its layer

    model = keras.saving.load_model(run / "model.keras")
    logits = model.predict(inputs, verbose=0)
else:
    import onnxruntime

    session = onnxruntime.InferenceSession(run / "bundle" / "model.int8.onnx")
    (logits,) = session.run(None, {session.get_inputs()[0].name: inputs})
print(json.dumps({"label": manifest["labels"][int(logits.argmax())]}))
