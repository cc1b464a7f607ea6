"""Which interpreter runs which file of a bundle: the one place where that is decided.

The backends are tried in the order of `ser_edge.backends.INTERPRETERS`: ``litert``, ``tflite``,
``onnx``, ``numeric``. The first that is installed, for which the bundle has a file and which opens
it, is taken; of several files it takes the precision that is fastest in it. One that is installed
and does not load, or refuses the file, is passed over with a warning. A backend or precision that
was asked for is taken or refused, never replaced.
"""

from __future__ import annotations

import logging

from ser_edge.backends import INTERPRETERS, Backend, open_model
from ser_edge.bundle import Bundle
from ser_edge.errors import BackendError
from ser_edge.manifest import ModelFile

logger = logging.getLogger(__name__)


def open_bundle(
    bundle: Bundle, *, backend: str | None = None, precision: str | None = None, threads: int = 1
) -> tuple[str, ModelFile, Backend]:
    """Open the file of a bundle that suits this device.

    Parameters
    ----------
    bundle : Bundle
        The exported folder.
    backend : str, optional
        A key of `INTERPRETERS`, the only one to be tried.
    precision : str, optional
        One of `ser_edge.manifest.PRECISIONS`, the only form of the network to be tried.
    threads : int > 0
        Threads that one inference may use.

    Returns
    -------
    name : str
        The backend.
    model : ModelFile
        The file that it runs.
    opened : Backend

    Raises
    ------
    BackendError
        If the bundle has no such file, or no interpreter that can run one works here.
    BundleError
        If the file is damaged.
    """
    names = [backend] if backend else list(INTERPRETERS)
    models = {name: model_for(bundle, name, precision) for name in names}
    fitting = {name: model for name, model in models.items() if model is not None}
    if not fitting:
        held = ", ".join(model.file for model in bundle.manifest.models)
        raise BackendError(
            f"{bundle.folder}: holds no {precision or 'model'} file for {' or '.join(names)}, only "
            f"{held}; choose another --backend or --precision, or export again"
        )
    failed = []
    for name, model in fitting.items():
        if backend is None and not INTERPRETERS[name].usable:
            continue
        path = bundle.verified(model)
        try:
            return name, model, open_model(path, name, threads=threads)
        except BackendError as error:
            if backend is not None:
                raise
            logger.warning("the %s backend is passed over: %s", name, error)
            failed.append(f"{name}: {error}")
    if failed:
        raise BackendError(
            f"{bundle.folder}: no backend opens it ({' / '.join(failed)}); `ser-edge doctor` says "
            "what would mend each"
        )
    extras = " or ".join(f"'ser-edge[{INTERPRETERS[name].extra}]'" for name in fitting)
    raise BackendError(
        f"{bundle.folder}: needs an interpreter, {' or '.join(fitting)}, and none is usable here; "
        f"pip install {extras}, or export a bundle with .npz, which NumPy alone runs"
    )


def model_for(bundle: Bundle, backend: str, precision: str | None = None) -> ModelFile | None:
    """Return the file of a bundle that a backend would run, or None where there is none.

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
