#!/bin/bash
# etcd, NATS and Dynamo's OpenAI frontend on the head node: one step, one task.
#
# In the environment: HEAD_NODE_IP, ETCD_PORT, NATS_PORT, DYN_HTTP_PORT, ETCD_ENDPOINTS, NATS_SERVER, and
# SERVICE_LOGS, the folder for the logs of etcd and NATS. The frontend's own output is the step's.
#
# Each service is waited for, not slept for. If any of the three ends, the step ends and says which.
# On SIGUSR1 the frontend goes first and etcd last, so that nothing loses its lease while it drains. It is
# not SIGTERM because Slurm may send that to every process of the step (see start_trtllm_worker.sh): etcd
# would go with the first. The services ignore SIGUSR1. SIGTERM is taken as well, as a request to hurry.
# On SIGURG the frontend alone is restarted; it is a signal that means nothing to any of the three.
set -uo pipefail
# Each service gets a process group of its own, out of reach of signals to the task's group.
set -m

here=$(cd "$(dirname "$0")" && pwd)
: "${HEAD_NODE_IP:?}" "${ETCD_PORT:?}" "${NATS_PORT:?}" "${DYN_HTTP_PORT:?}" "${SERVICE_LOGS:?}"

# Fresh folders: state of an earlier deployment would show workers that are not there.
data=$(mktemp -d /tmp/frontend-services.XXXXXX)
etcd_pid="" nats_pid="" frontend_pid="" stopping="" frontend_asked="" restarting=""

ask_to_stop() { # PID
    [ -z "$1" ] || kill -TERM "$1" 2>/dev/null
}

await_end() { # NAME PID; returns the service's exit code
    [ -n "$2" ] || return 0
    wait "$2" 2>/dev/null
    local code=$?
    echo "$1 stopped with exit code $code"
    return "$code"
}

stop_rest() {
    for service in "nats-server $nats_pid" "etcd $etcd_pid"; do
        ask_to_stop "${service#* }"
        await_end "${service%% *}" "${service#* }"
    done
    rm -rf "$data"
}

stop_frontend() {
    [ -n "$frontend_pid" ] && [ -z "$frontend_asked" ] || return 0
    frontend_asked=yes
    ask_to_stop "$frontend_pid"
}

on_stop() {
    stopping=yes
    stop_frontend # here, so that the wait below ends whenever the signal comes
}
trap on_stop USR1 TERM INT

on_restart() {
    restarting=yes
    ask_to_stop "$frontend_pid"
}
trap on_restart URG

fail() {
    echo "start_frontend_services: $1" >&2
    ask_to_stop "$frontend_pid"
    await_end frontend "$frontend_pid"
    stop_rest
    exit 1
}

# A proxy is for the frontend's downloads alone. etcd asks one even for its own gateway (grpc-gateway, dialled
# at 0.0.0.0), and no list of exceptions has that address.
without_proxy() {
    unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
}

peer="http://127.0.0.1:$((ETCD_PORT + 1))"
(trap '' USR1 && without_proxy && exec etcd --name head --data-dir "$data/etcd" \
    --listen-client-urls "http://0.0.0.0:$ETCD_PORT" --advertise-client-urls "http://$HEAD_NODE_IP:$ETCD_PORT" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "head=$peer" \
    >"$SERVICE_LOGS/etcd.log" 2>&1) &
etcd_pid=$!
(trap '' USR1 && without_proxy && exec nats-server --jetstream --store_dir "$data/nats" --addr 0.0.0.0 --port "$NATS_PORT" \
    >"$SERVICE_LOGS/nats.log" 2>&1) &
nats_pid=$!

python3 "$here/wait_for_service.py" etcd "$HEAD_NODE_IP" "$ETCD_PORT" "$etcd_pid" ||
    fail "etcd does not serve on $HEAD_NODE_IP:$ETCD_PORT; see $SERVICE_LOGS/etcd.log"
python3 "$here/wait_for_service.py" nats "$HEAD_NODE_IP" "$NATS_PORT" "$nats_pid" ||
    fail "NATS does not serve on $HEAD_NODE_IP:$NATS_PORT; see $SERVICE_LOGS/nats.log"
echo "etcd and NATS serve on $HEAD_NODE_IP"

start_frontend() {
    echo "starting the frontend"
    (trap '' USR1 && exec python3 -m dynamo.frontend --http-port "$DYN_HTTP_PORT") &
    frontend_pid=$!
}

[ -n "$stopping" ] || start_frontend # the signal may have come while the others were waited for
code=0
# `wait` ends on a signal, or with the first service that ends by itself.
while [ -z "$stopping" ]; do
    wait -n "$etcd_pid" "$nats_pid" "$frontend_pid"
    code=$?
    [ -n "$restarting" ] || break
    await_end frontend "$frontend_pid"
    restarting=""
    [ -n "$stopping" ] || start_frontend
done
if [ -n "$stopping" ]; then
    stop_frontend # the signal may have come before its pid was known
    await_end frontend "$frontend_pid"
    code=$?
    stop_rest
    exit "$code"
fi
for service in "etcd $etcd_pid" "nats-server $nats_pid" "frontend $frontend_pid"; do
    kill -0 "${service##* }" 2>/dev/null || fail "${service%% *} ended by itself with exit code $code"
done
fail "a service ended by itself with exit code $code"
