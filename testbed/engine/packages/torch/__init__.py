"""A stand-in for PyTorch, for code that imports it and never computes with it.

It holds the names that ``dynamo.trtllm`` and ``safetensors.torch`` look up while they are
imported. A call that would need a tensor fails and says why.
"""

from __future__ import annotations

from typing import Any

from . import cuda, nn

__version__ = "0.0.0+standin"

__all__ = ["Tensor", "cuda", "device", "dtype", "nn"]


class dtype:  # noqa: N801 - torch's own name
    """A number format, by name only."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"


class device:  # noqa: N801 - torch's own name
    """A place for tensors, by name only."""

    def __init__(self, kind: str = "cpu", index: int | None = None) -> None:
        self.type, self.index = kind, index


class Tensor:
    """No tensor can be made here."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError(_refusal("Tensor"))


_DTYPES = """
    bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 bfloat16
    complex64 complex128 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu
    float4_e2m1fn_x2 qint8 qint32 quint4x2
""".split()
_SHORT_NAMES = {"half": "float16", "float": "float32", "double": "float64", "int": "int32"}

globals().update({name: dtype(name) for name in _DTYPES})
globals().update({short: globals()[name] for short, name in _SHORT_NAMES.items()})


def _refusal(name: str) -> str:
    return f"torch.{name}: this is a stand-in for PyTorch that cannot compute (emulated engine)"


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(_refusal(name))
