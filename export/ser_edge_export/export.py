"""`ser-edge export`: from a trained network to a bundle that was tried before it is handed over."""

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
from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.export_report import write_proof
from ser_edge_export.golden_clips import golden_clips, save_golden
from ser_edge_export.model_card import model_card
from ser_edge_export.quantisation_search import QuantConfig, SearchResult, ladder, mend
from ser_edge_export.trained_model import Source
from ser_edge_export.variants import ModelVariant
from ser_edge_train.folders import check_free, written_beside
from ser_edge_train.tables import variant_table
from ser_edge_train.variant_comparison import (
    Reference,
    VariantResult,
    compare_variants,
    runnable_variants,
)
from ser_edge_train.versions import versions

logger = logging.getLogger(__name__)

_MADE_WITH = ("ser-edge", "tensorflow", "tensorflow-cpu", "onnx", "onnxruntime")


@dataclass(frozen=True)
class Export:
    """What `export` wrote.

    Parameters
    ----------
    folder : Path
        The bundle.
    forms : tuple of VariantResult
        How each form compares with the source on the test clips.
    mended : dict of str to SearchResult
        How the int8 networks were made, by the file that takes features.
    complaints : tuple of str
        Forms that fall short of the gate, with their figures; empty unless that was allowed.
    """

    folder: Path
    forms: tuple[VariantResult, ...]
    mended: dict[str, SearchResult]
    complaints: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "folder": str(self.folder),
            "forms": [form.to_dict() for form in self.forms],
            "int8": {file: str(mended.way) for file, mended in self.mended.items()},
            "complaints": list(self.complaints),
        }

    def __str__(self) -> str:
        ways = "".join(f"{file}: {mended.way}\n" for file, mended in self.mended.items())
        return (
            "Exported forms against their source, on its test clips:\n\n"
            f"{variant_table(self.forms, latency=True)}\n\n{ways}\n"
            f"{self.folder}: copy this folder to the device; "
            f"next: ser-edge predict CLIP --bundle {self.folder}"
        )


def export(
    source: Source,
    out: str | os.PathLike[str],
    forms: Sequence[ModelVariant],
    *,
    gate: AcceptanceCriteria | None = None,
    notes: str = "",
    fine_tune: bool = False,
    allow_degraded: bool = False,
    overwrite: bool = False,
) -> Export:
    """Write a network in the forms that a device may want, and prove each.

    Parameters
    ----------
    source : Source
        The network, and clips to prove it on.
    out : path
        The bundle to write; it appears whole or not at all.
    forms : sequence of ModelVariant
        What is written.
    gate : AcceptanceCriteria, optional
        What each has to keep, in every interpreter that is here.
    notes : str
        Markdown for the model card, between its figures and its data.
    fine_tune : bool
        Whether weights may be trained to live with int8, where nothing less helps.
    allow_degraded : bool
        Write the bundle even if a form falls short; its manifest says so.
    overwrite : bool
        Whether `out` may be replaced.

    Returns
    -------
    export : Export

    Raises
    ------
    SerEdgeError
        If the network cannot be written in a form, `out` exists, or a form falls short.
    """
    gate = gate or AcceptanceCriteria()
    out = Path(out)
    check_free(out, overwrite=overwrite)
    for form in forms:
        source.network.check(form, fine_tune=fine_tune)
    samples = source.samples() if any(form.input_kind == "audio" for form in forms) else None
    ways = _Ways(source, gate, fine_tune)
    with written_beside(out, overwrite=overwrite) as folder:
        models = []
        for form in forms:
            way = ways.of(form)
            logger.info("writing %s", form.file)
            (folder / form.file).write_bytes(source.network.content(form, source, way))
            models.append(describe_model(folder / form.file, form.precision, form.input_kind))
        manifest = Manifest(
            source.name,
            source.labels,
            source.input,
            source.temperature,
            tuple(models),
            source.speakers,
        )
        bundle = Bundle(folder, manifest)
        logger.info("trying each form on %d test clips", len(source.test.y_true))
        results = tuple(compare_variants(bundle, source.reference(source.test, samples)))
        complaints = tuple(filter(None, map(gate.complaint, results)))
        if complaints and not allow_degraded:
            logger.info("%s", variant_table(results, latency=True))
            raise SerEdgeError(
                f"{'; '.join(complaints)}: so no bundle was written; loosen the gate, "
                f"{'' if fine_tune else 'allow --qat, '}or take it as it is with --allow-degraded"
            )
        clips = golden_clips(source.input)
        manifest = replace(
            manifest,
            golden_sha256=save_golden(folder / GOLDEN, clips, source.network.logits, bundle),
            about=_about(source, results, ways.mended, gate, complaints),
        )
        (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
        (folder / "MODEL_CARD.md").write_text(
            model_card(manifest, results, notes), encoding="utf-8"
        )
        write_proof(folder / "report.md", manifest, results, ways.mended, gate, complaints)
    return Export(out, results, ways.mended, complaints)


class _Ways:
    """Finds for each int8 form the way to make it, by what comes out on the validation clips."""

    def __init__(self, source: Source, gate: AcceptanceCriteria, fine_tune: bool) -> None:
        self._source, self._gate, self._fine_tune = source, gate, fine_tune
        self.mended: dict[str, SearchResult] = {}

    def of(self, form: ModelVariant) -> QuantConfig:
        """Return the way to make a form; what is beside the network in a file has no part in it."""
        if not form.can_be_mended:
            return QuantConfig()
        plain = replace(form, input_kind="features")
        if plain.file not in self.mended:
            ways = ladder(form.precision, fine_tune=self._fine_tune)
            trial = partial(self._trial, plain)
            self.mended[plain.file] = mend(plain.file, ways, trial, self._gate)
        return self.mended[plain.file].way

    def _trial(self, form: ModelVariant, way: QuantConfig) -> list[VariantResult]:
        logger.info("%s: %s", form.file, way)
        with TemporaryDirectory() as scratch:
            path = Path(scratch, form.file)
            path.write_bytes(self._source.network.content(form, self._source, way))
            model = describe_model(path, form.precision)
            return [
                self._validation.compare(path.parent, model, backend)
                for backend, _ in runnable_variants([model])
            ]

    @cached_property
    def _validation(self) -> Reference:
        return self._source.reference(self._source.validation)


def _about(
    source: Source,
    results: Sequence[VariantResult],
    mended: Mapping[str, SearchResult],
    gate: AcceptanceCriteria,
    complaints: Sequence[str],
) -> dict[str, Any]:
    # Not the latency: it is another each time, and the same run is exported to the same bytes.
    apart = ("scores", "latency_ms")
    return {
        **source.about,
        "forms": [{k: v for k, v in r.to_dict().items() if k not in apart} for r in results],
        "int8": {file: str(mended.way) for file, mended in mended.items()},
        "gate": {**asdict(gate), "failed": list(complaints)},
        "exported_with": versions(*_MADE_WITH),
    }
