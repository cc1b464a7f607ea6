"""Predict a window COUNT times on the device, and print the peak memory.

python predictions.py BACKEND COUNT

The instructions of one prediction follow from two runs with different COUNT.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ser_edge import Classifier
from ser_edge.audio import as_signal
from ser_edge.verify.golden import read_golden


def main() -> None:
    """Run the command."""
    backend, count = sys.argv[1], int(sys.argv[2])
    classifier = Classifier.load(backend=backend)
    clip = read_golden(classifier.bundle)[1]  # one window
    samples, rate = as_signal(clip.samples), classifier.bundle.manifest.input.features.sample_rate
    for _ in range(count):
        classifier.predict(samples, sample_rate=rate)
    print(f"peak {_peak_kib() / 1024:.1f} MiB")


def _peak_kib() -> int:
    """Return the peak of the resident memory, without the emulator's."""
    lines = re.findall(r"(\w+):\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    kib = {name: int(value) for name, value in lines}
    emulator = kib["VmRSS"] - sum(_resident_kib())
    return kib["VmHWM"] - emulator


def _resident_kib() -> Iterator[int]:
    """Read the resident parts of the program's own memory, without the emulator's."""
    own = [
        tuple(int(end, 16) for end in line.split()[0].split("-"))
        for line in Path("/proc/self/maps").read_text("ascii").splitlines()
    ]
    inside = False
    for line in Path("/proc/self/smaps").read_text("ascii").splitlines():
        word, value, *_ = line.split()
        if not word.endswith(":"):
            start, stop = (int(end, 16) for end in word.split("-"))
            inside = any(start < last and first < stop for first, last in own)
        elif word == "Rss:" and inside:
            yield int(value)


if __name__ == "__main__":
    main()
