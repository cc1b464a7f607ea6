"""Join two TFLite models: the output of the first is the input of the second.

Operators, tensors and weights are copied, not converted again, so that an int8 network after a
float32 front end stays bit-identical. TensorFlow's classes read and write the file (schema version
3).
"""

from __future__ import annotations

from typing import Any

from ser_edge.errors import SerEdgeError

_ALIGNMENT = 16  # bytes, of a buffer's data in TFLite's schema (``force_align``)


def join(first: bytes, second: bytes) -> bytes:
    """Return a file that runs one ``.tflite`` file after another.

    Each has one subgraph, one input and one output.

    Raises
    ------
    SerEdgeError
        If the output of the first and the input of the second differ in type or shape.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    model, other = (
        flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
        for content in (first, second)
    )
    (graph,), (added,) = model.subgraphs, other.subgraphs
    (output,), (input_,) = graph.outputs, added.inputs
    found, expected = _kind(graph.tensors[output]), _kind(added.tensors[input_])
    if found != expected:
        raise SerEdgeError(
            f"the first model's output has type and shape {found}, expected {expected}"
        )

    n_tensors, n_buffers, n_codes = len(graph.tensors), len(model.buffers), len(model.operatorCodes)
    for tensor in added.tensors:
        tensor.buffer += n_buffers
    for operator in added.operators:
        operator.opcodeIndex += n_codes
        for tensors in (operator.inputs, operator.outputs):
            for place, number in enumerate(tensors):
                if number >= 0:  # -1 is an absent optional tensor
                    tensors[place] = output if number == input_ else number + n_tensors
    for part in (model, other):
        for entry in part.metadata or []:  # describes one part only
            part.buffers[entry.buffer].data = None
    model.metadata = []
    model.operatorCodes += other.operatorCodes
    model.buffers += other.buffers
    graph.tensors += added.tensors
    graph.operators += added.operators
    graph.outputs = [number + n_tensors for number in added.outputs]
    (signature,), (last,) = model.signatureDefs, other.signatureDefs
    signature.outputs = last.outputs
    for entry in signature.outputs:
        entry.tensorIndex += n_tensors
    return _packed(model)


def _packed(model: Any) -> bytes:
    import flatbuffers

    class Builder(flatbuffers.Builder):  # type: ignore[misc]
        def CreateNumpyVector(self, x: Any) -> Any:  # noqa: N802, of flatbuffers
            self.Prep(_ALIGNMENT, x.nbytes)
            return super().CreateNumpyVector(x)

    builder = Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _kind(tensor: Any) -> tuple[int, list[int]]:
    return tensor.type, list(tensor.shape)
