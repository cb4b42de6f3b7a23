"""Faults that the suite does not tell as it must, yet: what is wrong, for who mends the detector.

Each is expected to fail, strictly: once the detector tells it, its line here has to go.
"""

SERVICES_STEP = (
    "the message has exit code and last lines of the services' step, and not the line of "
    "start_frontend_services.sh that says which service ended first"
)
LEADERS_WORDS = (
    "the last words of the leader are quoted, and not those of the rank that failed first; "
    "its log has the cause"
)
MODEL_FILES = (
    "preflight asks for the model's config.json, index and shards, and not for its tokenizer"
)
NO_WATCHER = (
    "nobody watches while a request is under way: a request that is not answered is waited for "
    "with its whole budget, 120 s"
)

JOB_ENDED = (
    "the end of the job is not asked for: the first step that Slurm refuses is the cause, with its "
    "words and without what ended the job"
)

KNOWN_MISSES: dict[str, str] = {
    "engine-hangs": NO_WATCHER,
    "etcd-killed-loading": SERVICES_STEP,
    "etcd-killed-serving": SERVICES_STEP,
    "etcd-stalled": "the message names a URL that does not answer, and not that etcd lives there",
    "etcd-unreachable": "the worker's own words on etcd are not read: a timeout of registration",
    "fatal-cuda-error": LEADERS_WORDS,
    "frontend-frozen": "the message names a URL that does not answer, and not the frontend",
    "gpu-memory-taken-late": LEADERS_WORDS,
    "image-unreadable-on-a-node": (
        "what Pyxis refuses is CONFIG, also on one node of several, and the node is not named"
    ),
    "job-cancelled": JOB_ENDED,
    "kv-transfer-stuck": "a status of 500 is shown, and not the words of the decode worker",
    "lease-lost": "the frontend's own words on its lease are not quoted, only its exit code",
    "model-file-missing": MODEL_FILES,
    "nats-killed": SERVICES_STEP,
    "node-cut-off": NO_WATCHER,
    "node-down": JOB_ENDED,
    "proxy-in-the-environment": (
        "a proxy of the shell reaches Dynamo's processes: preflight says so, and fails nothing"
    ),
    "rank-fails-init": LEADERS_WORDS,
    "rank-hangs-loading": "a rank that does not go on is noticed when START_TIMEOUT_S is over",
    "rank-fails-init-silent": (
        "a rank that failed and lives is not noticed: the wait ends with START_TIMEOUT_S; "
        "the rank is counted as missing, and its error is not quoted"
    ),
    "walltime": JOB_ENDED,
    "zombie-from-the-start": "a status of 500 is shown with its body, and not the engine's words",
}
