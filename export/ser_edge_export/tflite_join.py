"""Join two TFLite models to one, as they are: what the first gives is what the second takes.

Operators, tensors and weights are copied, not converted again, so that an int8 network behind a
float32 front end says bit for bit what it said by itself. TensorFlow's own classes read and write
the file (schema version 3).
"""

from __future__ import annotations

from typing import Any

from ser_edge.errors import SerEdgeError

_ALIGNMENT = 16  # of a buffer's data, by TFLite's schema (``force_align``)


def join(first: bytes, second: bytes) -> bytes:
    """Put one model behind another.

    Parameters
    ----------
    first, second : bytes
        Of ``.tflite`` files with one subgraph, one input and one output each; the output of the
        first and the input of the second have the same type and shape.

    Returns
    -------
    content : bytes
        From the input of the first to the output of the second.

    Raises
    ------
    SerEdgeError
        If they do not fit.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    model, other = (
        flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
        for content in (first, second)
    )
    (graph,), (added,) = model.subgraphs, other.subgraphs
    (seam,), (taken,) = graph.outputs, added.inputs
    given, expected = _kind(graph.tensors[seam]), _kind(added.tensors[taken])
    if given != expected:
        raise SerEdgeError(f"the first model gives {given}, the second takes {expected}")

    n_tensors, n_buffers, n_codes = len(graph.tensors), len(model.buffers), len(model.operatorCodes)
    for tensor in added.tensors:
        tensor.buffer += n_buffers
    for operator in added.operators:
        operator.opcodeIndex += n_codes
        for tensors in (operator.inputs, operator.outputs):
            for place, number in enumerate(tensors):
                if number >= 0:  # below is an optional tensor that is not there
                    tensors[place] = seam if number == taken else number + n_tensors
    for part in (model, other):
        for entry in part.metadata or []:  # which describes a part alone
            part.buffers[entry.buffer].data = None
    model.metadata = []
    model.operatorCodes += other.operatorCodes
    model.buffers += other.buffers
    graph.tensors += added.tensors
    graph.operators += added.operators
    graph.outputs = [number + n_tensors for number in added.outputs]
    (signature,), (last,) = model.signatureDefs, other.signatureDefs
    signature.outputs = last.outputs
    for output in signature.outputs:
        output.tensorIndex += n_tensors
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
