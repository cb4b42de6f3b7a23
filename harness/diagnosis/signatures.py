"""The table of signatures: what known words mean, whose problem it is, what it is not.

Wording changes between releases: a row points to a cause, and no promise is decided by one. A line
that no row knows is judged by its form alone (:mod:`harness.diagnosis.log_form`). Sources: wheels
and runs of the releases named in ``holds``, and the issue trackers of the projects.
"""

from __future__ import annotations

from harness.diagnosis.facts import Layer, Weight
from harness.diagnosis.signature import Signature, SignatureTable
from harness.errors import VerdictClass

RANK_KILLED, RANK_ENDED, STEP_ENDED = "rank-killed", "rank-ended", "step-ended"
TASK_END = "task-end"
STEP_CANCELLED, JOB_ENDED, NODE_UNFIT = "step-cancelled", "job-ended", "node-unfit"
NODE_SILENT, SERVICE_SILENT = "node-silent", "service-silent"
HANG, INSTANCE_GONE, RANK_STOPPED = "hang", "instance-gone", "rank-stopped"
GPU_HELD, GPU_LEFT = "gpu-held", "gpu-left"

_TRT = "TensorRT-LLM 1.0 to 1.3"
_DYN = "Dynamo 0.8 to 1.6"
_CUDA = "CUDA 12 and 13, torch 2.x"
_SLURM = "Slurm 21.08 to 25.05"
_OURS = "start_frontend_services.sh of this project"
_LEADER_LOG = "the fault of rank 0, which only hears of it: read the log of the rank named here"

_FAIL, _LEAK = VerdictClass.FAIL, VerdictClass.LEAK
_CONFIG, _INFRA = VerdictClass.CONFIG, VerdictClass.INFRA

_SLURM_ROWS = (
    Signature(
        "time-limit",
        r"CANCELLED AT \S+ DUE TO TIME LIMIT",
        _SLURM,
        Layer.JOB,
        _INFRA,
        "the job's walltime is over",
        isnt="a crash of the product: Slurm ended every step",
        advice="allocate for longer; --plan shows the time that the run needs at most",
        below=True,
    ),
    Signature(
        "node-failure",
        r"srun: error: Node failure on \S+",
        _SLURM,
        Layer.NODE,
        _INFRA,
        "Slurm lost a node",
        isnt="an error of the fabric or of NCCL, which the other ranks report",
        advice="see `sinfo -R`, and take other nodes",
        below=True,
    ),
    Signature(
        "ended-by-node-failure",
        r"CANCELLED AT \S+ DUE TO NODE FAILURE",
        _SLURM,
        Layer.NODE,
        _INFRA,
        "Slurm ended the step because it had lost a node, which need not be the one that says so",
        isnt="an error of the fabric or of NCCL, which the other ranks report",
        advice="see `sinfo -R`, and take other nodes",
        yields_to=(NODE_UNFIT, "node-failure"),
        below=True,
    ),
    Signature(
        "oom-kill",
        r"Detected \d+ oom[_-]kill event|Out Of Memory$|oom-kill:",
        _SLURM,
        Layer.NODE,
        _CONFIG,
        "the host's memory was used up, and the kernel killed a process of the step",
        isnt="a lack of GPU memory",
        advice="load fewer workers per node at once, or ask Slurm for more memory (--mem=0)",
        below=True,
    ),
    Signature(
        "step-not-created",
        r"srun: error: Unable to create step for job \d+: (?!Unable to contact|Socket timed)",
        _SLURM,
        Layer.LAUNCH,
        _INFRA,
        "Slurm did not create the step",
        isnt="a slow model load",
        advice="see `squeue --steps` and `sinfo -R`",
        below=True,
    ),
    Signature(
        "launch-failed",
        r"srun: error: Task launch for StepId=\S+ failed on node",
        _SLURM,
        Layer.NODE,
        _INFRA,
        "Slurm could not start a task on a node",
        isnt="a fault of the worker: none of its code has run there",
        advice="see `sinfo -R` and slurmd's log on that node",
        below=True,
    ),
    Signature(
        "mpi-plugin",
        r"mpi/\w+: can not load|Invalid MPI (?:type|plugin)|"
        r"Couldn't find the specified plugin name",
        _SLURM,
        Layer.LAUNCH,
        _INFRA,
        "Slurm has not the MPI plugin that was asked for",
        isnt="a wrong engine config, though every rank may report world size 1",
        advice="see `srun --mpi=list`",
        below=True,
    ),
    Signature(
        "pyxis",
        r"error: pyxis: ",
        "Pyxis 0.11 to 0.20",
        Layer.CONTAINER,
        _CONFIG,
        "Pyxis could not start the container",
        isnt="a fault of the worker: none of its code has run",
        advice="check IMAGE and MOUNTS: they must be readable on every node of the step",
        below=True,
    ),
)

