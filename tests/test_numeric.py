"""The NumPy backend: every operation against its definition, and invalid graphs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from raising import raises

from ser_edge import Bundle
from ser_edge.backends.graph import Graph, Op
from ser_edge.backends.numeric import NumericModel, open_model
from ser_edge.errors import BackendError, ConfigError

Array = NDArray[np.float32]


def floats(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def check(x: Array, ops: list[Op], expected: Any, atol: float = 0) -> None:
    """Run operations on one window [shape=(time, channels)]; the last makes ``y`` or ``logits``."""
    expected = np.asarray(expected, np.float64)
    if ops[-1].output == "y":
        ops = [*ops, Op("flatten", ("y",), "logits")]
    model = NumericModel(Graph(x.shape, expected.size, tuple(ops)), "m.npz")
    (logits,) = model.run(x[None])
    np.testing.assert_allclose(logits, expected.ravel(), rtol=0, atol=atol)


def sliding(rng: np.random.Generator) -> tuple[int, dict[str, int]]:
    size = int(rng.integers(1, 7))
    left, right = (int(rng.integers(0, size)) for _ in range(2))
    return size, {"stride": int(rng.integers(1, 5)), "left": left, "right": right}


@pytest.mark.parametrize("seed", range(60))
def test_convolution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, settings = sliding(rng)
    groups, n_in, n_out = (int(rng.choice(sizes)) for sizes in ([1, 2, 5], [1, 1, 2, 4], [1, 1, 3]))
    x = floats(rng, int(rng.integers(size, 20)), groups * n_in)
    weight, bias = floats(rng, size, n_in, groups * n_out), floats(rng, groups * n_out)
    padded = np.pad(x.astype(float), ((settings["left"], settings["right"]), (0, 0)))
    expected = [
        [
            (padded[start : start + size, out // n_out * n_in :][:, :n_in] * weight[..., out]).sum()
            + bias[out]
            for out in range(groups * n_out)
        ]
        for start in range(0, len(padded) - size + 1, settings["stride"])
    ]
    arrays = {"weight": weight, "bias": bias}
    conv = Op("conv", ("input",), "y", arrays, {"groups": groups, **settings})
    # float32 sums of up to 24 products of the order of 1; measured 2e-6.
    check(x, [conv], expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_pooling(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, settings = sliding(rng)
    x = floats(rng, int(rng.integers(size, 20)), 3) - 9  # so that a padded zero would win
    left, length = settings["left"], settings["left"] + len(x) + settings["right"]
    starts = range(0, length - size + 1, settings["stride"])
    expected = [x[max(0, start - left) : start - left + size].max(axis=0) for start in starts]
    check(x, [Op("maxpool", ("input",), "y", {}, {"size": size, **settings})], expected)


X = np.array([[1, -2, 3], [-4, 5, -6]], np.float32)
PAIR = {"gain": np.array([2, 0, -1], np.float32), "offset": np.array([0, 1, 2], np.float32)}
DENSE = {
    "weight": np.arange(12, dtype=np.float32).reshape(6, 2),
    "bias": np.array([100, 0], np.float32),
}


def padding(left: int, right: int, size: int = 3) -> Op:
    value = np.arange(7, 7 + size, dtype=np.float32)
    return Op("pad", ("input",), "y", {"value": value}, {"left": left, "right": right})


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ([Op("relu", ("input",), "y")], [[1, 0, 3], [0, 5, 0]]),
        ([Op("affine", ("input",), "y", PAIR)], [[2, 1, -1], [-8, 1, 8]]),
        ([Op("add", ("input", "input"), "y")], 2 * X),
        ([padding(1, 2)], [[7, 8, 9], *X.tolist(), [7, 8, 9], [7, 8, 9]]),
        ([padding(0, 0)], X),
        ([Op("concat", ("input", "input"), "y")], np.hstack([X, X])),
        ([Op("mean", ("input",), "logits")], [-1.5, 1.5, -1.5]),
        ([Op("max", ("input",), "logits")], [1, 5, 3]),
        ([Op("std", ("input",), "logits")], [2.5, 3.5, 4.5]),
        ([Op("flatten", ("input",), "logits")], [1, -2, 3, -4, 5, -6]),
        (
            [Op("flatten", ("input",), "x"), Op("dense", ("x",), "logits", DENSE)],
            [100 - 4 + 12 - 24 + 40 - 60, 1 - 6 + 15 - 28 + 45 - 66],
        ),
        (
            [
                Op("mean", ("input",), "a"),
                Op("max", ("input",), "b"),
                Op("affine", ("b",), "c", PAIR),
                Op("concat", ("c", "a"), "logits"),
            ],
            [2, 1, -1, -1.5, 1.5, -1.5],
        ),
    ],
)
def test_the_other_operations(ops: list[Op], expected: Any) -> None:
    before = X.copy()
    # On 32-bit ARM, NumPy's square root of float32 may be off by one in the last place.
    check(X, ops, expected, atol=3e-7 if ops[-1].kind == "std" else 0)
    np.testing.assert_array_equal(X, before)


def test_golden_logits(bundle_dir: Path, golden: dict[str, Any]) -> None:
    model = open_model((bundle_dir / "model.float32.npz").read_bytes(), "model.float32.npz")
    assert model.version == f"numpy {np.__version__}"
    for i in range(3):
        expected = golden[f"clip{i}_logits"]
        found = model.run(golden[f"clip{i}_inputs"])
        assert found.dtype == np.float32
        assert found.shape == expected.shape
        # Keras sums in another order: measured 2e-6, of logits up to 10.
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


def test_a_window_is_computed_by_itself(bundle_dir: Path, golden: dict[str, Any]) -> None:
    model = open_model((bundle_dir / "model.float32.npz").read_bytes(), "model.float32.npz")
    inputs = golden["clip2_inputs"]
    together = model.run(inputs)
    np.testing.assert_array_equal(together, np.concatenate([model.run(x[None]) for x in inputs]))
    np.testing.assert_array_equal(together[::-1], model.run(inputs[::-1]))
    assert model.run(inputs[:0]).shape == (0, len(together[0]))


def test_it_can_be_pickled(bundle_dir: Path, golden: dict[str, Any]) -> None:
    model = open_model((bundle_dir / "model.float32.npz").read_bytes(), "model.float32.npz")
    inputs = golden["clip0_inputs"]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).run(inputs), model.run(inputs))


def test_overflow_gives_no_warning() -> None:
    huge = {name: np.full(3, 3e38, np.float32) for name in ("gain", "offset")}
    ops = (Op("affine", ("input",), "y", huge), Op("mean", ("y",), "logits"))
    logits = NumericModel(Graph((2, 3), 3, ops), "m.npz").run(np.ones((1, 2, 3), np.float32))
    assert not np.isfinite(logits).any()


def conv(weight: tuple[int, int, int], bias: int = 0, **settings: int) -> Op:
    arrays = {"weight": np.ones(weight, np.float32), "bias": np.ones(bias or weight[2], np.float32)}
    settings = {"stride": 1, "groups": 1, "left": 0, "right": 0, **settings}
    return Op("conv", ("input",), "y", arrays, settings)


def pool(**settings: int) -> Op:
    settings = {"size": 3, "stride": 1, "left": 0, "right": 0, **settings}
    return Op("maxpool", ("input",), "y", {}, settings)


def affine(*sizes: int) -> Op:
    arrays = [np.ones(size, np.float32) for size in sizes]
    return Op("affine", ("input",), "y", dict(zip(("gain", "offset"), arrays, strict=True)))


def dense(rows: int, columns: int, bias: int) -> list[Op]:
    arrays = {"weight": np.ones((rows, columns), np.float32), "bias": np.ones(bias, np.float32)}
    return [Op("mean", ("input",), "m"), Op("dense", ("m",), "logits", arrays)]


MEAN = Op("mean", ("input",), "logits")
CONV, POOL = "operation 'y' (conv)", "operation 'y' (maxpool)"
DENSE_OP = "operation 'logits' (dense)"


@pytest.mark.parametrize(
    ("ops", "source", "values"),
    [
        ([], "", ("[]", "['logits']")),
        ([Op("mean", ("input",), "y")], "", ("['y']", "['logits']")),
        ([Op("relu", ("input",), "logits")], "", ("(10, 4)", "(4,)")),
        ([Op("relu", ("y",), "x"), MEAN], "operation 'x' (relu)", ("'y'",)),
        ([Op("relu", ("x",), "x"), MEAN], "operation 'x' (relu)", ("'x'",)),
        ([Op("relu", ("input",), "input"), MEAN], "operation 'input' (relu)", ()),
        ([MEAN, MEAN], "operation 'logits' (mean)", ()),
        (
            [Op("mean", ("input",), "m"), Op("max", ("m",), "logits")],
            "operation 'logits' (max)",
            ("rank is 1", "2"),
        ),
        (
            [Op("mean", ("input",), "m"), Op("add", ("m", "input"), "y")],
            "operation 'y' (add)",
            ("(10, 4)", "(4,)"),
        ),
        (
            [Op("mean", ("input",), "m"), Op("concat", ("input", "m"), "y")],
            "operation 'y' (concat)",
            ("(4,)", "(10, 4)"),
        ),
        ([conv((3, 3, 2))], CONV, ("weight", "(3, 3, 2)", "(3, 4, 2)")),
        ([conv((3, 2, 4), groups=4)], CONV, ("weight", "(3, 2, 4)", "(3, 1, 4)")),
        ([conv((3, 4, 4), groups=3)], CONV, ("groups", "(1, 1)", "(0, 0)")),
        ([conv((3, 4, 2), bias=3)], CONV, ("bias", "(3,)", "(2,)")),
        ([conv((11, 4, 2))], CONV, ("11", "0 + 10 + 0")),
        ([conv((3, 4, 2), left=3)], CONV, ("3 + 10 + 0",)),
        ([pool(size=11)], POOL, ("11", "0 + 10 + 0")),
        ([pool(right=3)], POOL, ("0 + 10 + 3",)),
        ([pool(size=67108864, left=67108863)], POOL, (2684354600,)),
        ([padding(1, 1, 3)], "operation 'y' (pad)", ("value", "(3,)", "(4,)")),
        ([padding(2**26, 2**26, 4)], "operation 'y' (pad)", (536870992,)),
        ([affine(3, 4)], "operation 'y' (affine)", ("gain", "(3,)", "(4,)")),
        ([affine(4, 5)], "operation 'y' (affine)", ("offset", "(5,)", "(4,)")),
        (dense(3, 4, 4), DENSE_OP, ("weight", "(3, 4)", "(4, 4)")),
        (dense(4, 4, 3), DENSE_OP, ("weight", "(4, 4)", "(4, 3)")),
        (dense(4, 3, 3), "", ("logits", "(3,)", "(4,)")),
    ],
)
def test_a_graph_that_cannot_be_computed(
    ops: list[Op], source: str, values: tuple[object, ...]
) -> None:
    with raises(ConfigError, *values, source=source):
        Graph((10, 4), 4, tuple(ops))


@pytest.mark.parametrize("shape", [(), (10,), (10, 4, 1), (0, 4), (-1, 4), (1.5, 4), (2**40, 4)])
def test_invalid_input_shapes(shape: tuple[Any, ...]) -> None:
    with raises(ConfigError, "input"):
        Graph(shape, 4, (MEAN,))


def test_memory_and_time_of_a_window_are_bounded() -> None:
    with raises(ConfigError, 2**26 + 4, 2**26, source="operation 'logits' (mean)"):
        Graph((2**24, 4), 4, (MEAN,))
    wide = {"weight": np.ones((2**10, 1, 2**10), np.float32), "bias": np.ones(2**10, np.float32)}
    many = Op("conv", ("input",), "y", wide, {"stride": 1, "groups": 1, "left": 0, "right": 0})
    with raises(ConfigError, 9664724992, 2**33):
        Graph((10240, 1), 4, (many,))


@pytest.mark.parametrize(
    ("change", "values"),
    [
        ({"kind": "lstm"}, ("kind='lstm'", "conv, maxpool")),
        ({"inputs": ()}, ("inputs is 0",)),
        ({"inputs": ("a", "b")}, ("inputs is 2",)),
        ({"inputs": (3,)}, ("named 3",)),
        ({"output": ""}, ("named ''",)),
        ({"output": "a\nb"}, (r"a\nb",)),
        ({"output": "a" * 101}, ("aaa...aaa",)),
        ({"settings": {}}, ("settings", "set()")),
        ({"settings": {"stride": 0, "groups": 1, "left": 0, "right": 0}}, ("stride=0",)),
        ({"settings": {"stride": 1, "groups": True, "left": 0, "right": 0}}, ("groups=True",)),
        ({"settings": {"stride": 1, "groups": 1, "left": -1, "right": 0}}, ("left=-1",)),
        ({"settings": {"stride": 1, "groups": 1, "left": 0, "right": 1e3}}, ("right=1000.0",)),
        ({"settings": {"stride": 10**99, "groups": 1, "left": 0, "right": 0}}, ("stride=1000",)),
        ({"arrays": {}}, ("arrays", "set()")),
        ({"weight": np.ones((3, 4, 2))}, ("weight", "float64")),
        ({"weight": np.array([[[None]]])}, ("weight", "'O'")),
        ({"weight": np.ones((3, 4), np.float32)}, ("weight is 2", "3")),
        ({"weight": np.ones((3, 0, 2), np.float32)}, ("weight", "finite")),
        ({"weight": np.full((3, 4, 2), np.nan, np.float32)}, ("weight", "finite")),
        ({"weight": np.full((3, 4, 2), np.inf, np.float32)}, ("weight", "finite")),
    ],
)
def test_invalid_operations(change: dict[str, Any], values: tuple[str, ...]) -> None:
    good = conv((3, 4, 2))
    parts: dict[str, Any] = vars(good) | {
        name: value for name, value in change.items() if name != "weight"
    }
    if "weight" in change:
        parts["arrays"] = good.arrays | change
    with raises(ConfigError, *values):
        Op(**parts)


def test_shapes_are_checked_before_anything_runs(bundle_dir: Path) -> None:
    model = open_model((bundle_dir / "model.float32.npz").read_bytes(), "model.float32.npz")
    shape = Bundle.open(bundle_dir).manifest.input.shape
    with raises(BackendError, shape, source="model.float32.npz"):
        model.run(np.zeros((1, shape[0] + 1, shape[1]), np.float32))
