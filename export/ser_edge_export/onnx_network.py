"""An ONNX network, copied as it is and quantised by ONNX Runtime's tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from ser_edge.backends.onnx import import_onnxruntime
from ser_edge.errors import ConfigError, SerEdgeError, error_source, first_line
from ser_edge_export.onnx_output import check_float32, end_in_logits, run
from ser_edge_export.onnx_precision import dynamic, float16, int8_weights, quantising
from ser_edge_export.onnx_writer import IR_VERSION, OPSET
from ser_edge_export.quantisation_search import QuantConfig
from ser_edge_export.trained_model import check_fits
from ser_edge_export.variants import ModelVariant
from ser_edge_export.weight_types import check_weights, onnx_counts

_WEIGHTED = ("Conv", "Gemm", "MatMul")


class OnnxNetwork:
    """A float32 ONNX model with one input and one output, logits or probabilities.

    Parameters
    ----------
    path : Path
        Its file, for error messages.
    model : onnx.ModelProto
        With the input ``features`` and the output ``logits``.
    unsigned, reduce_range : bool
        See `ser_edge_export.onnx_writer.Int8`.
    """

    def __init__(
        self,
        path: Path,
        model: onnx.ModelProto,
        *,
        unsigned: bool = False,
        reduce_range: bool = False,
    ) -> None:
        self._path, self._model = path, model
        self._unsigned, self._reduce_range = unsigned, reduce_range
        self.n_parameters = int(sum(np.prod(i.dims) for i in model.graph.initializer))

    @classmethod
    def open(
        cls, path: Path, shape: Sequence[int], n_labels: int, **onnx_options: bool
    ) -> OnnxNetwork:
        """Read an ``.onnx`` file; a softmax at its end is removed.

        Raises
        ------
        SerEdgeError
            If it cannot be read, or does not have this input shape and number of outputs.
        """
        try:
            model = onnx.load(str(path))
            onnx.checker.check_model(model)
            if next((o.version for o in model.opset_import if not o.domain), OPSET) < OPSET:
                model = onnx.version_converter.convert_version(model, OPSET)
        except (OSError, DecodeError, onnx.checker.ValidationError, RuntimeError) as error:
            raise SerEdgeError(
                f"cannot be read as an ONNX model ({first_line(error)})",
                "export it to ONNX again",
                path,
            ) from None
        graph = model.graph
        constants = {constant.name for constant in graph.initializer}
        inputs = [value for value in graph.input if value.name not in constants]
        check_fits(path, _shapes(inputs), _shapes(graph.output), shape, n_labels)
        check_float32(path, [*inputs, *graph.output])
        model.ir_version = min(model.ir_version, IR_VERSION)
        for value in (inputs[0], graph.output[0]):
            value.type.tensor_type.shape.dim[0].Clear()
            value.type.tensor_type.shape.dim[0].dim_value = 1
        del graph.value_info[:]  # shapes inferred for another number of windows
        _prepare(graph)
        model = end_in_logits(path, model, shape)
        _rename(model, inputs[0].name, "features")
        _rename(model, model.graph.output[0].name, "logits")
        return cls(path, model, **onnx_options)

    def logits(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the file in ONNX Runtime; see `ser_edge_export.trained_model.Network`."""
        return run(self._path, self._model, inputs)

    def check(self, variant: ModelVariant, *, fine_tune: bool) -> None:
        """Accept ONNX variants for one window; see `ser_edge_export.trained_model.Network`."""
        if variant.format != "onnx" or variant.input_kind == "batch":
            raise ConfigError(
                f"cannot be exported as {variant.file}, only as ONNX for one window",
                "export the Keras model instead, or choose --format onnx",
                self._path,
            )
        if fine_tune:
            raise ConfigError(
                "cannot be fine-tuned", "export the Keras model, or leave out --qat", self._path
            )

    def content(
        self,
        variant: ModelVariant,
        config: QuantConfig,
        calibration: NDArray[np.float32],
        temperature: float,
    ) -> bytes:
        """Return a model file; see `ser_edge_export.trained_model.Network`."""
        model = onnx.ModelProto.FromString(self._model.SerializeToString())
        left = 0
        if variant.precision == "float16":
            model = float16(model)
        elif variant.precision == "dynamic":
            model = int8_weights(model) if config.weight_only else dynamic(model)
        elif variant.precision == "int8":
            model, left = self._int8(model, calibration[: config.windows], config)
        if variant.precision != "float32":
            with error_source(self._path):
                check_weights(variant, onnx_counts(model, variant.precision), left=left)
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def _int8(
        self, model: onnx.ModelProto, windows: NDArray[np.float32], config: QuantConfig
    ) -> tuple[onnx.ModelProto, int]:
        """Apply ONNX Runtime's static quantisation: QDQ, weights per channel.

        Return also the number of weights that the configuration leaves in float32.
        """
        import_onnxruntime()
        from onnxruntime import quantization as q

        class Reader(q.CalibrationDataReader):  # type: ignore[misc]
            def __init__(self) -> None:
                self._windows: Iterator[Any] = iter(windows)

            def get_next(self) -> dict[str, NDArray[np.float32]] | None:
                window = next(self._windows, None)
                return None if window is None else {"features": window[None]}

        options = {"CalibPercentile": config.percentile} if config.percentile else {}
        method = q.CalibrationMethod.Percentile if config.percentile else q.CalibrationMethod.MinMax
        with quantising(), TemporaryDirectory() as folder:
            # Pre-processing folds normalisations, which otherwise stay in float32.
            before, after = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
            onnx.save(model, str(before))
            prepared = Path(folder, "prepared.onnx")
            q.quant_pre_process(str(before), str(prepared), skip_symbolic_shape=True)
            ready = onnx.load(str(prepared))
            graph = ready.graph
            for number, node in enumerate(graph.node):  # without a name, none could be excluded
                node.name = node.name or f"{node.op_type}_fused_{number}"
            onnx.save(ready, str(prepared))
            sizes = {i.name: int(np.prod(i.dims)) for i in graph.initializer}
            layers = [
                node for node in graph.node if node.op_type in _WEIGHTED and node.input[1] in sizes
            ]
            ends = {"first": layers[:1], "last": layers[-1:]}
            excluded = [layer for end in config.float_layers for layer in ends[end]]
            q.quantize_static(
                str(prepared),
                str(after),
                Reader(),
                per_channel=True,
                reduce_range=self._reduce_range,
                activation_type=q.QuantType.QUInt8 if self._unsigned else q.QuantType.QInt8,
                weight_type=q.QuantType.QInt8,
                nodes_to_exclude=[layer.name for layer in excluded],
                calibrate_method=method,
                extra_options=options,
            )
            left = {layer.input[1] for layer in excluded}
            return onnx.load(str(after)), sum(sizes[name] for name in left)


def _shapes(values: Iterable[onnx.ValueInfoProto]) -> list[list[int | str]]:
    """Return the shapes of tensors, without the number of windows."""
    shapes = (value.type.tensor_type.shape.dim for value in values)
    return [[d.dim_value or d.dim_param for d in shape][1:] for shape in shapes]


def _prepare(graph: onnx.GraphProto) -> None:
    """Make weights initialisers and give each node a name of its own, as quantisation expects."""
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        (value,) = node.attribute
        if value.name == "value":
            graph.initializer.add().CopyFrom(value.t)
            graph.initializer[-1].name = node.output[0]
            graph.node.remove(node)


def _rename(model: onnx.ModelProto, old: str, new: str) -> None:
    graph = model.graph
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for value in (*graph.input, *graph.output):
        if value.name == old:
            value.name = new
