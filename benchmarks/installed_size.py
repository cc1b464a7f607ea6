"""How much room the runtime takes with each interpreter, and the libraries of the notebook's way.

Builds the wheel and lets pip install it, with all that it needs, into folders that hold nothing
else; pip itself is not counted. Versions are those of constraints.txt for this Python. Sizes are
the sums of the files' lengths, with the bytecode that pip writes.

python benchmarks/installed_size.py
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "size.json"
NOTEBOOK = "librosa + Keras + TensorFlow"


def wanted(wheel: Path) -> dict[str, list[str]]:
    """Return what pip is asked for, by name."""
    runtime = "NumPy + ser-edge"
    packages = {
        "ser-edge alone": ["--no-deps", str(wheel)],
        runtime: [str(wheel)],
        f"{runtime} + LiteRT": [f"{wheel}[litert]"],
        f"{runtime} + ONNX Runtime": [f"{wheel}[onnx]"],
    }
    if sys.version_info < (3, 12):
        packages[f"{runtime} + tflite-runtime"] = [f"{wheel}[tflite]"]
    else:
        print("tflite-runtime: left out, it has no wheel for this Python; run it in 3.10 or 3.11")
    tensorflow = "tensorflow-cpu" if platform.machine() == "x86_64" else "tensorflow"
    packages[NOTEBOOK] = ["librosa", "keras", tensorflow]
    return packages


def run_module(*words: object) -> None:
    """Run a module of this Python, and end with what it says where it fails."""
    command = [sys.executable, "-m", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def installed(packages: list[str]) -> dict[str, Any]:
    """Install packages into an empty folder and count what lies there."""
    with TemporaryDirectory() as folder:
        constraints = ROOT / "constraints.txt"
        run_module("pip", "install", "--target", folder, "--constraint", constraints, *packages)
        sizes = [path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()]
        held = sorted(f"{d.name} {d.version}" for d in distributions(path=[folder]))
    return {"mb": round(sum(sizes) / 1e6, 2), "files": len(sizes), "packages": held}


def main() -> None:
    """Measure, print a table and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    sizes = {}
    with TemporaryDirectory() as folder:
        run_module("build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
        (wheel,) = Path(folder).glob("*.whl")
        for name, packages in wanted(wheel).items():
            sizes[name] = installed(packages)
            print(f"{name:<34} {sizes[name]['mb']:8.1f} MB {sizes[name]['files']:7} files")
    python = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps({"python": python, "sizes": sizes}, indent=1) + "\n")


if __name__ == "__main__":
    main()
