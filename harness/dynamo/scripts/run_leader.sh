#!/bin/bash
# Run the leader's command (rank 0 only, started by trtllm-llmapi-launch), let the task know its pid, and
# tell the task when it failed. LEADER_STATE and WORKER_TASK_PID come from start_trtllm_worker.sh.
set -uo pipefail

"$@" &
leader=$!
echo "$leader" >"$LEADER_STATE/pid"
[ -e "$LEADER_STATE/stop" ] && kill -TERM "$leader"
wait "$leader"
code=$?
if [ "$code" -ne 0 ]; then
    echo "$code" >"$LEADER_STATE/code"
    kill -USR1 "$WORKER_TASK_PID"
fi
exit "$code"
