"""A bundle measured on this machine, in processes of its own."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ser_edge import __version__
from ser_edge.backends import INTERPRETERS
from ser_edge.bundle import Bundle
from ser_edge.doctor.examination import absence, ending
from ser_edge.doctor.machine import this_machine
from ser_edge.errors import BackendError, BundleError, SerEdgeError
from ser_edge.verify.checks import ModelCheck
from ser_edge.verify.comparison import compared
from ser_edge.verify.golden import read_golden
from ser_edge.verify.model_outputs import ask
from ser_edge_bench.bench_clip import BenchClip
from ser_edge_bench.child import STARTED, watch
from ser_edge_bench.conditions import conditions
from ser_edge_bench.pinning import cpus_for
from ser_edge_bench.plan import Plan
from ser_edge_bench.result import Failure, Result, Setting
from ser_edge_bench.summary import blocks_of, interrupted_share, kernel_ms, summarised, times_of
from ser_edge_bench.variant import Variant, predicts, variants

Progress = Callable[[str], object]

# A call, on the slowest machines, takes seconds; starting an interpreter on them may take a minute.
_SILENCE_S = 300.0

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_ROUNDS = "ser_edge_bench.rounds:rounds"
_START = "ser_edge_bench.start:start"


def setting_of(bundle: Bundle, clip: BenchClip, plan: Plan) -> Setting:
    """Say what is to be measured, where and with what.

    Raises
    ------
    BundleError
        If a model file is not the one that was exported.
    """
    for model in bundle.manifest.models:
        bundle.verified(model)
    digest = hashlib.sha256((bundle.folder / "manifest.json").read_bytes()).hexdigest()
    packages = ["numpy", *(interpreter.distribution for interpreter in INTERPRETERS.values())]
    return Setting(
        bundle={
            "folder": os.fspath(bundle.folder),
            "name": bundle.manifest.name,
            "digest": digest,
        },
        clip={name: getattr(clip, name) for name in ("name", "rate", "seconds", "windows")},
        machine=replace(this_machine(), threads=dict(_bound(plan.threads))),
        versions={"ser-edge": __version__, **_versions(packages)},
        plan=plan,
    )


def measure(
    bundle: Bundle,
    clip: BenchClip,
    plan: Plan,
    *,
    names: Sequence[str] = (),
    progress: Progress = lambda text: None,
) -> Result:
    """Measure a bundle.

    Parameters
    ----------
    bundle : Bundle
        The exported folder.
    clip : BenchClip
        What to measure it with.
    plan : Plan
        How much.
    names : sequence of str
        Of the variants that are to be measured; by default all.
    progress : callable
        Gets a line of text from time to time.

    Returns
    -------
    result : Result

    Raises
    ------
    BackendError
        If no variant can be measured.
    BundleError
        If a file of the bundle is not the one that was exported.
    SerEdgeError
        If no process can be started, or one that measures several variants ends early.
    """
    setting = setting_of(bundle, clip, plan)
    wanted = [v for v in variants(bundle) if not names or v.name in names]
    not_tried = _not_tried(wanted)
    wanted = [variant for variant in wanted if variant.backend not in not_tried]
    run = _Run(bundle, plan, progress, cpus_for(plan.threads))
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    before = conditions(run.cpus[0] if run.cpus else 0)
    with tempfile.TemporaryDirectory(prefix="ser-edge-bench-") as folder:
        path = Path(folder, "clip")
        path.write_bytes(clip.content)
        for number in range(plan.processes):
            working = [v for v in wanted if v.name not in run.failed]
            run.process(path, number, working)
    working = [variant for variant in wanted if variant.name not in run.failed]
    checks = _checks(bundle, working, progress)
    after = conditions(run.cpus[0] if run.cpus else 0)
    return Result(
        date=date,
        setting=setting,
        blas=run.found[0].get("blas"),
        cpus=run.cpus if all(found["pinned"] for found in run.found) else (),
        before=before,
        after=after,
        kernel_ms=kernel_ms(run.found),
        interrupted=interrupted_share(run.found),
        default=predicts(bundle, working).name,
        variants=tuple(
            summarised(bundle, v, clip, run.found, run.starts[v.name], checks.get(v.name))
            for v in working
        ),
        failures=tuple(run.failed.values()),
        not_tried=not_tried,
        blocks=blocks_of(run.found),
        times_ms=times_of(run.found),
    )


@dataclass
class _Run:
    """The processes, and what they have told so far."""

    bundle: Bundle
    plan: Plan
    progress: Progress
    cpus: tuple[int, ...]
    found: list[dict[str, Any]] = field(default_factory=list)
    starts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)

    def process(self, clip: Path, number: int, working: list[Variant]) -> None:
        """Start each variant once, and let those that work take turns in one process."""
        ahead = f"process {number + 1} of {self.plan.processes}"
        for variant in working:
            self.progress(f"{ahead}: {variant.name} starts")
            self._start(clip, variant)
        names = [variant.name for variant in working if variant.name not in self.failed]
        if not names:
            raise BackendError(_none_works(self.bundle, list(self.failed.values())))

        def on_told(told: dict[str, Any]) -> None:
            self.progress(f"{ahead}: {told.get('progress', 0):.0%} measured")

        found = take_turns(
            self.bundle, clip, self.plan, names, seed=number, cpus=self.cpus, on_told=on_told
        )
        self.found.append(found)

    def _start(self, clip: Path, variant: Variant) -> None:
        interpreter, file = INTERPRETERS[variant.backend], variant.model.file
        trial = watch(
            interpreter.module,
            _START,
            [
                *(os.fspath(self.bundle.folder), variant.backend, file, os.fspath(clip)),
                *(str(self.plan.threads), STARTED),
            ],
            environment=_bound(self.plan.threads),
            cpus=self.cpus,
            silence_s=_SILENCE_S,
        )
        if trial.state == "works":
            self.starts.setdefault(variant.name, []).append(trial.found)
            return
        reason = "; ".join(filter(None, ending(trial, interpreter.distribution)))
        self.failed[variant.name] = Failure(variant.name, variant.backend, file, reason)


def take_turns(
    bundle: Bundle,
    clip: Path,
    plan: Plan,
    names: Sequence[str],
    *,
    seed: int,
    cpus: Sequence[int],
    on_told: Callable[[dict[str, Any]], object] = lambda told: None,
) -> dict[str, Any]:
    """Let variants take turns in one fresh process.

    Parameters
    ----------
    bundle : Bundle
        The exported folder.
    clip : Path
        The recording.
    plan : Plan
        How much.
    names : sequence of str
        Of the variants.
    seed : int
        Of the order of the calls.
    cpus : sequence of int
        Where the process may run; anywhere if empty.
    on_told : callable
        Gets what it tells on the way.

    Returns
    -------
    found : dict
        What `ser_edge_bench.rounds.rounds` tells at the end; and ``blas`` and ``pinned``.

    Raises
    ------
    SerEdgeError
        If it ends early.
    """
    words = [os.fspath(bundle.folder), os.fspath(clip), json.dumps(asdict(plan)), str(seed), *names]
    trial = watch(
        "numpy",
        _ROUNDS,
        words,
        environment=_bound(plan.threads),
        cpus=cpus,
        silence_s=_SILENCE_S,
        on_told=on_told,
    )
    if trial.state != "works":
        raise SerEdgeError(
            f"the process that measured {', '.join(names)} broke off "
            f"({ending(trial, 'numpy')[0]}), where each by itself had started; measure them "
            "apart, with --variant"
        )
    return trial.found


def _bound(threads: int) -> dict[str, str]:
    """Bind NumPy to so many threads."""
    return dict.fromkeys(_THREADS, str(threads))


def _not_tried(wanted: list[Variant]) -> dict[str, str]:
    machine = this_machine()
    missing = {backend: absence(backend, machine) for backend in {v.backend: 0 for v in wanted}}
    return {name: "; ".join(filter(None, why[1:])) for name, why in missing.items() if why}


def _none_works(bundle: Bundle, failed: list[Failure]) -> str:
    reasons = " / ".join(f"{failure.name}: {failure.reason}" for failure in failed)
    why = (
        f"no interpreter opens it ({reasons})" if reasons else "no interpreter for it is installed"
    )
    return f"{bundle.folder}: {why}; `ser-edge doctor` says what would mend that"


def _checks(bundle: Bundle, working: list[Variant], progress: Progress) -> dict[str, ModelCheck]:
    """Hold what each answers to the golden clips against what is stored."""
    progress("golden answers")
    try:
        clips = read_golden(bundle)
    except BundleError:
        return {}
    checks = {}
    for backend in {variant.backend: 0 for variant in working}:
        own = [variant for variant in working if variant.backend == backend]
        answers = ask(bundle, backend, [variant.model for variant in own], timeout_s=_SILENCE_S)
        for variant in own:
            answer = answers[variant.model.file]
            checks[variant.name] = compared(bundle, clips, backend, variant.model, answer)
    return checks


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
