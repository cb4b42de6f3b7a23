#!/bin/bash
# One rank of a Dynamo + TensorRT-LLM worker: Slurm starts this once a task, one task a GPU.
#
# In the environment: MODEL_PATH, SERVED_MODEL_NAME, ENGINE_CONFIG, DISAGGREGATION_MODE, WORKER_MODULE,
# WORKER_FLAGS (what this release of Dynamo wants besides), ETCD_ENDPOINTS, NATS_SERVER.
#
# Shutdown. Depending on the site's ProctrackType, Slurm sends SIGTERM to this script alone (cgroup) or to
# every process below it (linuxproc, pgid). An MPI process that gets it dies on the spot; then the leader
# cannot drain, and shared memory and GPU memory are left. So the launcher and all below it start with
# SIGTERM ignored, and Dynamo's process alone (rank 0) is given its default back: it drains, shuts the
# engine down, and so ends all ranks in order.
#
# Failure. The launcher starts Dynamo in the background and does not look at its exit code: ranks would
# wait for ever for a leader that is gone. run_leader.sh reports the code, and this task ends with it.
set -uo pipefail
set -m

here=$(cd "$(dirname "$0")" && pwd)
: "${MODEL_PATH:?}" "${SERVED_MODEL_NAME:?}" "${ENGINE_CONFIG:?}" "${WORKER_MODULE:?}" "${SLURM_PROCID:?}"

if [ ! -r "$ENGINE_CONFIG" ]; then
    echo "start_trtllm_worker: engine config $ENGINE_CONFIG cannot be read in the container on $(hostname)" >&2
    exit 2
fi

LEADER_STATE=$(mktemp -d /tmp/worker-leader.XXXXXX)
WORKER_TASK_PID=$$
export LEADER_STATE WORKER_TASK_PID
launcher=""

on_term() {
    { : >"$LEADER_STATE/stop"; } 2>/dev/null # for a leader that is not started yet
    if [ "$SLURM_PROCID" -eq 0 ] && [ -s "$LEADER_STATE/pid" ]; then
        kill -TERM "$(<"$LEADER_STATE/pid")" 2>/dev/null
    fi
}

on_leader_failed() {
    code=$(<"$LEADER_STATE/code")
    echo "start_trtllm_worker: the leader's $WORKER_MODULE ended with exit code $code" >&2
    kill -KILL -- "-$launcher" 2>/dev/null
    exit "$code"
}

trap on_term TERM
trap on_leader_failed USR1

command=(python3 -m "$WORKER_MODULE"
    --model-path "$MODEL_PATH"
    --served-model-name "$SERVED_MODEL_NAME"
    --extra-engine-args "$ENGINE_CONFIG")
if [ "${DISAGGREGATION_MODE:-prefill_and_decode}" != prefill_and_decode ]; then
    command+=(--disaggregation-mode "$DISAGGREGATION_MODE")
fi
read -ra flags <<<"${WORKER_FLAGS-}"
command+=("${flags[@]}")

(
    trap '' TERM
    exec trtllm-llmapi-launch "$here/run_leader.sh" "${command[@]}"
) &
launcher=$!

# `wait` also returns when a trap ran; only an ended launcher ends the task.
code=0
while :; do
    wait "$launcher"
    code=$?
    kill -0 "$launcher" 2>/dev/null || break
done
rm -rf "$LEADER_STATE"
exit "$code"
