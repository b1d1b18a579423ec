"""Intel Open Image Denoise, called through the library inside the PyPI package `oidn`.

`denoise` takes away the path tracer's noise, guided by noise-free colour and normal maps.
It is only the few calls needed here, not a binding. Not run by itself.
"""

from __future__ import annotations

import ctypes
import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
from shapes import Field

FLOAT3 = 3


@lru_cache(maxsize=1)
def library() -> tuple[ctypes.CDLL, ctypes.c_void_p]:
    """Load the library with its own threading library and open a CPU device."""
    spec = importlib.util.find_spec("oidn")
    if spec is None or spec.origin is None:
        raise ImportError("the PyPI package 'oidn' is needed to render the sample pictures")
    folder = Path(spec.origin).parent / "lib.linux.x64"
    ctypes.CDLL(str(next(folder.glob("libtbb*"))), mode=ctypes.RTLD_GLOBAL)
    lib = ctypes.CDLL(str(next(folder.glob("libOpenImageDenoise*"))))
    for name in ("oidnNewDevice", "oidnNewFilter"):
        getattr(lib, name).restype = ctypes.c_void_p
    device = ctypes.c_void_p(lib.oidnNewDevice(1))
    lib.oidnCommitDevice(device)
    return lib, device


def denoise(colour: Field, albedo: Field, normal: Field) -> Field:
    """Denoise a linear picture; all arrays are rows x columns x 3."""
    lib, device = library()
    handle = ctypes.c_void_p(lib.oidnNewFilter(device, b"RT"))
    arrays = {"color": colour, "albedo": albedo, "normal": normal, "output": np.zeros_like(colour)}
    arrays = {name: np.ascontiguousarray(a, np.float32) for name, a in arrays.items()}
    rows, cols = colour.shape[:2]
    for name, a in arrays.items():
        lib.oidnSetSharedFilterImage(
            handle,
            name.encode(),
            ctypes.c_void_p(a.ctypes.data),
            FLOAT3,
            ctypes.c_size_t(cols),
            ctypes.c_size_t(rows),
            ctypes.c_size_t(0),
            ctypes.c_size_t(0),
            ctypes.c_size_t(0),
        )
    for name in (b"hdr", b"cleanAux"):
        lib.oidnSetFilter1b(handle, name, ctypes.c_bool(True))
    lib.oidnCommitFilter(handle)
    lib.oidnExecuteFilter(handle)
    lib.oidnReleaseFilter(handle)
    return arrays["output"]
