"""What the words of `ser-edge export` mean."""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_edge.errors import SerEdgeError
from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.export import Export, export
from ser_edge_export.own_model import OwnModel
from ser_edge_export.run_source import run_source
from ser_edge_export.variants import chosen_variants
from ser_edge_train.folders import check_free


def export_command(arguments: argparse.Namespace) -> Export:
    """Run `ser-edge export` with the options that `ser_edge.cli.parser` parsed.

    Raises
    ------
    SerEdgeError
        If the source cannot be used or the bundle not be written; see `export`.
    """
    forms = chosen_variants(
        int8=arguments.int8,
        everything=arguments.all,
        formats=arguments.format or (["onnx"] if arguments.source.suffix == ".onnx" else []),
        precisions=arguments.precision,
        batch=arguments.batch,
        audio=arguments.audio,
    )
    gate = AcceptanceCriteria(
        arguments.min_agreement / 100,
        arguments.max_uar_loss / 100,
        arguments.max_float_uar_loss / 100,
    )
    of_file = arguments.source.suffix in (".keras", ".h5", ".onnx")
    if not of_file and arguments.source.is_file():
        raise SerEdgeError(
            f"{arguments.source}: is no network; expected a folder that `ser-edge train` wrote, or "
            "a .keras, .h5 or .onnx file"
        )
    if not of_file and (arguments.labels or arguments.clips or arguments.scaler):
        raise SerEdgeError(
            f"{arguments.source}: is a run, which knows its labels, clips and scaler; leave out "
            "--labels, --clips and --scaler"
        )
    if of_file and arguments.licence:
        raise SerEdgeError("--licence goes with a run; a file's terms are not ours to change")
    out = arguments.out or (
        arguments.source.with_suffix("") if of_file else arguments.source / "bundle"
    )
    check_free(out, overwrite=arguments.overwrite)
    onnx_options = {"unsigned": arguments.uint8, "reduce_range": arguments.reduce_range}
    if of_file:
        labels = tuple(filter(None, arguments.labels.split(",")))
        model = OwnModel(
            arguments.source,
            labels,
            arguments.recipe,
            arguments.clips,
            arguments.scaler,
            arguments.cache,
        )
        source = model.source(**onnx_options)
    else:
        source = run_source(arguments.source, licence=arguments.licence, **onnx_options)
    return export(
        source,
        out,
        forms,
        gate=gate,
        notes=_read_notes(arguments.notes),
        fine_tune=arguments.qat,
        allow_degraded=arguments.allow_degraded,
        overwrite=arguments.overwrite,
    )


def _read_notes(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SerEdgeError(
            f"{path}: cannot be read ({error}); expected a Markdown file for the model card"
        ) from None
