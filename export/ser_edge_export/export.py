"""`ser-edge export`: write a trained network as a bundle, and test every file of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ser_edge.bundle import GOLDEN, Bundle, describe_model
from ser_edge.errors import SerEdgeError
from ser_edge.manifest import Manifest
from ser_edge.terminal import printable
from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.chance_level import chance_warning
from ser_edge_export.export_report import write_report
from ser_edge_export.golden_clips import golden_clips, save_golden
from ser_edge_export.model_card import model_card
from ser_edge_export.quantisation_search import QuantConfig, SearchResult, candidates, search
from ser_edge_export.trained_model import TrainedModel
from ser_edge_export.variants import ModelVariant
from ser_edge_train.folders import check_free, written_beside
from ser_edge_train.metrics import Scores
from ser_edge_train.tables import variant_table
from ser_edge_train.variant_comparison import (
    Reference,
    VariantResult,
    compare_variants,
    runnable_variants,
)
from ser_edge_train.versions import versions

logger = logging.getLogger(__name__)

_PACKAGES = ("ser-edge", "tensorflow", "tensorflow-cpu", "onnx", "onnxruntime")


@dataclass(frozen=True)
class Export:
    """An exported bundle and its measurements.

    Parameters
    ----------
    folder : Path
        The bundle.
    results : tuple of VariantResult
        Each variant in each interpreter, compared on the test clips.
    searches : dict of str to SearchResult
        The int8 searches, by file with features as input.
    violations : tuple of str
        Variants that violate the acceptance criteria; empty unless that was allowed.
    warning : str
        That the network itself is at chance level on the test clips; empty otherwise.
    """

    folder: Path
    results: tuple[VariantResult, ...]
    searches: dict[str, SearchResult]
    violations: tuple[str, ...]
    warning: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            "folder": str(self.folder),
            "variants": [result.to_dict() for result in self.results],
            "int8": {file: str(found.config) for file, found in self.searches.items()},
            "violations": list(self.violations),
            "warning": self.warning,
        }

    def __str__(self) -> str:
        warning = f"warning: {self.warning}\n" if self.warning else ""
        configs = "".join(f"{file}: {found.config}\n" for file, found in self.searches.items())
        return (
            "Exported variants compared with the float32 network, on the test clips:\n\n"
            f"{variant_table(self.results, latency=True)}\n\n{configs}\n{warning}"
            f"bundle: {printable(self.folder)} (copy this folder to the device)\n"
            f"next:   ser-edge predict CLIP --bundle {printable(self.folder)}"
        )


def export(
    model: TrainedModel,
    out: str | os.PathLike[str],
    variants: Sequence[ModelVariant],
    *,
    criteria: AcceptanceCriteria | None = None,
    notes: str = "",
    fine_tune: bool = False,
    allow_degraded: bool = False,
    overwrite: bool = False,
) -> Export:
    """Write a network in several variants, and test each.

    Parameters
    ----------
    model : TrainedModel
        The network, and clips to test it on.
    out : path
        Folder of the bundle; it appears complete or not at all.
    variants : sequence of ModelVariant
        Files to write.
    criteria : AcceptanceCriteria, optional
        Limits for each variant in every usable interpreter.
    notes : str
        Markdown for the model card.
    fine_tune : bool
        Whether the int8 search may end with quantisation-aware fine-tuning.
    allow_degraded : bool
        Write the bundle even if a variant violates the criteria; its manifest states it.
    overwrite : bool
        Whether `out` may be replaced.

    Returns
    -------
    export : Export

    Raises
    ------
    ConfigError
        If the network does not support a variant.
    SerEdgeError
        If `out` exists, or a variant violates the criteria.
    """
    criteria = criteria or AcceptanceCriteria()
    out = Path(out)
    check_free(out, overwrite=overwrite)
    for variant in variants:
        model.network.check(variant, fine_tune=fine_tune)
    samples = model.samples() if any(v.input_kind == "audio" for v in variants) else None
    searches = _Searches(model, criteria, fine_tune)
    with written_beside(out, overwrite=overwrite) as folder:
        files = []
        for variant in variants:
            config = searches.config(variant)
            logger.info("writing %s", variant.file)
            (folder / variant.file).write_bytes(model.content(variant, config))
            entry = describe_model(folder / variant.file, variant.precision, variant.input_kind)
            files.append(entry)
        manifest = Manifest(
            name=model.name,
            labels=model.labels,
            input=model.input,
            temperature=model.temperature,
            models=tuple(files),
            speakers=model.speakers,
        )
        bundle = Bundle(folder, manifest)
        logger.info("testing each variant on %d test clips", len(model.test.y_true))
        results = tuple(compare_variants(bundle, model.reference(model.test, samples)))
        violations = tuple(filter(None, map(criteria.violation, results)))
        if violations and not allow_degraded:
            logger.info(variant_table(results, latency=True))
            raise SerEdgeError(
                f"{'; '.join(violations)}; no bundle was written",
                f"{'' if fine_tune else 'try --qat, '}change the acceptance criteria, or write the "
                "bundle anyway with --allow-degraded",
            )
        warning = chance_warning(Scores(**model.about["metrics"]["all"]))
        clips = golden_clips(model.input)
        manifest = replace(
            manifest,
            golden_sha256=save_golden(folder / GOLDEN, clips, model.network.logits, bundle),
            about=_about(model, results, searches.found, criteria, violations)
            | ({"warning": warning} if warning else {}),
        )
        card = model_card(manifest, results, notes)
        (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
        (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
        report = folder / "report.md"
        write_report(report, manifest, results, searches.found, criteria, violations)
    return Export(out, results, searches.found, violations, warning)


class _Searches:
    """The int8 searches of an export, one for each network; files of other inputs share it."""

    def __init__(self, model: TrainedModel, criteria: AcceptanceCriteria, fine_tune: bool) -> None:
        self._model, self._criteria, self._fine_tune = model, criteria, fine_tune
        self.found: dict[str, SearchResult] = {}

    def config(self, variant: ModelVariant) -> QuantConfig:
        """Return the configuration of a variant, after a search if there are candidates."""
        if not variant.is_searched:
            return QuantConfig()
        plain = replace(variant, input_kind="features")
        if plain.file not in self.found:
            configs = candidates(plain.precision, fine_tune=self._fine_tune)
            evaluate = partial(self._evaluate, plain)
            self.found[plain.file] = search(plain.file, configs, evaluate, self._criteria)
        return self.found[plain.file].config

    def _evaluate(self, variant: ModelVariant, config: QuantConfig) -> list[VariantResult]:
        logger.info("%s: %s", variant.file, config)
        with TemporaryDirectory() as folder:
            path = Path(folder, variant.file)
            path.write_bytes(self._model.content(variant, config))
            file = describe_model(path, variant.precision)
            return [
                self._validation.compare(path.parent, file, backend)
                for backend, _ in runnable_variants([file])
            ]

    @cached_property
    def _validation(self) -> Reference:
        return self._model.reference(self._model.validation)


def _about(
    model: TrainedModel,
    results: Sequence[VariantResult],
    searches: Mapping[str, SearchResult],
    criteria: AcceptanceCriteria,
    violations: Sequence[str],
) -> dict[str, Any]:
    # Without latencies, which differ each time: the same run is exported to the same bytes.
    omitted = ("scores", "latency_ms")
    return {
        **model.about,
        "variants": [{k: v for k, v in r.to_dict().items() if k not in omitted} for r in results],
        "int8": {file: str(found.config) for file, found in searches.items()},
        "acceptance": {**asdict(criteria), "failed": list(violations)},
        "exported_with": versions(*_PACKAGES),
    }
