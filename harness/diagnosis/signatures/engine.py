"""Words of TensorRT-LLM, CUDA and what else speaks in a rank."""

from __future__ import annotations

from harness.diagnosis.facts import Layer, Weight
from harness.diagnosis.signature import Signature
from harness.diagnosis.signatures.holds import CUDA, LEADER_LOG, TRTLLM
from harness.errors import VerdictClass

ENGINE_ROWS = (
    Signature(
        "gpu-out-of-memory",
        r"CUDA out of memory|CUDA error: out of memory|cudaErrorMemoryAllocation|OutOfMemoryError",
        CUDA,
        Layer.ENGINE,
        VerdictClass.FAIL,
        "a rank found too little free memory on its GPU",
        isnt="by itself no sign of too large a model: look who holds the memory first",
        advice="see the snapshots of the nodes, before and after: who holds GPU memory there",
    ),
    Signature(
        "cuda-no-device",
        r"invalid device ordinal|no CUDA-capable device|CUDA_ERROR_NO_DEVICE|"
        r"Found no NVIDIA driver",
        CUDA,
        Layer.ENGINE,
        VerdictClass.FAIL,
        "a rank does not find the GPU that it was given",
        isnt=LEADER_LOG,
        advice="compare CUDA_VISIBLE_DEVICES of that rank with `nvidia-smi -L` on its node",
        fatal=True,
    ),
    Signature(
        "cuda-fatal",
        r"an illegal memory access was encountered|cudaErrorIllegalAddress|"
        r"device-side assert triggered|unspecified launch failure|misaligned address|"
        r"an illegal instruction was encountered",
        CUDA,
        Layer.ENGINE,
        VerdictClass.FAIL,
        "a kernel broke the CUDA context of a rank, which cannot be used any more",
        isnt="a fault of the fabric, which the other ranks report next",
        advice="look for an Xid in that node's kernel log; run again with CUDA_LAUNCH_BLOCKING=1",
        fatal=True,
    ),
    Signature(
        "gpu-hardware",
        r"uncorrectable ECC error|CUDA_ERROR_ECC_UNCORRECTABLE|GPU has fallen off the bus|"
        r"\bXid\b.*: (?:48|63|64|74|79|94|95)\b",
        CUDA,
        Layer.NODE,
        VerdictClass.INFRA,
        "a GPU has failed",
        isnt="a crash of the product",
        advice="drain the node and have the GPU reset or replaced",
        fatal=True,
    ),
    Signature(
        "nvlink-domain",
        r"cuMemImportFromShareableHandle failed|CUDA_ERROR_NOT_PERMITTED|"
        r"NVLinkOneSided not available",
        CUDA,
        Layer.NODE,
        VerdictClass.INFRA,
        "ranks cannot share memory over NVLink: nodes of several domains, or no IMEX channel",
        isnt="a bug of NCCL, or a matter of file permissions",
        advice="ask for one NVLink domain (--segment), and see /dev/nvidia-caps-imex-channels",
    ),
    Signature(
        "bus-error",
        r"Caught signal 7 \(Bus error|nonexistent physical address|\bBus error\b",
        "UCX 1.14 to 1.19",
        Layer.ENGINE,
        VerdictClass.CONFIG,
        "shared memory was too small for what a rank mapped there",
        isnt="a segmentation fault of the engine",
        advice="see free /dev/shm in the baseline; the expert weights need room on every node",
    ),
    Signature(
        "segfault",
        r"Caught signal 11 |Segmentation fault",
        "every release",
        Layer.ENGINE,
        VerdictClass.FAIL,
        "a rank crashed in native code",
        isnt="a fault of the peers that lose their connection to it",
        advice="the lines before it have the stack",
        fatal=True,
    ),
    Signature(
        "config-key",
        r"Extra inputs are not permitted|validation errors? for \w*(?:Args|Config)",
        TRTLLM,
        Layer.ENGINE,
        VerdictClass.CONFIG,
        "the engine refuses its config: image and TRTLLM_RELEASE do not fit",
        isnt="a fault of the node",
        advice="set TRTLLM_RELEASE to what the image holds, and check the engine config again",
        fatal=True,
    ),
    Signature(
        "world-size",
        r"External MPI session has \d+ workers but the model needs world_size=\d+",
        TRTLLM,
        Layer.ENGINE,
        VerdictClass.CONFIG,
        "the engine config's parallel sizes are not the number of ranks",
        isnt="a fault of MPI",
        advice="nodes x GPUs per node must equal tensor x pipeline x context parallel size",
        fatal=True,
    ),
    Signature(
        "model-files",
        r"Repo id must be in the form|no config\.json exists|No safetensors? (?:file|weights)|"
        r"No such file or directory.*(?:safetensors|tokenizer|config\.json)",
        TRTLLM,
        Layer.CONTAINER,
        VerdictClass.CONFIG,
        "files of the model are not where the engine looks for them",
        isnt="a bug of the engine",
        advice="compare the model folder inside the container with its index, on that node",
        fatal=True,
    ),
    Signature(
        "hf-lock",
        r"Lock acquisition failed|429 Client Error.*huggingface",
        "huggingface_hub 0.2x to 1.x",
        Layer.CONTAINER,
        VerdictClass.INFRA,
        "many ranks asked for the model's files at once, and were turned away",
        isnt="a bug of the engine",
        advice="download the model once, and set HF_HUB_OFFLINE=1",
    ),
    Signature(
        "hang-detected",
        r"Hang detected (?:after|on)",
        TRTLLM,
        Layer.ENGINE,
        VerdictClass.FAIL,
        "the engine's own detector has seen no progress",
        isnt="overload: nothing was finished at all",
        advice="the stacks that follow that line say where each thread waits",
        fatal=True,
    ),
    Signature(
        "kv-transfer",
        r"Timed out waiting for context KV cache transfer|due to KV cache transfer timeout|"
        r"[Kk][Vv] cache transfer (?:failed|error|timed out)|Error in kv cache transfer|"
        r"Error receiving KV cache",
        TRTLLM,
        Layer.ENGINE,
        VerdictClass.FAIL,
        "KV cache did not come over from a prefill worker",
        isnt="overload: the queues stay full and nothing is scheduled",
        advice="check the transfer's network between prefill and decode nodes (UCX_*, NIXL)",
    ),
    Signature(
        "kv-layout",
        r"[Pp]age size mismatch|ctx_request_id is None|Disaggregated params are required",
        "TensorRT-LLM 1.2 and 1.3, Dynamo 0.8 to 1.4",
        Layer.ENGINE,
        VerdictClass.CONFIG,
        "prefill and decode workers do not fit together",
        isnt="a fault of the fabric",
        advice="compare kv_cache_config, cache_transceiver_config and block sizes of the two roles",
    ),
    Signature(
        "not-schedulable",
        r"could not be scheduled|num_fitting_reqs=0|No free slots",
        TRTLLM,
        Layer.ENGINE,
        VerdictClass.FAIL,
        "the engine takes requests and can run none of them",
        isnt="a lack of capacity that goes away by waiting",
        advice="see free KV cache blocks after the load, and max_num_tokens",
    ),
    Signature(
        "engine-unhealthy",
        r"TRT-LLM engine is unhealthy|Executor loop crashed on this rank|"
        r"Forcing process exit after fatal",
        "TensorRT-LLM 1.2 and 1.3, Dynamo 1.0 to 1.6",
        Layer.ENGINE,
        VerdictClass.FAIL,
        "the engine has failed, and its process gives up",
        isnt="the first error: that stands before it, maybe on another rank",
        weight=Weight.AFTERMATH,
    ),
    Signature(
        "peers",
        r"lost connection to rank|Connection (?:reset|closed) by (?:remote )?peer|[Bb]roken pipe|"
        r"MPI_Abort|MPI_ABORT|NCCL .*(?:heartbeat|remote process|watchdog)|sendBytes|recvValue|"
        r"propagating hard-kill|tombstoned instance|no responders|worker process.* died|"
        r"CANCELLED AT|srun: (?:Job step aborted|Terminating)|"
        r"srun: error: (?:slurm_receive_msgs|Timed out waiting for job step)",
        "every release",
        Layer.ENGINE,
        VerdictClass.FAIL,
        "a peer has gone",
        isnt="the first error: that stands before it, maybe on another rank",
        weight=Weight.AFTERMATH,
    ),
)
