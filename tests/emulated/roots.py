"""A device's files in a folder: unpacked Debian packages, and packages installed by pip.

This needs no root rights, chroot or container: apt downloads packages of another architecture into
a folder, and QEMU runs single programs from there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement
from platformdirs import user_cache_path

from emulated.devices import Device

SOURCE = Path(__file__).parents[2]
PYTHON = "usr/local/bin/python3"
_APT = """\
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "{apt}";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}";
Dir::Etc::sourcelist "{apt}/sources.list";
Dir::Etc::sourceparts "{apt}/none";
"""
_CPU = "sys/devices/system/cpu"


class ImpossibleError(Exception):
    """This machine cannot emulate the device, for the reason in the message."""


def tools(device: Device) -> None:
    """Check that the emulator and Debian's tools are installed.

    Raises
    ------
    ImpossibleError
        If one is missing.
    """
    needed = [device.processor.emulator, "apt-get", "dpkg-deb"]
    if missing := [name for name in needed if not shutil.which(name)]:
        raise ImpossibleError(
            f"no {' and no '.join(missing)}; on Debian: apt-get install qemu-user"
        )


def root_of(name: str, device: Device, wheel: Path) -> Path:
    """Return the folder with a device's files; create it if needed.

    Parameters
    ----------
    name : str
        The device's name.
    device : Device
    wheel : Path
        Wheel of ser-edge, installed with its dependencies.

    Returns
    -------
    root : Path
        ``root / PYTHON`` runs the device's Python.

    Raises
    ------
    ImpossibleError
        If the registries cannot be reached.
    """
    wanted = f"{device}{constraints(device)}{Path(__file__).read_text('utf-8')}"
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:12]
    root = user_cache_path("ser-edge") / "roots" / f"{name}-{digest}"
    if (root / "complete").exists():
        return root
    for older in root.parent.glob(f"{name}-*"):
        shutil.rmtree(older)
    root.mkdir(parents=True)
    _unpack(device, root)
    _pretend(device, root)
    (root / PYTHON).parent.mkdir(parents=True)
    (root / PYTHON).write_text(device.launcher(str(root)), encoding="utf-8")
    (root / PYTHON).chmod(0o755)
    _install(device, root, wheel)
    (root / "complete").touch()
    return root


def _unpack(device: Device, root: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        apt = Path(folder)
        apt.chmod(0o755)
        for part in ("lists/partial", "archives/partial"):
            (apt / part).mkdir(parents=True)
        (apt / "status").touch()
        components = f"http://deb.debian.org/debian {device.suite} main"
        (apt / "sources.list").write_text(f"deb {components}\n")
        config = apt / "apt.conf"
        config.write_text(_APT.format(architecture=device.processor.architecture, apt=apt))
        environment = os.environ | {"APT_CONFIG": str(config)}
        _run(["apt-get", "update", "-q"], environment)
        _run(["apt-get", "install", "-qy", "--download-only", *device.packages], environment)
        for path in sorted((apt / "archives").glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(path), str(root)])
    for name in ("lib", "bin", "sbin"):  # as Debian merges them
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")


def _pretend(device: Device, root: Path) -> None:
    """Add files that only a running system has."""
    for library in root.glob("usr/lib/*/libsndfile.so.1"):  # without ldconfig it would not be found
        library.with_name("libsndfile.so").symlink_to(library.name)
    for path, text in (
        ("proc/cpuinfo", device.processor.cpuinfo),
        *((f"{_CPU}/{name}", "0\n") for name in ("possible", "present", "online")),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="ascii")


def _install(device: Device, root: Path, wheel: Path) -> None:
    """Install as docs/raspberry-pi.md describes for a device without internet."""
    pins = root / "constraints.txt"
    pins.write_text(constraints(device), encoding="utf-8")
    wheels = root / "wheels"
    wheels.mkdir()
    if device.numpy_from_debian:
        shutil.copy(wheel, wheels)
        fetched = ["--no-deps", *(f"{name}-runtime" for name in device.interpreters)]
    else:
        fetched = [_with_extras(wheel, device)]
    if fetched != ["--no-deps"]:
        _for_device(device, "download", "--dest", wheels, "--constraint", pins, *fetched)
    pip_on_device(root, "--find-links", str(wheels), _with_extras(wheel, device))
    # Packages of the tests. Where NumPy is Debian's, so is cffi, and there is no soxr.
    beside = ["pytest", "pytest-xdist", "hypothesis", "tqdm", "typing-extensions"]
    apart = ["--no-deps", "soundfile"]
    if not device.numpy_from_debian:
        beside.append("cffi")
        apart.append("soxr")
    for wanted in (beside, apart):
        target = ("--target", root / "testing", "--upgrade", "--constraint", pins)
        _for_device(device, "install", *target, *wanted)


def pip_on_device(root: Path, *arguments: str) -> None:
    """Install on the device with its own pip, from files alone.

    Raises
    ------
    subprocess.CalledProcessError
        If that fails; the message is on stderr.
    """
    (pip,) = (root / "usr/share/python-wheels").glob("pip-*.whl")
    flags = (
        *("--no-index", "--no-compile", "--break-system-packages", "--disable-pip-version-check"),
        *("--no-warn-script-location", "--root-user-action=ignore"),
    )
    # pip reads the ARM version from the header of the program file, and writes the program's name
    # into the scripts that it installs.
    (program,) = (root / "usr/bin").glob("python3.*")
    command = [str(root / PYTHON), f"{pip}/pip", "install", "-q", *flags, *arguments]
    subprocess.run(command, env=os.environ | {"ARGV0": str(program)}, check=True)
    for script in (root / PYTHON).parent.glob("*"):
        text = script.read_text("utf-8")
        script.write_text(text.replace(f"#!{program}", f"#!{root / PYTHON}"), encoding="utf-8")


def _for_device(device: Device, verb: str, *arguments: object) -> None:
    """Run this machine's pip for the device's platform."""
    platforms = [f"--platform={platform}" for platform in device.platforms]
    flags = [
        "-q",
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={device.python}",
    ]
    pip = [sys.executable, "-m", "pip", verb, "--disable-pip-version-check"]
    _run([*pip, *flags, *platforms, *map(str, arguments)])


def _with_extras(wheel: Path, device: Device) -> str:
    return f"{wheel}[{','.join(device.interpreters)}]" if device.interpreters else str(wheel)


def constraints(device: Device) -> str:
    """Read the constraints that apply to the device's Python.

    Returns
    -------
    text : str
        One ``name==version`` per line.
    """
    python = {"python_version": device.python, "python_full_version": f"{device.python}.0"}
    kept = []
    for line in (SOURCE / "constraints.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            pinned = Requirement(line)
            if pinned.marker is None or pinned.marker.evaluate(python):
                kept.append(f"{pinned.name}{pinned.specifier}\n")
    return "".join(kept)


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise ImpossibleError(f"`{' '.join(command[:3])} …` failed: {' '.join(lines)}")
