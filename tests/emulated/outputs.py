"""Compute the features and logits of clips, to compare two machines; needs only the runtime.

python outputs.py CLIPS OUT.npz BUNDLE...

CLIPS is a folder of WAV files. OUT.npz gets, for each bundle, the features of all windows, the clip
of each window, and the logits of every model file in every installed interpreter.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ser_edge import Bundle, Classifier
from ser_edge.audio import as_signal, load
from ser_edge.backends import INTERPRETERS
from ser_edge.frontend import Frontend
from ser_edge.verify.golden import read_golden


def main() -> None:
    """Run the command."""
    clips, out, *folders = map(Path, sys.argv[1:])
    arrays: dict[str, np.ndarray] = {}  # type: ignore[type-arg]
    for folder in folders:
        bundle = Bundle.open(folder)
        config = bundle.manifest.input
        frontend = Frontend(config.features, config.window)
        signals = [as_signal(clip.samples) for clip in read_golden(bundle)]
        rate = config.features.sample_rate
        signals += [load(path, rate) for path in sorted(clips.glob("*.wav"))]
        of_clips = [frontend(signal)[0] for signal in signals]
        features = np.concatenate(of_clips)
        inputs = config.network_inputs(features)
        name = folder.name
        arrays[f"{name}/features"] = features
        arrays[f"{name}/clips"] = np.repeat(np.arange(len(of_clips)), [len(f) for f in of_clips])
        arrays[f"{name}/temperature"] = np.array(bundle.manifest.temperature)
        for backend, interpreter in INTERPRETERS.items():
            for model in bundle.manifest.models:
                if model.suffix == interpreter.suffix and interpreter.usable:
                    if model.input_kind == "audio":
                        continue
                    classifier = Classifier.load(folder, backend=backend, precision=model.precision)
                    logits = [classifier.backend.run(window[None]) for window in inputs]
                    arrays[f"{name}/{backend} {model.precision}"] = np.concatenate(logits)
    np.savez(out, **arrays)


if __name__ == "__main__":
    main()
