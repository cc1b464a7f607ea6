"""The devices: a processor, a Debian release, and the interpreters available for them."""

from __future__ import annotations

from dataclasses import dataclass

_LAUNCHER = """\
#!/bin/sh
# Stands for the device's Python; child processes that run `sys.executable` come here too.
export QEMU_CPU={cpu} QEMU_LD_PREFIX="{root}" PYTHONHOME="{root}/usr"
export QEMU_SET_ENV=LD_LIBRARY_PATH="{libraries}"
exec {emulator} $EMULATOR_OPTIONS -0 "${{ARGV0:-$0}}" "{root}/usr/bin/python{python}" "$@"
"""
# ONNX Runtime and XNNPACK read this to detect the processor; they die without it.
_CPUINFO = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: {generation}
CPU variant\t: 0x0
CPU part\t: {part}
CPU revision\t: 3

"""


@dataclass(frozen=True)
class Processor:
    """An instruction set, and a processor with it.

    Parameters
    ----------
    architecture, triplet : str
        Debian's name of it, and of its library folder.
    wheels : str
        Its name in wheels.
    emulator, cpu : str
        The emulator's program and its CPU model; with ``max``, QEMU 7.2 computes LiteRT's int8
        wrongly.
    cpuinfo : str
        Text of ``/proc/cpuinfo``.
    """

    architecture: str
    triplet: str
    wheels: str
    emulator: str
    cpu: str
    cpuinfo: str


ARM64 = Processor(
    "arm64",
    "aarch64-linux-gnu",
    "aarch64",
    "qemu-aarch64",
    "cortex-a72",  # Raspberry Pi 4
    _CPUINFO.format(features="fp asimd evtstrm crc32 cpuid", generation=8, part="0xd08"),
)
ARMHF = Processor(
    "armhf",
    "arm-linux-gnueabihf",
    "armv7l",
    "qemu-arm",
    "cortex-a7",  # Raspberry Pi 2
    _CPUINFO.format(
        features="half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae",
        generation=7,
        part="0xc07",
    ),
)


@dataclass(frozen=True)
class Device:
    """A device and its software.

    Parameters
    ----------
    processor : Processor
    suite : str
        Debian release, on which Raspberry Pi OS is based.
    python : str
        Version of Python.
    glibc : int
        Minor version of glibc 2.
    interpreters : tuple of str
        Extras of ser-edge.
    debian : tuple of str
        Other packages from Debian; NumPy if it has no wheels.
    """

    processor: Processor
    suite: str
    python: str
    glibc: int
    interpreters: tuple[str, ...]
    debian: tuple[str, ...] = ()

    @property
    def numpy_from_debian(self) -> bool:
        """Whether NumPy comes from Debian."""
        return "python3-numpy" in self.debian

    @property
    def packages(self) -> tuple[str, ...]:
        """All packages from Debian."""
        python = (f"python{self.python}-minimal", f"libpython{self.python}-stdlib")
        return *python, "python3-pip-whl", "libstdc++6", "libgomp1", *self.debian

    @property
    def platforms(self) -> tuple[str, ...]:
        """Platform tags of compatible wheels, for ``pip download``."""
        tags = [
            f"manylinux_2_{minor}_{self.processor.wheels}" for minor in range(self.glibc, 16, -1)
        ]
        return *tags, f"manylinux2014_{self.processor.wheels}", f"linux_{self.processor.wheels}"

    def launcher(self, root: str) -> str:
        """Return the script that runs the device's Python in ``root``."""
        libraries = f"{root}/usr/lib/{self.processor.triplet}"
        # On Debian, "alternatives" link these from the folder above; nothing sets them here.
        folders = [f"{libraries}/{name}" for name in ("openblas-pthread", "blas", "lapack")]
        return _LAUNCHER.format(
            cpu=self.processor.cpu,
            emulator=self.processor.emulator,
            root=root,
            python=self.python,
            libraries=":".join(folders),
        )


# NumPy and the tests' audio packages have no wheels for 32-bit ARM.
_NO_WHEELS = ("python3-numpy", "libsndfile1", "python3-cffi-backend")

DEVICES = {
    "arm64-bookworm": Device(ARM64, "bookworm", "3.11", 36, ("litert", "tflite", "onnx")),
    "arm64-trixie": Device(ARM64, "trixie", "3.13", 41, ("litert", "onnx")),
    "armhf-bookworm": Device(ARMHF, "bookworm", "3.11", 36, ("tflite",), _NO_WHEELS),
    "armhf-trixie": Device(ARMHF, "trixie", "3.13", 41, (), _NO_WHEELS),
}
"""By name."""