_SERVICE_ROWS = (
    Signature(
        "frontend-ended",
        r"start_frontend_services: frontend ended by itself with exit code \d+",
        _OURS,
        Layer.SERVICES,
        _FAIL,
        "the frontend ended by itself",
        isnt="a fault of the workers",
        advice="its last lines are in the same log",
        fatal=True,
        yields_to=("service-ended", "lease-lost"),
    ),
    Signature(
        "service-ended",
        r"start_frontend_services: (?:a service|\S+) ended by itself with exit code \d+",
        _OURS,
        Layer.SERVICES,
        _FAIL,
        "etcd or NATS ended by itself",
        isnt="a fault of the workers, which lose their leases because of it",
        advice="read its log in the folder `services` beside the step's",
        fatal=True,
    ),
    Signature(
        "service-never-served",
        r"start_frontend_services: (?:etcd|NATS) does not serve on",
        _OURS,
        Layer.SERVICES,
        _FAIL,
        "etcd or NATS did not come up",
        isnt="a fault of the frontend",
        advice="read its log in the folder `services` beside the step's",
        fatal=True,
    ),
    Signature(
        "lease-lost",
        r"Unable to maintain lease|Keep-alive lease expired|requested lease not found|"
        r"[Ll]ease (?:\S+ )?(?:was )?(?:lost|revoked|expired|not found)",
        "Dynamo 1.0 to 1.6",
        Layer.SERVICES,
        _FAIL,
        "a lease of etcd was lost: what was registered under it is gone, and its process ends",
        isnt="a fault of the engine",
        advice="see etcd's log for slow requests, and whether its node was short of time",
        yields_to=("service-ended", "service-silent", "service-never-served"),
    ),
    Signature(
        "etcd-not-reached",
        r"Unable to create lease|Failed to connect to etcd|"
        r"etcd .*(?:[Cc]onnection refused|deadline has)",
        "Dynamo 1.0 to 1.6",
        Layer.SERVICES,
        _INFRA,
        "a process does not reach etcd on the head node",
        isnt="a fault of the worker, whose load goes on as if nothing were wrong",
        advice="check the network from that node to ETCD_PORT of the head node, and HEAD_NODE_IP",
        yields_to=("service-ended", "service-silent", "service-never-served"),
    ),
    Signature(
        "port-in-use",
        r"\[Errno 98\]|[Aa]ddress already in use|EADDRINUSE",
        "every release",
        Layer.SERVICES,
        _INFRA,
        "a port is in somebody else's use",
        isnt="a start that needs one more attempt: an old frontend may answer for ours",
        advice="find who listens there; or give another port",
    ),
    Signature(
        "card-mismatch",
        r"Checksum for new worker does not match|model-card checksum",
        "Dynamo 1.0 to 1.6",
        Layer.DISCOVERY,
        _CONFIG,
        "a replica's model card differs from the first one's, and requests reach it all the same",
        isnt="a healthy replica, though the frontend counts it",
        advice="compare the engine configs of the replicas: block size, context length, tokenizer",
    ),
    Signature(
        "no-chat-template",
        r"MDC does not contain a prompt formatter",
        "Dynamo 0.8 to 1.6",
        Layer.CONTAINER,
        _CONFIG,
        "the model folder has no chat template, and so the frontend does not list the model",
        isnt="a wrong name of the model, though a request gets 404",
        advice="the model folder needs tokenizer_config.json with chat_template, or a jinja file",
    ),
    Signature(
        "model-not-added",
        r"Error adding model from discovery",
        "Dynamo 0.8 to 1.6",
        Layer.DISCOVERY,
        _FAIL,
        "the frontend did not take in the model that a worker registered",
        isnt="a wrong name of the model, though a request gets 404",
        advice="the model folder needs config.json, tokenizer and chat template; see that line",
    ),
    Signature(
        "flag-unknown",
        r"Unrecognized argument:|error: unrecognized arguments:",
        _DYN,
        Layer.LAUNCH,
        _CONFIG,
        "the worker does not know one of its flags: image and DYNAMO_RELEASE do not fit",
        isnt="a fault of the node",
        advice="set DYNAMO_RELEASE to the release that the image holds",
        fatal=True,
    ),
)

