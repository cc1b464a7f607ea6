"""Measure a bundle on this machine, in fresh processes."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ser_edge import __version__
from ser_edge.backends import INTERPRETERS
from ser_edge.bundle import Bundle
from ser_edge.doctor.examination import absence, explain
from ser_edge.doctor.machine import this_machine
from ser_edge.errors import BackendError, BundleError, SerEdgeError
from ser_edge.isolated import Outcome, run_isolated
from ser_edge.verify.comparison import compare
from ser_edge.verify.golden import read_golden
from ser_edge.verify.model_outputs import model_outputs
from ser_edge.verify.verify_report import ModelCheck
from ser_edge_bench.clip import BenchClip
from ser_edge_bench.figures import blocks_of, figures_of, interrupted_share, times_of
from ser_edge_bench.plan import Plan
from ser_edge_bench.result import BenchResult, Failure, Setting
from ser_edge_bench.statistics import percentiles
from ser_edge_bench.system import choose_cpus, conditions
from ser_edge_bench.variant import BenchVariant, bench_variants, default_variant

# On the slowest devices a call takes seconds, and starting an interpreter up to a minute.
_TIMEOUT_S = 300.0

_START, _ROUNDS = "ser_edge_bench.jobs:start", "ser_edge_bench.jobs:rounds"
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


OnReport = Callable[[dict[str, Any]], object]


def setting_of(bundle: Bundle, clip: BenchClip, plan: Plan) -> Setting:
    """Describe a run; `BundleError` if a model file is not the exported one."""
    for model in bundle.manifest.models:
        bundle.model_bytes(model)
    versions = {"ser-edge": __version__}
    for package in ("numpy", *(interpreter.distribution for interpreter in INTERPRETERS.values())):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return Setting(
        bundle={
            "folder": os.fspath(bundle.folder),
            "name": bundle.manifest.name,
            "digest": hashlib.sha256(bundle.manifest.to_json().encode()).hexdigest(),
        },
        clip={name: getattr(clip, name) for name in ("name", "sample_rate", "seconds", "windows")},
        machine=replace(this_machine(), threads=dict.fromkeys(_THREADS, str(plan.threads))),
        versions=versions,
        plan=plan,
    )


def measure(
    bundle: Bundle,
    clip: BenchClip,
    plan: Plan,
    *,
    names: Sequence[str] = (),
    progress: Callable[[str], object] = lambda text: None,
) -> BenchResult:
    """Measure the named variants of a bundle, by default all.

    `BackendError` if none can be measured, `SerEdgeError` if a process of several ends early.
    """
    setting = setting_of(bundle, clip, plan)
    variants = [v for v in bench_variants(bundle) if not names or v.name in names]
    missing = {v.backend: absence(v.backend, setting.machine) for v in variants}
    not_tried = {name: str(BackendError(*why[1:])) for name, why in missing.items() if why}
    variants = [v for v in variants if v.backend not in not_tried]
    starts: dict[str, list[dict[str, Any]]] = {variant.name: [] for variant in variants}
    failures: list[Failure] = []
    rounds: list[dict[str, Any]] = []
    cpus = choose_cpus(plan.threads)
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    before = conditions(*cpus[:1])
    with tempfile.TemporaryDirectory(prefix="ser-edge-bench-") as folder:
        path = Path(folder, "clip")
        path.write_bytes(clip.content)
        processes = Processes(bundle, path, plan, cpus)
        for number in range(plan.processes):
            step = f"process {number + 1} of {plan.processes}"
            for variant in variants.copy():
                progress(f"{step}: starting {variant.name}")
                started = processes.start(variant)
                if isinstance(started, Failure):
                    failures.append(started)
                    variants.remove(variant)
                else:
                    starts[variant.name].append(started)
            if not variants:
                reasons = [f"{failure.name}: {failure.problem}" for failure in failures]
                reasons += [f"{backend}: {why}" for backend, why in not_tried.items()]
                raise BackendError(
                    f"no interpreter runs it ({' / '.join(reasons)})",
                    "`ser-edge doctor` shows what to install",
                    bundle.folder,
                )

            def show(report: dict[str, Any], step: str = step) -> None:
                progress(f"{step}: {report.get('progress', 0):.0%} measured")

            rounds.append(processes.rounds([v.name for v in variants], number, show))
    progress("comparing with the golden clips")
    checks = _checks(bundle, variants)
    return BenchResult(
        date=date,
        setting=setting,
        blas=rounds[0].get("blas"),
        cpus=cpus if all(process.get("pinned") for process in rounds) else (),
        before=before,
        after=conditions(*cpus[:1]),
        kernel_ms=round(percentiles([process["own_ms"]["kernel"] for process in rounds])[50], 5),
        interrupted=interrupted_share(rounds),
        default=default_variant(bundle, variants).name,
        variants=tuple(
            figures_of(bundle, v, clip.seconds, rounds, starts[v.name], checks.get(v.name))
            for v in variants
        ),
        failures=tuple(failures),
        not_tried=not_tried,
        blocks=blocks_of(rounds),
        times_ms=times_of(rounds),
    )


@dataclass(frozen=True)
class Processes:
    """Starts the processes of a run, with the same threads and CPUs."""

    bundle: Bundle
    clip: Path
    plan: Plan
    cpus: tuple[int, ...]

    def start(self, variant: BenchVariant) -> dict[str, Any] | Failure:
        """Return the last report of `jobs.start`."""
        interpreter = INTERPRETERS[variant.backend]
        arguments = [variant.name, str(self.clip), str(self.plan.threads)]
        outcome = self._run(interpreter.module, _START, arguments)
        if outcome.state == "works":
            return outcome.found
        reason = explain(outcome, interpreter.distribution)
        return Failure(variant.name, variant.backend, variant.model.file, *reason)

    def rounds(
        self, names: Sequence[str], seed: int, on_report: OnReport = lambda report: None
    ) -> dict[str, Any]:
        """Return the last report of `jobs.rounds` with these variants."""
        arguments = [str(self.clip), json.dumps(asdict(self.plan)), str(seed), *names]
        outcome = self._run("numpy", _ROUNDS, arguments, on_report)
        if outcome.state != "works":
            problem = explain(outcome, "numpy")[0]
            raise SerEdgeError(
                f"the process that measured {', '.join(names)} failed {problem}",
                "each variant has started alone: measure them one by one, with --variant",
            )
        return outcome.found

    def _run(
        self, module: str, job: str, arguments: list[str], on_report: OnReport = lambda report: None
    ) -> Outcome:
        return run_isolated(
            module,
            job,
            [str(self.bundle.folder), *arguments],
            timeout_s=_TIMEOUT_S,
            environment=dict.fromkeys(_THREADS, str(self.plan.threads)),
            cpus=self.cpus,
            on_report=on_report,
        )


def _checks(bundle: Bundle, variants: Sequence[BenchVariant]) -> dict[str, ModelCheck]:
    """Compare each variant's output for the golden clips with the exported one."""
    try:
        clips = read_golden(bundle)
    except BundleError:
        return {}
    checks = {}
    for backend in {variant.backend: None for variant in variants}:
        own = [variant for variant in variants if variant.backend == backend]
        outputs = model_outputs(bundle, backend, [v.model for v in own], timeout_s=_TIMEOUT_S)
        for variant in own:
            output = outputs[variant.model.file]
            checks[variant.name] = compare(bundle, clips, backend, variant.model, output)
    return checks
