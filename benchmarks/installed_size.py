"""How large is an installation with each interpreter, and one of a notebook's libraries?

Builds the wheel and lets pip install it with its dependencies into empty folders, with the versions
of constraints.txt. Sizes are sums of file sizes, with the bytecode that pip writes, without pip.

python benchmarks/installed_size.py

writes ``results/installed_size.json``.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measuring import results

NOTEBOOK = "librosa + Keras + TensorFlow"


def packages(wheel: Path) -> dict[str, list[str]]:
    """Return pip's arguments for each installation."""
    runtime = "NumPy + ser-edge"
    found = {
        "ser-edge alone": ["--no-deps", str(wheel)],
        runtime: [str(wheel)],
        f"{runtime} + LiteRT": [f"{wheel}[litert]"],
        f"{runtime} + ONNX Runtime": [f"{wheel}[onnx]"],
    }
    if sys.version_info < (3, 12):
        found[f"{runtime} + tflite-runtime"] = [f"{wheel}[tflite]"]
    else:
        print("tflite-runtime: left out, no wheel for this Python; use 3.10 or 3.11")
    tensorflow = "tensorflow-cpu" if platform.machine() == "x86_64" else "tensorflow"
    found[NOTEBOOK] = ["librosa", "keras", tensorflow]
    return found


def run_module(*words: object) -> None:
    """Run a module with this Python; exit with its output if it fails."""
    command = [sys.executable, "-m", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def installed(arguments: list[str]) -> dict[str, Any]:
    """Install into an empty folder and measure it."""
    with TemporaryDirectory() as folder:
        constraints = results.ROOT / "constraints.txt"
        run_module("pip", "install", "--target", folder, "--constraint", constraints, *arguments)
        sizes = [path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()]
        held = sorted(f"{d.name} {d.version}" for d in distributions(path=[folder]))
    return {"mb": round(sum(sizes) / 1e6, 2), "files": len(sizes), "packages": held}


def main() -> None:
    """Measure, print a table and write the figures."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    sizes = {}
    with TemporaryDirectory() as folder:
        run_module("build", "--wheel", "--no-isolation", "--outdir", folder, results.ROOT)
        (wheel,) = Path(folder).glob("*.whl")
        for name, arguments in packages(wheel).items():
            sizes[name] = installed(arguments)
            print(f"{name:<34} {sizes[name]['mb']:8.1f} MB {sizes[name]['files']:7} files")
    print(results.write("installed_size", {"sizes": sizes}))


if __name__ == "__main__":
    main()
