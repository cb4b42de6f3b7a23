"""Expert weights in shared memory, as online expert load balancing keeps them.

One file per MoE layer and local rank, ``<prefix>_l<layer>_lr<local rank>_all`` in /dev/shm: made
by its rank, mapped by all ranks of the node, removed by its rank in an orderly shutdown and only
then.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from ..logger import logger

FOLDER = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory lives
PREFIX_VARIABLE = "TRTLLM_EPLB_SHM_NAME"
_BYTES_PER_FILE = mmap.PAGESIZE
"""The real ones hold a layer's experts, gigabytes per node; here a page stands for them."""


class ExpertMemory:
    """The shared memory of one rank."""

    def __init__(
        self, layers: int, *, local_rank: int, local_size: int, folder: Path = FOLDER
    ) -> None:
        self._layers = layers
        self._local_rank = local_rank
        self._local_size = local_size
        self._folder = folder
        self._prefix = os.environ.get(PREFIX_VARIABLE) or "moe_shared"
        self._maps: list[mmap.mmap] = []
        self._own: list[Path] = []

    def create(self) -> None:
        """Make and map this rank's files.

        Files left by somebody are removed first, with a warning each.
        """
        for layer in range(self._layers):
            path = self._path(layer, self._local_rank)
            if path.exists():
                # TensorRT-LLM pull request 7377 (1.1) and 7433 (1.0.x); before, FileExistsError.
                logger.warning(f"Found exist EPLB shared memory name: {path.name}, unlinking...")
                path.unlink()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.ftruncate(descriptor, _BYTES_PER_FILE)
                self._own.append(path)
                self._map(descriptor, write=True)
            finally:
                os.close(descriptor)

    def map_neighbours(self) -> None:
        """Map the files of the other ranks of this node.

        Raise FileNotFoundError when one is missing.
        """
        for layer in range(self._layers):
            for local_rank in set(range(self._local_size)) - {self._local_rank}:
                descriptor = os.open(self._path(layer, local_rank), os.O_RDWR)
                try:
                    self._map(descriptor, write=False)
                finally:
                    os.close(descriptor)

    def close(self, *, keep_files: bool = False) -> None:
        """Unmap everything and remove this rank's own files, unless they are to be left."""
        for mapped in self._maps:
            mapped.close()
        self._maps.clear()
        for path in [] if keep_files else self._own:
            path.unlink(missing_ok=True)
        self._own.clear()

    def _path(self, layer: int, local_rank: int) -> Path:
        return self._folder / f"{self._prefix}_l{layer}_lr{local_rank}_all"

    def _map(self, descriptor: int, *, write: bool) -> None:
        mapped = mmap.mmap(descriptor, _BYTES_PER_FILE)
        if write:  # touch it: a full /dev/shm is a bus error here as there
            mapped[0] = 1
        self._maps.append(mapped)
