"""How one rank loads.

In steps over its set time, taking GPU memory as it goes, saying what it does.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial

from ..logger import logger, say
from . import settings
from .events import Events
from .gpu import GpuMemory, visible_gpus
from .real_gpu import RealGpuMemory
from .rules import Plan, check_mapping, check_moe
from .run_faults import RunFaults
from .shm import ExpertMemory
from .stop_faults import SLOW_GPU, StopFaults
from .survivor import leave_behind
from .transceiver import KvTransceiver
from .world import World

_WEIGHT_STEPS = 4
_MIB = 1024 * 1024
_HANG_S = 3600.0

OnLoaded = Callable[[int, str | None], None]
"""Takes the KV cache's tokens, and where it can be fetched from."""
OnFailed = Callable[[str], None]
Memory = GpuMemory | RealGpuMemory


class RankEngine:
    """The model on one GPU: its memory there, its shared memory on the node, its KV cache."""

    def __init__(self, world: World, events: Events, transceiver: KvTransceiver) -> None:
        self._world = world
        self._events = events
        self._transceiver = transceiver
        self._gpu: Memory | None = None
        self._experts: ExpertMemory | None = None
        self._started = 0.0
        self.faults = StopFaults()
        self.run_faults = RunFaults()

    def load(self, plan: Plan, on_loaded: OnLoaded, on_failed: OnFailed) -> None:
        """Begin to load; one of the two is called later.

        With the KV cache's tokens and address, or with the error.
        """
        steps = self._steps(plan, on_loaded)
        self._started = time.monotonic()

        def guarded(action: Callable[[], None]) -> Callable[[], None]:
            def run() -> None:
                if failed:
                    return
                try:
                    action()
                except Exception as error:  # noqa: BLE001 - the leader is told, whatever it is
                    failed.append(error)
                    told = self._report(error)
                    if not self.run_faults.fail_init_silent:
                        on_failed(told)

            return run

        failed: list[Exception] = []
        try:
            seconds = settings.load_seconds(self._world.rank)
            self.faults = settings.stop_faults(self._world.rank)
            self.run_faults = settings.run_faults(self._world.rank)
        except ValueError as error:
            on_failed(self._report(error))
            return
        for share, action in steps:
            self._events.later(share * seconds, guarded(action))

    def map_neighbours(self) -> None:
        """Map the expert memory of this node's other ranks; all of them have made theirs."""
        if self._experts is not None:
            self._experts.map_neighbours()

    def iterate(self) -> None:
        """Take part in one iteration: nothing is computed, but it may be the one that crashes."""
        while settings.run_faults(self._world.rank).hang:
            time.sleep(_HANG_S)
        if settings.run_faults(self._world.rank).crash:
            logger.error("CUDA error: an illegal memory access was encountered")
            logger.error("Forcing process exit after fatal TRT-LLM engine error.")
            os._exit(1)

    def unload(self) -> None:
        """Give everything back, in order, but for what this rank is to do wrong."""
        if self.faults != StopFaults() and self._gpu is not None:
            logger.warning(f"{settings.STOP}: {self.faults}")
        while self.faults.hang:
            time.sleep(_HANG_S)
        self._transceiver.close()
        if self._experts is not None:
            self._experts.close(keep_files=self.faults.keep_shm)
            self._experts = None
        if self._gpu is not None:
            self._give_back(self._gpu)
            self._gpu = None

    def _give_back(self, gpu: Memory) -> None:
        if self.faults.keep_gpu or self.faults.keep_gpu_unmarked:
            leave_behind(gpu.descriptors, {} if self.faults.keep_gpu_unmarked else os.environ)
            gpu.abandon()
        else:
            gpu.release(back_s=self.faults.gpu_back_s)

    def _steps(self, plan: Plan, on_loaded: OnLoaded) -> list[tuple[float, Callable[[], None]]]:
        weights_mib = -(-plan["weights_mib"] // self._world.size)
        steps: list[tuple[float, Callable[[], None]]] = [
            (0.0, partial(self._prepare, plan, weights_mib)),
            *(
                (0.9 * step / _WEIGHT_STEPS, partial(self._weights, step, weights_mib))
                for step in range(1, _WEIGHT_STEPS + 1)
            ),
        ]
        if plan["online_layers"]:
            steps.append((0.95, lambda: self._share_experts(plan["online_layers"])))
        steps.append((1.0, lambda: self._finish(plan, on_loaded)))
        return steps

    def _prepare(self, plan: Plan, weights_mib: int) -> None:
        check_mapping(plan)
        if self.run_faults.fail_init or self.run_faults.fail_init_silent:
            raise RuntimeError("CUDA error: invalid device ordinal")
        gpus = visible_gpus()
        if not gpus:
            raise RuntimeError("Found no NVIDIA driver on your system.")
        gpu = gpus[self._world.rank % len(gpus)]
        if gpu.real and self.faults.gpu_back_s:
            raise ValueError(f"{settings.STOP}: {SLOW_GPU} needs an emulated GPU")
        self._gpu = RealGpuMemory(gpu) if gpu.real else GpuMemory(gpu)
        self._gpu.open_context()
        check_moe(plan)
        logger.info(f"Use {weights_mib / 1024:.2f} GB for model weights.")

    def _weights(self, step: int, weights_mib: int) -> None:
        share = weights_mib * step // _WEIGHT_STEPS - weights_mib * (step - 1) // _WEIGHT_STEPS
        self._taken().allocate(share)
        done = step / _WEIGHT_STEPS
        bar = ("█" * round(10 * done)).ljust(10)
        say(
            f"Loading weights: {done:4.0%}|{bar}| [{time.monotonic() - self._started:05.2f}s]\n",
            sys.stderr,
        )

    def _share_experts(self, layers: int) -> None:
        logger.info(f"moe_load_balancer finalizing model... {layers} layers in host shared memory")
        self._experts = ExpertMemory(
            layers, local_rank=self._world.local_rank, local_size=self._world.local_size
        )
        self._experts.create()

    def _finish(self, plan: Plan, on_loaded: OnLoaded) -> None:
        say(f"Model init total -- {time.monotonic() - self._started:.2f}s\n")
        gpu = self._taken()
        kv_mib = int(gpu.free_mib() * plan["kv_fraction"])
        tokens = kv_mib * _MIB // plan["kv_bytes_per_token"]
        if plan["kv_max_tokens"] and plan["kv_max_tokens"] < tokens:
            tokens = plan["kv_max_tokens"]
            kv_mib = -(-tokens * plan["kv_bytes_per_token"] // _MIB)
        gpu.allocate(kv_mib)
        say(
            f"[TensorRT-LLM][INFO] [MemUsageChange] Allocated {kv_mib / 1024:.2f} GiB "
            f"for max tokens in paged KV cache ({tokens}).\n"
        )
        address = self._transceiver.open(plan)
        if address is not None:
            logger.info(
                f"KV cache transceiver ({plan['transceiver']['backend']}) listens on {address}"
            )
        on_loaded(tokens, address)

    def _taken(self) -> Memory:
        if self._gpu is None:
            raise RuntimeError("no GPU was taken yet")
        return self._gpu

    def _report(self, error: Exception) -> str:
        logger.error(f"Failed to initialize executor on rank {self._world.rank}: {error}")
        logger.error("".join(traceback.format_exception(error)))
        return f"{type(error).__name__}: {error}"
