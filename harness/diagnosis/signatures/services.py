"""Words of etcd, NATS, the frontend, and of Dynamo on discovery."""

from __future__ import annotations

from harness.diagnosis.facts import Layer, Weight
from harness.diagnosis.signature import Signature
from harness.diagnosis.signatures.holds import DYNAMO, OURS
from harness.errors import VerdictClass

HARMLESS = (
    Signature(
        "harmless",
        r"KeyValueStoreManager\.watch failed adding new key to channel|"
        r"P/D routing remains disabled because the sole prefill|"
        r"Token WorkerSet already registered for this encoder router",
        "Dynamo 1.4.2",
        Layer.SERVICES,
        VerdictClass.FAIL,
        "an error line that healthy runs have too",
        weight=Weight.DOUBT,
    ),
)


SERVICE_ROWS = (
    Signature(
        "frontend-ended",
        r"start_frontend_services: frontend ended by itself with exit code \d+",
        OURS,
        Layer.SERVICES,
        VerdictClass.FAIL,
        "the frontend ended by itself",
        isnt="a fault of the workers",
        advice="its last lines are in the same log",
        fatal=True,
        yields_to=("service-ended", "lease-lost"),
    ),
    Signature(
        "service-ended",
        r"start_frontend_services: (?:a service|\S+) ended by itself with exit code \d+",
        OURS,
        Layer.SERVICES,
        VerdictClass.FAIL,
        "etcd or NATS ended by itself",
        isnt="a fault of the workers, which lose their leases because of it",
        advice="read its log in the folder `services` beside the step's",
        fatal=True,
    ),
    Signature(
        "service-never-served",
        r"start_frontend_services: (?:etcd|NATS) does not serve on",
        OURS,
        Layer.SERVICES,
        VerdictClass.FAIL,
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
        VerdictClass.FAIL,
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
        VerdictClass.INFRA,
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
        VerdictClass.INFRA,
        "a port is in somebody else's use",
        isnt="a start that needs one more attempt: an old frontend may answer for ours",
        advice="find who listens there; or give another port",
    ),
    Signature(
        "card-mismatch",
        r"Checksum for new worker does not match|model-card checksum",
        "Dynamo 1.0 to 1.6",
        Layer.DISCOVERY,
        VerdictClass.CONFIG,
        "a replica's model card differs from the first one's, and requests reach it all the same",
        isnt="a healthy replica, though the frontend counts it",
        advice="compare the engine configs of the replicas: block size, context length, tokenizer",
    ),
    Signature(
        "no-chat-template",
        r"MDC does not contain a prompt formatter",
        "Dynamo 0.8 to 1.6",
        Layer.CONTAINER,
        VerdictClass.CONFIG,
        "the model folder has no chat template, and so the frontend does not list the model",
        isnt="a wrong name of the model, though a request gets 404",
        advice="the model folder needs tokenizer_config.json with chat_template, or a jinja file",
    ),
    Signature(
        "model-not-added",
        r"Error adding model from discovery",
        "Dynamo 0.8 to 1.6",
        Layer.DISCOVERY,
        VerdictClass.FAIL,
        "the frontend did not take in the model that a worker registered",
        isnt="a wrong name of the model, though a request gets 404",
        advice="the model folder needs config.json, tokenizer and chat template; see that line",
    ),
    Signature(
        "flag-unknown",
        r"Unrecognized argument:|error: unrecognized arguments:",
        DYNAMO,
        Layer.LAUNCH,
        VerdictClass.CONFIG,
        "the worker does not know one of its flags: image and DYNAMO_RELEASE do not fit",
        isnt="a fault of the node",
        advice="set DYNAMO_RELEASE to the release that the image holds",
        fatal=True,
    ),
)