_ENGINE_ROWS = (
    Signature(
        "gpu-out-of-memory",
        r"CUDA out of memory|CUDA error: out of memory|cudaErrorMemoryAllocation|OutOfMemoryError",
        _CUDA,
        Layer.ENGINE,
        _FAIL,
        "a rank found too little free memory on its GPU",
        isnt="by itself no sign of too large a model: look who holds the memory first",
        advice="see the snapshots of the nodes, before and after: who holds GPU memory there",
    ),
    Signature(
        "cuda-no-device",
        r"invalid device ordinal|no CUDA-capable device|CUDA_ERROR_NO_DEVICE|"
        r"Found no NVIDIA driver",
        _CUDA,
        Layer.ENGINE,
        _FAIL,
        "a rank does not find the GPU that it was given",
        isnt=_LEADER_LOG,
        advice="compare CUDA_VISIBLE_DEVICES of that rank with `nvidia-smi -L` on its node",
        fatal=True,
    ),
    Signature(
        "cuda-fatal",
        r"an illegal memory access was encountered|cudaErrorIllegalAddress|"
        r"device-side assert triggered|unspecified launch failure|misaligned address|"
        r"an illegal instruction was encountered",
        _CUDA,
        Layer.ENGINE,
        _FAIL,
        "a kernel broke the CUDA context of a rank, which cannot be used any more",
        isnt="a fault of the fabric, which the other ranks report next",
        advice="look for an Xid in that node's kernel log; run again with CUDA_LAUNCH_BLOCKING=1",
        fatal=True,
    ),
    Signature(
        "gpu-hardware",
        r"uncorrectable ECC error|CUDA_ERROR_ECC_UNCORRECTABLE|GPU has fallen off the bus|"
        r"\bXid\b.*: (?:48|63|64|74|79|94|95)\b",
        _CUDA,
        Layer.NODE,
        _INFRA,
        "a GPU has failed",
        isnt="a crash of the product",
        advice="drain the node and have the GPU reset or replaced",
        fatal=True,
    ),
    Signature(
        "nvlink-domain",
        r"cuMemImportFromShareableHandle failed|CUDA_ERROR_NOT_PERMITTED|"
        r"NVLinkOneSided not available",
        _CUDA,
        Layer.NODE,
        _INFRA,
        "ranks cannot share memory over NVLink: nodes of several domains, or no IMEX channel",
        isnt="a bug of NCCL, or a matter of file permissions",
        advice="ask for one NVLink domain (--segment), and see /dev/nvidia-caps-imex-channels",
    ),
    Signature(
        "bus-error",
        r"Caught signal 7 \(Bus error|nonexistent physical address|\bBus error\b",
        "UCX 1.14 to 1.19",
        Layer.ENGINE,
        _CONFIG,
        "shared memory was too small for what a rank mapped there",
        isnt="a segmentation fault of the engine",
        advice="see free /dev/shm in the baseline; the expert weights need room on every node",
    ),
    Signature(
        "segfault",
        r"Caught signal 11 |Segmentation fault",
        "every release",
        Layer.ENGINE,
        _FAIL,
        "a rank crashed in native code",
        isnt="a fault of the peers that lose their connection to it",
        advice="the lines before it have the stack",
        fatal=True,
    ),
    Signature(
        "config-key",
        r"Extra inputs are not permitted|validation errors? for \w*(?:Args|Config)",
        _TRT,
        Layer.ENGINE,
        _CONFIG,
        "the engine refuses its config: image and TRTLLM_RELEASE do not fit",
        isnt="a fault of the node",
        advice="set TRTLLM_RELEASE to what the image holds, and check the engine config again",
        fatal=True,
    ),
    Signature(
        "world-size",
        r"External MPI session has \d+ workers but the model needs world_size=\d+",
        _TRT,
        Layer.ENGINE,
        _CONFIG,
        "the engine config's parallel sizes are not the number of ranks",
        isnt="a fault of MPI",
        advice="nodes x GPUs per node must equal tensor x pipeline x context parallel size",
        fatal=True,
    ),
    Signature(
        "model-files",
        r"Repo id must be in the form|no config\.json exists|No safetensors? (?:file|weights)|"
        r"No such file or directory.*(?:safetensors|tokenizer|config\.json)",
        _TRT,
        Layer.CONTAINER,
        _CONFIG,
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
        _INFRA,
        "many ranks asked for the model's files at once, and were turned away",
        isnt="a bug of the engine",
        advice="download the model once, and set HF_HUB_OFFLINE=1",
    ),
    Signature(
        "hang-detected",
        r"Hang detected (?:after|on)",
        _TRT,
        Layer.ENGINE,
        _FAIL,
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
        _TRT,
        Layer.ENGINE,
        _FAIL,
        "KV cache did not come over from a prefill worker",
        isnt="overload: the queues stay full and nothing is scheduled",
        advice="check the transfer's network between prefill and decode nodes (UCX_*, NIXL)",
    ),
    Signature(
        "kv-layout",
        r"[Pp]age size mismatch|ctx_request_id is None|Disaggregated params are required",
        "TensorRT-LLM 1.2 and 1.3, Dynamo 0.8 to 1.4",
        Layer.ENGINE,
        _CONFIG,
        "prefill and decode workers do not fit together",
        isnt="a fault of the fabric",
        advice="compare kv_cache_config, cache_transceiver_config and block sizes of the two roles",
    ),
    Signature(
        "not-schedulable",
        r"could not be scheduled|num_fitting_reqs=0|No free slots",
        _TRT,
        Layer.ENGINE,
        _FAIL,
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
        _FAIL,
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
        _FAIL,
        "a peer has gone",
        isnt="the first error: that stands before it, maybe on another rank",
        weight=Weight.AFTERMATH,
    ),
)

