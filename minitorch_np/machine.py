"""The machine: the cores that this process may use, and the library for matrix products.

NumPy uses a BLAS library for matrix products, usually OpenBLAS, which has kernels for many
processors and selects them by a list of processor names. On a processor newer than its list it may
select old ones: on AMD processors with AVX-512, those of Haswell, which use half of the registers'
width. The variable OPENBLAS_CORETYPE overrides the selection. Like the number of threads it is read
once, when NumPy is imported.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minitorch_np.arrays import BLAS_THREADS

CORETYPE = "OPENBLAS_CORETYPE"
"""The environment variable with the name of OpenBLAS's kernels."""

AVX512 = frozenset({"avx512f", "avx512cd", "avx512dq", "avx512bw", "avx512vl"})
"""The features needed for SKYLAKEX. Kernels that a processor can't run end the process."""

KERNELS = {
    "HASWELL": frozenset({"avx2", "fma"}),
    "ZEN": frozenset({"avx2", "fma"}),
    "SKYLAKEX": AVX512,
    "COOPERLAKE": AVX512 | {"avx512_bf16"},
    "SAPPHIRERAPIDS": AVX512 | {"avx512_bf16", "amx_tile"},
}
"""Kernels of OpenBLAS for x86-64, and the features that they need."""

WIDE = frozenset({"skylakex", "cooperlake", "sapphirerapids"})
"""OpenBLAS's own names of the kernels that use AVX-512."""


class Blas(NamedTuple):
    """The library behind NumPy's products; `kernels` and `threads` are None if unknown."""

    name: str
    version: str
    kernels: str | None
    threads: int | None


def cores(process: str = "/proc/self", groups: str = "/sys/fs/cgroup") -> int:
    """The number of cores that this process may use, by its affinity and the cgroup's limits."""
    if hasattr(os, "sched_getaffinity"):
        found = len(os.sched_getaffinity(0))
    else:
        found = os.cpu_count() or 1
    limit = cgroup_limit(process, groups)
    return found if limit is None else max(1, min(found, int(limit)))


def cgroup_limit(process: str = "/proc/self", groups: str = "/sys/fs/cgroup") -> float | None:
    """The number of cores allowed by the cgroups of a container; None without a limit.

    Version 2 has one tree of groups, with cpu.max ("200000 100000": 2 cores) in each; version 1 has
    a tree for the CPU, with cpu.cfs_quota_us and cpu.cfs_period_us. The smallest limit of a group
    and its ancestors applies.
    """
    limits: list[float] = []
    for line in _lines(f"{process}/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        trees = (groups,) if number == "0" else (f"{groups}/cpu", f"{groups}/{controllers}")
        parts = [part for part in path.split("/") if part and part != ".."]
        for tree in trees:
            for depth in range(len(parts) + 1):
                limits += _limits("/".join([tree, *parts[:depth]]))
    return min(limits, default=None)


def _limits(folder: str) -> list[float]:
    """The limit of one group as a list, empty if it has none."""
    words = " ".join(_lines(f"{folder}/cpu.max")).split()
    if not words:
        of_version_1 = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        words = [word for name in of_version_1 for word in _lines(f"{folder}/{name}")]
    if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]):
        return [int(words[0]) / int(words[1])]
    return []  # "max", or -1


def _lines(path: str) -> list[str]:
    try:
        with open(path) as file:
            return file.read().splitlines()
    except OSError:
        return []


@functools.cache
def processor() -> tuple[str, frozenset[str]]:
    """The processor's name and its features, as far as the system reports them."""
    name, features = platform.processor() or platform.machine(), frozenset[str]()
    for line in _lines("/proc/cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() in ("flags", "Features"):
            features = frozenset(value.split())
            break
    return name, features


def blas() -> Blas:
    """The library that NumPy uses, with its version, kernels and threads."""
    built: Any = np.show_config(mode="dicts")  # type: ignore[call-arg,func-returns-value,unused-ignore]
    about = built.get("Build Dependencies", {}).get("blas", {})
    name, version = str(about.get("name", "unknown")), str(about.get("version", "unknown"))
    library = _openblas()
    if library is None:
        return Blas(name, version, None, None)
    return Blas(name, version, _said(library, "get_corename"), _said(library, "get_num_threads"))


@functools.cache
def _openblas() -> Any:
    """The OpenBLAS that is loaded into this process, if any."""
    paths = {line.split()[-1] for line in _lines("/proc/self/maps") if "openblas" in line}
    for path in sorted(paths, key=lambda path: "numpy" not in path):
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    return None


def _said(library: Any, name: str) -> Any:
    """What a function of OpenBLAS returns; its name differs from build to build."""
    for prefix in ("scipy_openblas_", "openblas_"):
        for suffix in ("64_", "", "_", "_64_"):
            function = getattr(library, f"{prefix}{name}{suffix}", None)
            if function is not None:
                text = name == "get_corename"
                function.restype = ctypes.c_char_p if text else ctypes.c_int
                found = function()
                return found.decode() if text else found
    return None


def kernels_to_try() -> list[str]:
    """The kernels that this processor can run, if the library is OpenBLAS."""
    if _openblas() is None or platform.machine() not in ("x86_64", "AMD64"):
        return []
    return [name for name, needed in KERNELS.items() if needed <= processor()[1]]


def best_setting(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Environment variables that are known to speed up products on this processor, except those
    set by the user.

    One case is known: a processor with AVX-512 for which OpenBLAS has selected other kernels.
    """
    if CORETYPE in environment or "SKYLAKEX" not in kernels_to_try():
        return {}
    kernels = blas().kernels
    return {} if kernels is None or kernels.lower() in WIDE else {CORETYPE: "SKYLAKEX"}


def memory_allocator() -> str:
    """The C library, whose allocator NumPy uses, and the settings of the allocator."""
    name, version = platform.libc_ver()
    told = [f"{k}={os.environ[k]}" for k in ("LD_PRELOAD", *MALLOC) if k in os.environ]
    return ", ".join([f"{name or 'unknown'} {version}".strip(), *told])


MALLOC = {"MALLOC_TRIM_THRESHOLD_": "536870912", "MALLOC_MMAP_THRESHOLD_": "536870912"}
"""Variables that keep glibc from returning freed arrays of up to 512 MB to the system."""


def threads_setting(threads: int) -> dict[str, str]:
    """The variables that make BLAS libraries use that many threads."""
    return dict.fromkeys(BLAS_THREADS, str(threads))
