"""The checks of ``ser-edge verify``: manifest, files, front end, models in all interpreters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import perf_counter

import numpy as np

from ser_edge.audio import as_signal
from ser_edge.backends import INTERPRETERS
from ser_edge.bundle import Bundle
from ser_edge.doctor.examination import absence
from ser_edge.doctor.machine import this_machine
from ser_edge.errors import BundleError, SerEdgeError
from ser_edge.frontend import Frontend
from ser_edge.manifest import ModelFile
from ser_edge.prediction import softmax
from ser_edge.verify.checks import Check, ModelCheck, Report, within
from ser_edge.verify.comparison import compared
from ser_edge.verify.golden import GoldenClip, read_golden
from ser_edge.verify.model_outputs import ask

_AGAIN = "copy the whole bundle again"

# How far each stage may be from what is stored, and why it would be farther. Features were 1.5e-4
# apart between machines, in cepstral coefficients near -1000; of values beyond that, such as
# frequencies in Hz, it is a share. The others are a few operations in float32 and float64.
_STAGES = (
    (
        "features",
        1e-3,
        f"the feature settings were changed ({_AGAIN}), or NumPy computes wrongly here "
        "(pip install --force-reinstall --no-deps numpy)",
    ),
    ("inputs", 1e-5, f"mean or scale in the manifest were changed, {_AGAIN}"),
    ("probabilities", 1e-6, f"the temperature in the manifest was changed, {_AGAIN}"),
)


def verify(bundle: str | os.PathLike[str], *, timeout_s: float = 60) -> Report:
    """Check a bundle on this machine, offline.

    Parameters
    ----------
    bundle : path
        What ``ser-edge export`` wrote.
    timeout_s : float > 0
        When to give up on an interpreter [s].

    Returns
    -------
    report : Report
        Whatever is wrong with the bundle or an interpreter is in there; nothing is raised for it.

    Raises
    ------
    SerEdgeError
        If no process can be started.
    """
    started = perf_counter()
    checks: list[Check] = []
    models: list[ModelCheck] = []
    not_tried: dict[str, str] = {}
    opened = _opened(bundle, checks)
    whole = [] if opened is None else list(_whole_files(opened, checks))
    clips = () if opened is None else _golden(opened, checks)
    if opened is not None and clips:
        checks += _front_end(opened, clips)
        machine = this_machine()
        for backend, interpreter in INTERPRETERS.items():
            files = [model for model in whole if model.suffix == interpreter.suffix]
            missing = absence(backend, machine)
            if missing:
                not_tried[backend] = "; ".join(filter(None, missing[1:]))
            elif files:
                answers = ask(opened, backend, files, timeout_s=timeout_s)
                models += [compared(opened, clips, backend, m, answers[m.file]) for m in files]
        if not models:
            checks.append(_none_tried(whole))
    took_s = perf_counter() - started
    return Report(os.fspath(bundle), tuple(checks), tuple(models), not_tried, took_s)


def _opened(folder: str | os.PathLike[str], checks: list[Check]) -> Bundle | None:
    try:
        bundle = Bundle.open(folder)
    except BundleError as error:
        checks.append(Check("manifest", False, str(error)))
        return None
    labels, shape = bundle.manifest.labels, bundle.manifest.input.shape
    said = f"{bundle.manifest.name}: {len(labels)} labels, input of {shape}"
    checks.append(Check("manifest", True, said))
    return bundle


def _whole_files(bundle: Bundle, checks: list[Check]) -> Iterator[ModelFile]:
    """Yield the model files that are as exported, and note the others."""
    damaged = 0
    for model in bundle.manifest.models:
        try:
            bundle.verified(model)
        except BundleError as error:
            damaged += 1
            checks.append(Check("files", False, str(error)))
        else:
            yield model
    if not damaged:
        said = f"{len(bundle.manifest.models)} model files, sha256 as exported"
        checks.append(Check("files", True, said))


def _golden(bundle: Bundle, checks: list[Check]) -> tuple[GoldenClip, ...]:
    try:
        clips = read_golden(bundle)
    except BundleError as error:
        checks.append(Check("golden", False, str(error)))
        return ()
    n_windows = sum(len(clip.starts) for clip in clips)
    said = f"{len(clips)} clips of {n_windows} windows, sha256 as exported"
    checks.append(Check("golden", True, said))
    return clips


def _front_end(bundle: Bundle, clips: tuple[GoldenClip, ...]) -> Iterator[Check]:
    """Compute what precedes the network, and what follows it, each from what is stored."""
    config, temperature = bundle.manifest.input, bundle.manifest.temperature
    frontend = Frontend(config.features, config.window)
    deviations = np.zeros(len(_STAGES))
    for number, clip in enumerate(clips):
        try:
            features, starts = frontend(as_signal(clip.samples))
        except SerEdgeError as error:
            yield Check("features", False, f"golden clip {number} {error}; {_AGAIN}")
            return
        if not np.array_equal(starts, clip.starts):
            said = f"golden clip {number} gives windows at {starts}, expected {clip.starts}"
            yield Check("features", False, f"{said}; the window settings were changed, {_AGAIN}")
            return
        with np.errstate(all="ignore"):  # what is not finite is no deviation that is small enough
            calibrated = softmax(clip.logits / temperature).mean(axis=0)
            off = (
                (features - clip.features) / np.maximum(1, np.abs(clip.features) / 1000),
                config.network_inputs(clip.features) - clip.inputs,
                calibrated - clip.probabilities,
            )
            deviations = np.maximum(deviations, [np.abs(values).max() for values in off])
    for (name, allowed, why), deviation in zip(_STAGES, deviations.tolist(), strict=True):
        if deviation <= allowed:
            yield Check(name, True, within(deviation, allowed))
        else:
            said = f"{deviation:.2g} from the stored, expected at most {allowed:g}"
            yield Check(name, False, f"{said}; {why}")


def _none_tried(whole: list[ModelFile]) -> Check:
    """Say what would run a file of the bundle, since nothing that is installed does."""
    if not whole:
        return Check("interpreters", False, f"no model file is left to be run; {_AGAIN}")
    suffixes = {model.suffix for model in whole}
    extras = [i.extra for i in INTERPRETERS.values() if i.suffix in suffixes and i.extra]
    installs = " or ".join(f"pip install 'ser-edge[{extra}]'" for extra in extras)
    said = f"none that is installed runs {' or '.join(sorted(suffixes))} files"
    return Check("interpreters", False, f"{said}; {installs}, or see `ser-edge doctor`")