_BY_SLURM = f"exit codes and states of {_SLURM}"
_BY_PROBE = "the node probe"

_SEEN_ROWS = (
    Signature(
        JOB_ENDED,
        "",
        _BY_SLURM,
        Layer.JOB,
        _INFRA,
        "the job is over",
        isnt="a crash of the product: Slurm ended every step",
        advice="see who cancelled it or why it ended: `scontrol show job`, `sacct -j`",
        yields_to=(NODE_UNFIT, "time-limit", "node-failure", "ended-by-node-failure"),
        below=True,
    ),
    Signature(
        NODE_UNFIT,
        "",
        _BY_SLURM,
        Layer.NODE,
        _INFRA,
        "Slurm has lost or given up a node",
        isnt="an error of the fabric or of NCCL, which the other ranks report",
        advice="see `sinfo -R`, and take other nodes",
        below=True,
    ),
    Signature(
        NODE_SILENT,
        "",
        _BY_PROBE,
        Layer.NODE,
        _INFRA,
        "a node does not answer any more",
        isnt="a hang of the engine, though its ranks wait for those on that node",
        advice="see whether the node is up and reached: `sinfo -R`, `ping`, its console",
        below=True,
    ),
    Signature(
        STEP_CANCELLED,
        "",
        _BY_SLURM,
        Layer.LAUNCH,
        _INFRA,
        "somebody cancelled the step",
        isnt="a crash of the product",
        advice="see slurmctld's log for who did",
        yields_to=(JOB_ENDED, NODE_UNFIT),
        below=True,
    ),
    Signature(
        SERVICE_SILENT,
        "",
        "HTTP of etcd and the frontend",
        Layer.SERVICES,
        _FAIL,
        "etcd or the frontend lives and answers nothing",
        isnt="a fault of the workers, which cannot be reached without it",
        advice="see what its process does on the head node, and its log",
        yields_to=("service-ended",),
    ),
    Signature(
        INSTANCE_GONE,
        "",
        "records of etcd, Dynamo 0.8 to 1.6",
        Layer.DISCOVERY,
        _FAIL,
        "the instance of a worker that lives has left discovery: its lease is gone",
        isnt="a fault of the frontend, which routes to what is registered",
        advice="see the worker's words on its lease, and etcd's log for slow requests",
    ),
    Signature(
        RANK_STOPPED,
        "",
        _BY_PROBE,
        Layer.ENGINE,
        _FAIL,
        "a rank's process is stopped, so that it neither goes on nor ends",
        isnt=_LEADER_LOG,
        advice="see who stopped it (a debugger, a signal, a freezer of cgroups)",
    ),
    Signature(
        HANG,
        "",
        "requests to the frontend",
        Layer.SERVING,
        _FAIL,
        "nothing is answered any more, while every process lives",
        isnt="overload: not one token came in all this time",
        advice="get stacks of the ranks (py-spy) and see whether the GPUs are at 0 or 100 %",
    ),
    Signature(
        RANK_KILLED,
        "",
        _BY_SLURM,
        Layer.ENGINE,
        _FAIL,
        "a process was killed by a signal",
        isnt="what the other ranks report, who lost a peer",
        advice="who sent it is in the kernel log of that node (oom-killer), or was a person",
    ),
    Signature(RANK_ENDED, "", _BY_SLURM, Layer.ENGINE, _FAIL, "a process ended that had to live"),
    Signature(STEP_ENDED, "", _BY_SLURM, Layer.ENGINE, _FAIL, "a step ended that had to live"),
    Signature(
        GPU_HELD,
        "",
        _BY_PROBE,
        Layer.NODE,
        _INFRA,
        "a stranger holds memory of a GPU that a rank needed",
        isnt="too large a model, or a leak of the product",
        advice="end that process, or take other nodes",
        below=True,
    ),
    Signature(
        GPU_LEFT,
        "",
        _BY_PROBE,
        Layer.NODE,
        _LEAK,
        "memory of a GPU is still held by what this run had stopped",
        isnt="too large a model",
        advice="see the shutdown before: who holds it is named",
        below=True,
    ),
)

_TASK_ROWS = (
    Signature(
        TASK_END,
        r"srun: error: \S+: tasks? (?!.*: Out Of Memory$)",
        _SLURM,
        Layer.ENGINE,
        _FAIL,
        "srun tells how a task ended",
        weight=Weight.AFTERMATH,
    ),
)

_HARMLESS = (
    Signature(
        "harmless",
        r"KeyValueStoreManager\.watch failed adding new key to channel|"
        r"P/D routing remains disabled because the sole prefill|"
        r"Token WorkerSet already registered for this encoder router",
        "Dynamo 1.4.2",
        Layer.SERVICES,
        _FAIL,
        "an error line that healthy runs have too",
        weight=Weight.DOUBT,
    ),
)

SIGNATURES = SignatureTable(
    (*_HARMLESS, *_TASK_ROWS, *_SEEN_ROWS, *_SLURM_ROWS, *_SERVICE_ROWS, *_ENGINE_ROWS)
)
