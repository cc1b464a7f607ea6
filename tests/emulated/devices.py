"""The devices: a processor, a Debian, and the interpreters that there are for them."""

from __future__ import annotations

from dataclasses import dataclass

_LAUNCHER = """\
#!/bin/sh
# Runs the device's Python as if this file were it; a child that runs `sys.executable` comes here.
export QEMU_CPU={cpu} QEMU_LD_PREFIX="{root}" PYTHONHOME="{root}/usr"
export QEMU_SET_ENV=LD_LIBRARY_PATH="{libraries}"
exec {emulator} $EMULATOR_OPTIONS -0 "${{ARGV0:-$0}}" "{root}/usr/bin/python{python}" "$@"
"""
# What ONNX Runtime and XNNPACK read to learn which processor they run on; they die without.
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
    """An instruction set, and a processor that has it.

    Parameters
    ----------
    architecture, triplet : str
        What Debian calls it, and its libraries' folder.
    wheels : str
        What it is in the name of a wheel.
    emulator, cpu : str
        The emulator's program, and the model that it is to be: with ``max``, QEMU 7.2 computes
        LiteRT's int8 wrongly.
    cpuinfo : str
        The text of ``/proc/cpuinfo``.
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
    """What a device has, and what is installed there.

    Parameters
    ----------
    processor : Processor
    suite : str
        Of Debian, as is Raspberry Pi OS.
    python : str
        Its Python.
    glibc : int
        Its C library is version 2 and this.
    interpreters : tuple of str
        Extras of ser-edge.
    debian : tuple of str
        What else comes from Debian; NumPy where it has no wheels.
    """

    processor: Processor
    suite: str
    python: str
    glibc: int
    interpreters: tuple[str, ...]
    debian: tuple[str, ...] = ()

    @property
    def numpy_from_debian(self) -> bool:
        """Whether Debian's NumPy is the only one."""
        return "python3-numpy" in self.debian

    @property
    def packages(self) -> tuple[str, ...]:
        """What is taken from Debian."""
        python = (f"python{self.python}-minimal", f"libpython{self.python}-stdlib")
        return *python, "python3-pip-whl", "libstdc++6", "libgomp1", *self.debian

    @property
    def platforms(self) -> tuple[str, ...]:
        """Wheels' platforms that go with the processor and the C library, for ``pip download``."""
        tags = [
            f"manylinux_2_{minor}_{self.processor.wheels}" for minor in range(self.glibc, 16, -1)
        ]
        return *tags, f"manylinux2014_{self.processor.wheels}", f"linux_{self.processor.wheels}"

    def launcher(self, root: str) -> str:
        """Return the script that runs the device's Python, whose files are in ``root``."""
        libraries = f"{root}/usr/lib/{self.processor.triplet}"
        # Debian links them from the folder above by its alternatives, which nobody sets here.
        folders = [f"{libraries}/{name}" for name in ("openblas-pthread", "blas", "lapack")]
        return _LAUNCHER.format(
            cpu=self.processor.cpu,
            emulator=self.processor.emulator,
            root=root,
            python=self.python,
            libraries=":".join(folders),
        )


# Of NumPy and of what the tests read sound with there are none for 32-bit ARM.
_NO_WHEELS = ("python3-numpy", "libsndfile1", "python3-cffi-backend")

DEVICES = {
    "arm64-bookworm": Device(ARM64, "bookworm", "3.11", 36, ("litert", "tflite", "onnx")),
    "arm64-trixie": Device(ARM64, "trixie", "3.13", 41, ("litert", "onnx")),
    "armhf-bookworm": Device(ARMHF, "bookworm", "3.11", 36, ("tflite",), _NO_WHEELS),
    "armhf-trixie": Device(ARMHF, "trixie", "3.13", 41, (), _NO_WHEELS),
}
"""By name."""
