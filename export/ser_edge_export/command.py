"""Entry of ``ser-edge export``: from parsed options to a bundle."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path

from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.export import Export, export
from ser_edge_export.own_model import OwnModel
from ser_edge_export.run_model import trained_model_of_run
from ser_edge_export.variants import ModelVariant, chosen_variants
from ser_edge_train.folders import check_free


def export_command(arguments: argparse.Namespace) -> Export:
    """Run ``ser-edge export`` with the options that `ser_edge.cli.parser` parsed.

    Raises
    ------
    ConfigError
        If the options contradict each other.
    SerEdgeError
        If the source cannot be used or the bundle cannot be written; see `export`.
    """
    source: Path = arguments.source
    is_network = source.suffix in (".keras", ".h5", ".onnx")
    _check_options(arguments, is_network)
    variants = chosen_variants(
        int8=arguments.int8,
        everything=arguments.all,
        formats=arguments.format or (["onnx"] if source.suffix == ".onnx" else []),
        precisions=arguments.precision,
        batch=arguments.batch,
        audio=arguments.audio,
    )
    _check_effect(arguments, variants)
    criteria = AcceptanceCriteria(
        arguments.min_agreement / 100,
        arguments.max_uar_loss / 100,
        arguments.max_float_uar_loss / 100,
    )
    out = arguments.out or (source.with_suffix("") if is_network else source / "bundle")
    check_free(out, overwrite=arguments.overwrite)
    onnx_options = {"unsigned": arguments.uint8, "reduce_range": arguments.reduce_range}
    if is_network:
        model = OwnModel(
            path=source,
            labels=tuple(filter(None, arguments.labels.split(","))),
            recipe=arguments.recipe or "edge",
            clips=arguments.clips,
            scaler=arguments.scaler,
            cache=arguments.cache,
        ).trained_model(**onnx_options)
    else:
        model = trained_model_of_run(source, licence=arguments.licence, **onnx_options)
    return export(
        model,
        out,
        variants,
        criteria=criteria,
        notes=_read_notes(arguments.notes),
        fine_tune=arguments.qat,
        allow_degraded=arguments.allow_degraded,
        overwrite=arguments.overwrite,
    )


def _check_options(arguments: argparse.Namespace, is_network: bool) -> None:
    source: Path = arguments.source
    if is_network and arguments.licence:
        raise ConfigError(
            f"--licence={arguments.licence!r} applies to runs only", "leave it out", source
        )
    if (source / "saved_model.pb").is_file():
        raise SerEdgeError(
            "is a SavedModel folder, expected a .keras, .h5 or .onnx file",
            "save the network by model.save('mine.keras'), or convert the folder to ONNX (tf2onnx)",
            source,
        )
    if is_network:
        if source.is_dir():
            raise SerEdgeError("is a folder, expected a file", "name the network's file", source)
        if not source.exists():
            raise SerEdgeError("does not exist", "give the path of a network's file", source)
        return
    if source.is_file():
        raise SerEdgeError(
            "is not a network, expected a folder that `ser-edge train` wrote, or a .keras, .h5 or "
            ".onnx file",
            "name one",
            source,
        )
    own = ("labels", "recipe", "clips", "scaler", "cache")
    given = [f"--{name}" for name in own if getattr(arguments, name)]
    if given:
        raise ConfigError(
            f"{', '.join(given)} applies to .keras and .onnx files; a run has its own",
            "leave it out",
            source,
        )


def _check_effect(arguments: argparse.Namespace, variants: Collection[ModelVariant]) -> None:
    """Refuse options that change none of the variants."""
    int8 = {variant.format for variant in variants if variant.precision.startswith("int8")}
    for given, name, has_effect in (
        (arguments.uint8, "--uint8", "onnx" in int8),
        (arguments.reduce_range, "--reduce-range", "onnx" in int8),
        (arguments.qat, "--qat", bool(int8)),
        (arguments.int8, "--int8", bool(int8)),
        (arguments.format, "--format", not arguments.all),
        (arguments.precision, "--precision", not arguments.all),
        (arguments.batch, "--batch", any(v.input_kind == "batch" for v in variants)),
        (arguments.audio, "--audio", any(v.input_kind == "audio" for v in variants)),
    ):
        if given and not has_effect:
            raise ConfigError(
                f"{name} changes none of the chosen variants",
                "leave it out, or choose variants that it changes, such as by --int8",
                arguments.source,
            )


def _read_notes(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SerEdgeError(f"cannot be read ({error})", "give a Markdown file", path) from None
