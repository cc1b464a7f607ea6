"""The end of foreign ONNX networks, and whether quantisation touched them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from raising import raises

from ser_edge.errors import SerEdgeError
from ser_edge.prediction import softmax
from ser_edge_export.onnx_network import OnnxNetwork
from ser_edge_export.onnx_output import run
from ser_edge_export.quantisation_search import QuantConfig
from ser_edge_export.variants import ModelVariant

pytestmark = pytest.mark.training

Node = helper.make_node
SHAPE = (20, 4)
N_LABELS = 3
PRECISIONS = ("float16", "dynamic", "int8")


@pytest.fixture
def windows(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.standard_normal((8, *SHAPE)).astype(np.float32)


def body(rng: np.random.Generator, *, as_constants: bool = False) -> tuple[list[Any], list[Any]]:
    """Return nodes from ``x`` to the logits ``z``, and initialisers."""
    arrays = {
        "w1": rng.standard_normal((80, 16)).astype(np.float32) / 10,
        "w2": rng.standard_normal((16, N_LABELS)).astype(np.float32) / 2,
    }
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    nodes = [Node("Constant", [], [t.name], value=t) for t in tensors] if as_constants else []
    nodes += [
        Node("Flatten", ["x"], ["flat"]),
        Node("MatMul", ["flat", "w1"], ["h"]),
        Node("Relu", ["h"], ["r"]),
        Node("MatMul", ["r", "w2"], ["z"]),
    ]
    return nodes, [] if as_constants else tensors


def written(
    folder: Path,
    nodes: Sequence[Any],
    initialisers: Sequence[Any],
    *,
    input_type: int = TensorProto.FLOAT,
    output_type: int = TensorProto.FLOAT,
    shape: Sequence[int] = SHAPE,
    windows: int | str = "n",
) -> Path:
    of = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "foreign",
        [of("x", input_type, [windows, *shape])],
        [of("p", output_type, [windows, N_LABELS])],
        initialisers,
    )
    opset = [helper.make_opsetid("", 17)]
    path = folder / "foreign.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


AXES = [
    numpy_helper.from_array(np.array([1, 1, 3]), "shape_1_1_3"),
    numpy_helper.from_array(np.array([1, 3, 1]), "shape_1_3_1"),
    numpy_helper.from_array(np.array([1]), "one"),
    numpy_helper.from_array(np.array([2]), "two"),
    numpy_helper.from_array(np.float32(0.5), "half"),
]
SOFTMAX = Node("Softmax", ["z"], ["q"])


@pytest.mark.parametrize(
    ("end", "is_removed"),
    [
        ([Node("Softmax", ["z"], ["p"])], True),
        ([SOFTMAX, Node("Identity", ["q"], ["i"]), Node("Identity", ["i"], ["p"])], True),
        ([SOFTMAX, Node("Cast", ["q"], ["d"], to=11), Node("Cast", ["d"], ["p"], to=1)], True),
        (
            [
                Node("Reshape", ["z", "shape_1_1_3"], ["y"]),
                Node("Softmax", ["y"], ["q"]),
                Node("Squeeze", ["q", "one"], ["p"]),
            ],
            True,
        ),
        (
            [
                Node("Reshape", ["z", "shape_1_3_1"], ["y"]),
                Node("Softmax", ["y"], ["q"], axis=1),
                Node("Squeeze", ["q", "two"], ["p"]),
            ],
            True,
        ),
        (
            [
                Node("Exp", ["z"], ["e"]),
                Node("ReduceSum", ["e", "one"], ["sum"]),
                Node("Div", ["e", "sum"], ["p"]),
            ],
            False,
        ),
        (
            [
                SOFTMAX,
                Node("Neg", ["z"], ["m"]),
                Node("Softmax", ["m"], ["other"]),
                Node("Add", ["q", "other"], ["both"]),
                Node("Mul", ["both", "half"], ["p"]),
            ],
            False,
        ),
    ],
    ids=["softmax", "identity", "cast", "squeeze", "other axis", "by hand", "mean of two"],
)
def test_probabilities_stay_as_they_are(
    end: list[Any],
    is_removed: bool,
    tmp_path: Path,
    rng: np.random.Generator,
    windows: NDArray[np.float32],
) -> None:
    nodes, tensors = body(rng)
    path = written(tmp_path, [*nodes, *end], [*tensors, *AXES])
    expected = run(path, onnx.load(str(path)), windows)
    network = OnnxNetwork.open(path, SHAPE, N_LABELS)
    np.testing.assert_allclose(softmax(network.logits(windows)), expected, atol=1e-6)
    content = network.content(ModelVariant("onnx", "float32"), QuantConfig(), windows, 1.0)
    kinds = [node.op_type for node in onnx.load_from_string(content).graph.node]
    assert ("Log" in kinds) == (not is_removed)
    assert not (is_removed and "Softmax" in kinds)


@pytest.mark.parametrize("kind", ["Identity", "LogSoftmax"])
def test_logits_stay_as_they_are(
    kind: str, tmp_path: Path, rng: np.random.Generator, windows: NDArray[np.float32]
) -> None:
    nodes, tensors = body(rng)
    path = written(tmp_path, [*nodes, Node(kind, ["z"], ["p"])], tensors)
    expected = run(path, onnx.load(str(path)), windows)
    found = OnnxNetwork.open(path, SHAPE, N_LABELS).logits(windows)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("end", "options", "values"),
    [
        ([Node("Sigmoid", ["z"], ["q"]), Node("Identity", ["q"], ["p"])], {}, ["Sigmoid"]),
        ([Node("Log", ["z"], ["p"])], {}, ["NaN"]),
        ([Node("Cast", ["z"], ["p"], to=11)], {"output_type": TensorProto.DOUBLE}, ["double"]),
        ([Node("Reshape", ["z", "shape_1_1_3"], ["p"])], {}, ["(1, 3)", "(3,)"]),
        (
            [Node("Identity", ["z"], ["p"])],
            {"windows": 4, "shape": (4, 20)},
            ["channels", "(20, 4)"],
        ),
    ],
    ids=["sigmoid", "nan", "double", "rank", "channels first"],
)
def test_what_is_refused(
    end: list[Any],
    options: dict[str, Any],
    values: list[str],
    tmp_path: Path,
    rng: np.random.Generator,
) -> None:
    nodes, tensors = body(rng)
    path = written(tmp_path, [*nodes, *end], [*tensors, *AXES], **options)
    with raises(SerEdgeError, *values, source=path):
        OnnxNetwork.open(path, SHAPE, N_LABELS)


def test_an_input_in_float16_is_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    nodes, tensors = body(rng)
    nodes[0].input[0] = "wide"
    nodes = [Node("Cast", ["x"], ["wide"], to=1), *nodes, Node("Identity", ["z"], ["p"])]
    path = written(tmp_path, nodes, tensors, input_type=TensorProto.FLOAT16)
    with raises(SerEdgeError, "'x'", "float16", source=path):
        OnnxNetwork.open(path, SHAPE, N_LABELS)


@pytest.mark.parametrize("as_constants", [False, True])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_are_quantised_however_they_are_stored(
    precision: str,
    as_constants: bool,
    tmp_path: Path,
    rng: np.random.Generator,
    windows: NDArray[np.float32],
) -> None:
    nodes, tensors = body(rng, as_constants=as_constants)
    path = written(tmp_path, [*nodes, Node("Identity", ["z"], ["p"])], tensors)
    network = OnnxNetwork.open(path, SHAPE, N_LABELS)
    config = QuantConfig(float_layers=("last",))
    content = network.content(ModelVariant("onnx", precision), config, windows, 1.0)
    types = {
        i.data_type for i in onnx.load_from_string(content).graph.initializer if len(i.dims) > 1
    }
    low = {TensorProto.FLOAT16} if precision == "float16" else {TensorProto.INT8, TensorProto.UINT8}
    assert types & low


@pytest.mark.parametrize("precision", ["dynamic", "int8"])
def test_a_network_that_quantisation_does_not_touch_is_refused(
    precision: str, tmp_path: Path, rng: np.random.Generator, windows: NDArray[np.float32]
) -> None:
    """The weights of an Einsum stay in float32."""
    nodes, tensors = body(rng)
    for node in nodes:
        if node.op_type == "MatMul":
            node.op_type = "Einsum"
            node.attribute.append(helper.make_attribute("equation", "ni,io->no"))
    path = written(tmp_path, [*nodes, Node("Identity", ["z"], ["p"])], tensors)
    network = OnnxNetwork.open(path, SHAPE, N_LABELS)
    variant = ModelVariant("onnx", precision)
    with raises(SerEdgeError, variant.file, "0 weights in int8", 80 * 16 + 48, source=path):
        network.content(variant, QuantConfig(), windows, 1.0)


def test_a_network_that_is_mostly_float32_is_no_int8(
    tmp_path: Path, rng: np.random.Generator, windows: NDArray[np.float32]
) -> None:
    nodes, tensors = body(rng)
    nodes[1] = Node("Einsum", ["flat", "w1"], ["h"], equation="ni,io->no")
    path = written(tmp_path, [*nodes, Node("Identity", ["z"], ["p"])], tensors)
    with raises(SerEdgeError, "48 weights in int8", 80 * 16, source=path):
        OnnxNetwork.open(path, SHAPE, N_LABELS).content(
            ModelVariant("onnx", "int8"), QuantConfig(), windows, 1.0
        )
