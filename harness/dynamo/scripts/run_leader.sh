#!/bin/bash
# Run the leader's command (rank 0 only, started by trtllm-llmapi-launch), let the task know its pid, and
# tell the task when it failed. LEADER_STATE and WORKER_TASK_PID come from start_trtllm_worker.sh.
set -uo pipefail

# bash cannot undo an ignored signal that it was started with; Python can. A SIGTERM that came while it was
# still ignored is lost, but start_trtllm_worker.sh makes the file `stop` before it passes one on.
default_term='
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_DFL)
if os.path.exists(os.environ["LEADER_STATE"] + "/stop"):
    os.kill(os.getpid(), signal.SIGTERM)
os.execvp(sys.argv[1], sys.argv[1:])'
python3 -I -S -c "$default_term" "$@" &
leader=$!
echo "$leader" >"$LEADER_STATE/pid"
wait "$leader"
code=$?
if [ "$code" -ne 0 ]; then
    echo "$code" >"$LEADER_STATE/code"
    kill -USR1 "$WORKER_TASK_PID"
fi
exit "$code"
