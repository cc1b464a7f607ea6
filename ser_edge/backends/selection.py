"""Choose the interpreter and the model file of a bundle.

The backends are tried in the order of `ser_edge.backends.INTERPRETERS`: ``litert``, ``tflite``,
``onnx``, ``numeric``. The first one that is installed, has a file in the bundle and opens it is
taken, with the precision that is fastest in it. A backend that does not load or refuses the file is
skipped with a warning. If the caller names a backend or a precision, no other is tried.
"""

from __future__ import annotations

import logging

from ser_edge.backends import INTERPRETERS, Backend, open_model
from ser_edge.bundle import Bundle
from ser_edge.checks import check_choice
from ser_edge.choices import PRECISIONS
from ser_edge.errors import BackendError
from ser_edge.manifest import ModelFile

logger = logging.getLogger(__name__)


def open_bundle(
    bundle: Bundle, *, backend: str | None = None, precision: str | None = None, threads: int = 1
) -> tuple[str, ModelFile, Backend]:
    """Open the model file of a bundle that is best on this device.

    Parameters
    ----------
    bundle : Bundle
        The exported folder.
    backend : str, optional
        The only backend to try, a key of `INTERPRETERS`.
    precision : str, optional
        The only precision to try, one of `ser_edge.choices.PRECISIONS`.
    threads : int > 0
        Threads per inference.

    Returns
    -------
    name : str
        The backend.
    model : ModelFile
        Its file.
    opened : Backend

    Raises
    ------
    BackendError
        If the bundle has no such file, or no interpreter can open it.
    BundleError
        If the file is damaged.
    ConfigError
        If there is no such backend or precision.
    """
    if backend is not None:
        check_choice("backend", backend, INTERPRETERS)
    if precision is not None:
        check_choice("precision", precision, PRECISIONS)
    names = [backend] if backend else list(INTERPRETERS)
    models = {name: model_for(bundle, name, precision) for name in names}
    candidates = {name: model for name, model in models.items() if model is not None}
    if not candidates:
        files = ", ".join(model.file for model in bundle.manifest.models)
        raise BackendError(
            f"has no {precision or 'model'} file for {' or '.join(names)}, only {files}",
            "choose another --backend or --precision, or export again",
            bundle.folder,
        )
    failed = []
    for name, model in candidates.items():
        if backend is None and not INTERPRETERS[name].usable:
            continue
        content = bundle.model_bytes(model)
        try:
            source = bundle.folder / model.file
            return name, model, open_model(content, name, source, threads=threads)
        except BackendError as error:
            if backend is not None:
                raise
            logger.warning("skipping the %s backend: %s", name, error)
            failed.append(f"{name}: {error.problem}")
    if failed:
        raise BackendError(
            f"no backend can open it ({' / '.join(failed)})",
            "`ser-edge doctor` shows how to repair each of them",
            bundle.folder,
        )
    extras = " or ".join(f"'ser-edge[{INTERPRETERS[name].extra}]'" for name in candidates)
    raise BackendError(
        f"needs {' or '.join(candidates)}, and none is usable here",
        f"pip install {extras}, or export a bundle with .npz, which needs NumPy alone",
        bundle.folder,
    )


def model_for(bundle: Bundle, backend: str, precision: str | None = None) -> ModelFile | None:
    """Return the file of a bundle that a backend runs, or None if there is none.

    Examples
    --------
    >>> model_for(Bundle.open("bundle"), "tflite").file  # doctest: +SKIP
    'model.float32.tflite'
    """
    interpreter = INTERPRETERS[backend]
    for wanted in [precision] if precision else interpreter.precisions:
        model = bundle.model(interpreter.suffix, wanted)
        if model is not None:
            return model
    return None
