"""The checks of ``ser-edge verify``: manifest, files, front end, models in all interpreters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import perf_counter

import numpy as np

from ser_edge.audio import as_signal
from ser_edge.backends import INTERPRETERS
from ser_edge.bundle import Bundle
from ser_edge.checks import check_number
from ser_edge.doctor.examination import absence
from ser_edge.doctor.machine import this_machine
from ser_edge.errors import BackendError, BundleError, SerEdgeError
from ser_edge.frontend import Frontend
from ser_edge.manifest import ModelFile
from ser_edge.prediction import softmax
from ser_edge.verify.comparison import compare
from ser_edge.verify.golden import GoldenClip, read_golden
from ser_edge.verify.model_outputs import model_outputs
from ser_edge.verify.verify_report import Check, ModelCheck, Report, describe_deviation

_COPY_AGAIN = "copy the whole bundle again"

# Stages of the front end, their largest allowed deviation, and the likely cause of a larger one.
# Features deviated by 1.5e-4 between machines, in cepstral coefficients near -1000. The other
# stages are a few operations in float32 and float64.
_STAGES = (
    (
        "features",
        1e-3,
        f"the feature settings were changed: {_COPY_AGAIN}; or NumPy computes wrongly here: "
        "pip install --force-reinstall --no-deps numpy",
    ),
    ("inputs", 1e-5, f"mean or scale in the manifest were changed: {_COPY_AGAIN}"),
    ("probabilities", 1e-6, f"the temperature in the manifest was changed: {_COPY_AGAIN}"),
)


def verify(bundle: str | os.PathLike[str], *, timeout_s: float = 60) -> Report:
    """Check a bundle on this machine, offline.

    Parameters
    ----------
    bundle : path
        A folder written by ``ser-edge export``.
    timeout_s : float > 0
        Longest time that an interpreter may take without progress [s].

    Returns
    -------
    report : Report
        Problems of the bundle or of an interpreter are reported here, not raised.

    Raises
    ------
    ConfigError
        If an argument is not legal.
    SerEdgeError
        If no process can be started.
    """
    check_number("timeout_s", timeout_s, 0, exclusive=True, unit="seconds")
    started = perf_counter()
    checks: list[Check] = []
    models: list[ModelCheck] = []
    not_tried: dict[str, str] = {}
    opened = _open(bundle, checks)
    intact = [] if opened is None else list(_intact_files(opened, checks))
    clips = () if opened is None else _golden_clips(opened, checks)
    if opened is not None and clips:
        checks += _check_front_end(opened, clips)
        machine = this_machine()
        for backend, interpreter in INTERPRETERS.items():
            files = [model for model in intact if model.suffix == interpreter.suffix]
            missing = absence(backend, machine)
            if missing:
                not_tried[backend] = str(BackendError(*missing[1:]))
            elif files:
                outputs = model_outputs(opened, backend, files, timeout_s=timeout_s)
                models += [compare(opened, clips, backend, m, outputs[m.file]) for m in files]
        if not models:
            checks.append(_nothing_run(intact))
    wall_s = perf_counter() - started
    return Report(os.fspath(bundle), tuple(checks), tuple(models), not_tried, wall_s)


def _open(folder: str | os.PathLike[str], checks: list[Check]) -> Bundle | None:
    try:
        bundle = Bundle.open(folder)
    except BundleError as error:
        checks.append(Check("manifest", False, error.problem, error.remedy))
        return None
    labels, shape = bundle.manifest.labels, bundle.manifest.input.shape
    detail = f"{bundle.manifest.name}: {len(labels)} labels, input shape {shape}"
    checks.append(Check("manifest", True, detail))
    return bundle


def _intact_files(bundle: Bundle, checks: list[Check]) -> Iterator[ModelFile]:
    """Yield the model files that are as exported, and report the others."""
    models = bundle.manifest.models
    n_intact = 0
    for model in models:
        try:
            bundle.model_bytes(model)
        except BundleError as error:
            checks.append(Check("files", False, f"{model.file}: {error.problem}", error.remedy))
        else:
            n_intact += 1
            yield model
    if n_intact == len(models):
        checks.append(Check("files", True, f"{n_intact} model files, sha256 as exported"))


def _golden_clips(bundle: Bundle, checks: list[Check]) -> tuple[GoldenClip, ...]:
    try:
        clips = read_golden(bundle)
    except BundleError as error:
        checks.append(Check("golden", False, error.problem, error.remedy))
        return ()
    n_windows = sum(len(clip.starts) for clip in clips)
    detail = f"{len(clips)} clips with {n_windows} windows, sha256 as exported"
    checks.append(Check("golden", True, detail))
    return clips


def _check_front_end(bundle: Bundle, clips: tuple[GoldenClip, ...]) -> Iterator[Check]:
    """Check each stage before and after the network, with the stored values as its input."""
    config, temperature = bundle.manifest.input, bundle.manifest.temperature
    frontend = Frontend(config.features, config.window)
    deviations = np.zeros(len(_STAGES))
    for number, clip in enumerate(clips):
        try:
            features, starts = frontend(as_signal(clip.samples))
        except SerEdgeError as error:
            yield Check("features", False, f"golden clip {number} {error.problem}", _COPY_AGAIN)
            return
        if not np.array_equal(starts, clip.starts):
            detail = f"golden clip {number} has windows at {starts}, expected {clip.starts}"
            remedy = f"the window settings were changed: {_COPY_AGAIN}"
            yield Check("features", False, detail, remedy)
            return
        with np.errstate(all="ignore"):  # values that are not finite fail the comparison below
            probabilities = softmax(clip.logits / temperature).mean(axis=0)
            differences = (
                # relative for values beyond 1000, such as frequencies in Hz
                (features - clip.features) / np.maximum(1, np.abs(clip.features) / 1000),
                config.network_inputs(clip.features) - clip.inputs,
                probabilities - clip.probabilities,
            )
            deviations = np.maximum(deviations, [np.abs(d).max() for d in differences])
    for (name, tolerance, remedy), deviation in zip(_STAGES, deviations.tolist(), strict=True):
        if deviation <= tolerance:
            yield Check(name, True, describe_deviation(deviation, tolerance))
        else:
            detail = f"deviates by {deviation:.2g}, expected at most {tolerance:g}"
            yield Check(name, False, detail, remedy)


def _nothing_run(intact: list[ModelFile]) -> Check:
    """Report that no installed interpreter runs a file of the bundle."""
    if not intact:
        return Check("interpreters", False, "there is no intact model file to run", _COPY_AGAIN)
    suffixes = {model.suffix for model in intact}
    extras = [i.extra for i in INTERPRETERS.values() if i.suffix in suffixes and i.extra]
    installs = " or ".join(f"pip install 'ser-edge[{extra}]'" for extra in extras)
    detail = f"none of those installed runs {' or '.join(sorted(suffixes))} files"
    return Check("interpreters", False, detail, f"{installs}, or see `ser-edge doctor`")
