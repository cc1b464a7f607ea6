"""An ONNX network as a source: copied, and quantised by ONNX Runtime's own tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from ser_edge.backends.onnx import import_onnxruntime
from ser_edge.errors import SerEdgeError
from ser_edge_export import audio_onnx
from ser_edge_export.metadata import describe_onnx, description
from ser_edge_export.onnx_precision import dynamic, float16, int8_weights, quantising
from ser_edge_export.onnx_writer import IR_VERSION, OPSET
from ser_edge_export.own_model import check_fits
from ser_edge_export.quantisation_search import QuantConfig
from ser_edge_export.trained_model import Source
from ser_edge_export.variants import ModelVariant

_WEIGHTED = ("Conv", "Gemm", "MatMul")


class OnnxNetwork:
    """A float32 ONNX model with one input and one output, logits or probabilities.

    Parameters
    ----------
    path : Path
        Its file, for messages.
    model : onnx.ModelProto
        From ``features`` to ``logits``.
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
        """Read a file; a softmax at its end is left out.

        Parameters
        ----------
        path : Path
            An ``.onnx`` file.
        shape : sequence of int
            Of the input that the recipe makes.
        n_labels : int
            Number of outputs expected.
        **onnx_options : bool
            As for the class.

        Raises
        ------
        SerEdgeError
            If it cannot be read, or does not fit.
        """
        try:
            model = onnx.load(str(path))
            onnx.checker.check_model(model)
            if next((o.version for o in model.opset_import if not o.domain), OPSET) < OPSET:
                model = onnx.version_converter.convert_version(model, OPSET)
        except (OSError, DecodeError, onnx.checker.ValidationError, RuntimeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SerEdgeError(
                f"{path}: cannot be used ({reason}); expected an ONNX model, export it again"
            ) from None
        graph = model.graph
        known = {constant.name for constant in graph.initializer}
        inputs = [value for value in graph.input if value.name not in known]
        takes, gives = ([_shape_of(value) for value in values] for values in (inputs, graph.output))
        check_fits(path, takes, gives, shape, n_labels)
        model.ir_version = min(model.ir_version, IR_VERSION)
        _end_in_logits(model)
        _rename(model, inputs[0].name, "features")
        _rename(model, graph.output[0].name, "logits")
        for value in (*graph.input, *graph.output):
            if value.name in ("features", "logits"):
                value.type.tensor_type.shape.dim[0].Clear()
                value.type.tensor_type.shape.dim[0].dim_value = 1
        del graph.value_info[:]  # what was inferred for another number of windows
        return cls(path, model, **onnx_options)

    def logits(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the file in ONNX Runtime; see `ser_edge_export.trained_model.Network`."""
        session = import_onnxruntime().InferenceSession(
            self._model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        return np.concatenate([session.run(["logits"], {"features": x[None]})[0] for x in inputs])

    def check(self, form: ModelVariant, *, fine_tune: bool) -> None:
        """Refuse what takes the Keras model; see `ser_edge_export.trained_model.Network`."""
        if form.format != "onnx" or form.input_kind == "batch":
            raise SerEdgeError(
                f"{self._path}: cannot become {form.file}; an ONNX model is exported to ONNX files "
                "for one window, give the Keras model for others"
            )
        if fine_tune:
            raise SerEdgeError(f"{self._path}: cannot be trained; give the Keras model for --qat")

    def content(self, form: ModelVariant, source: Source, way: QuantConfig) -> bytes:
        """Write it in a form; see `ser_edge_export.trained_model.Network`."""
        model = onnx.ModelProto.FromString(self._model.SerializeToString())
        if form.precision == "float16":
            model = float16(model)
        elif form.precision == "dynamic":
            model = int8_weights(model) if way.weights_alone else dynamic(model)
        elif form.precision == "int8":
            model = self._int8(model, source, way)
        if form.input_kind == "audio":
            model = audio_onnx.with_audio(model, source.input, source.temperature)
        onnx.checker.check_model(model, full_check=True)
        text = description(source, form.input_kind)
        return bytes(describe_onnx(model, text).SerializeToString(deterministic=True))

    def _int8(self, model: onnx.ModelProto, source: Source, way: QuantConfig) -> onnx.ModelProto:
        """Quantise by ONNX Runtime's static quantisation: QDQ, weights per channel."""
        import_onnxruntime()
        from onnxruntime import quantization as q

        class Reader(q.CalibrationDataReader):  # type: ignore[misc]
            def __init__(self) -> None:
                self._windows: Iterator[Any] = iter(source.calibration[: way.windows])

            def get_next(self) -> dict[str, NDArray[np.float32]] | None:
                window = next(self._windows, None)
                return None if window is None else {"features": window[None]}

        options = {"CalibPercentile": way.percentile} if way.percentile else {}
        method = q.CalibrationMethod.Percentile if way.percentile else q.CalibrationMethod.MinMax
        with quantising(), TemporaryDirectory() as folder:
            # Folds normalisations, without which they stay between convolutions in float32.
            before, after = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
            onnx.save(model, str(before))
            prepared = Path(folder, "prepared.onnx")
            q.quant_pre_process(str(before), str(prepared), skip_symbolic_shape=True)
            layers = [n.name for n in onnx.load(str(prepared)).graph.node if n.op_type in _WEIGHTED]
            ends = {"first": layers[:1], "last": layers[-1:]}
            q.quantize_static(
                str(prepared),
                str(after),
                Reader(),
                per_channel=True,
                reduce_range=self._reduce_range,
                activation_type=q.QuantType.QUInt8 if self._unsigned else q.QuantType.QInt8,
                weight_type=q.QuantType.QInt8,
                nodes_to_exclude=[name for layer in way.float_layers for name in ends[layer]],
                calibrate_method=method,
                extra_options=options,
            )
            return onnx.load(str(after))


def _shape_of(value: onnx.ValueInfoProto) -> list[int | str]:
    """Return a tensor's shape without the number of windows."""
    return [d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim][1:]


def _end_in_logits(model: onnx.ModelProto) -> None:
    graph = model.graph
    (output,) = graph.output
    last = next(node for node in graph.node if output.name in node.output)
    if last.op_type == "Softmax":
        output.name = last.input[0]
        graph.node.remove(last)


def _rename(model: onnx.ModelProto, old: str, new: str) -> None:
    graph = model.graph
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for value in (*graph.input, *graph.output):
        if value.name == old:
            value.name = new
