"""The image's root besides its Python environment.

Folders, a few files of /etc, the image's variables.
"""

from __future__ import annotations

from pathlib import Path

PREFIX = "/opt/dynamo"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

_FOLDERS = """
    dev etc/ssl/certs home mnt opt proc root run srv sys tmp usr usr/local/bin var/tmp
""".split()  # noqa: SIM905 - paths read best as a line
_LINKS = {
    "bin": "usr/bin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "sbin": "usr/sbin",
    "var/run": "/run",
}

_MPI_VARIABLES = {
    # A container's user is root; Open MPI refuses it unless told twice.
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    # TCP only. Open MPI's shared memory would put files of its own into /dev/shm.
    "OMPI_MCA_btl": "self,tcp",
    "OMPI_MCA_pml": "ob1",
    # One-sided communication is not used; its default would load UCX and its hooks.
    "OMPI_MCA_osc": "pt2pt",
    # Many ranks on few cores: never spin while waiting.
    "OMPI_MCA_mpi_yield_when_idle": "1",
}

VARIABLES = {
    # The distribution's etcd and nats-server come from the machine's /usr, which is bound into a
    # container.
    "PATH": f"{PREFIX}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "LANG": "C.UTF-8",
    "VIRTUAL_ENV": PREFIX,
    # As NVIDIA's base images say it. There is no CUDA in here: the emulated engine needs none.
    "CUDA_VERSION": "13.0.2+emulated",
    "PYTHONDONTWRITEBYTECODE": "1",
    # Ranks print progress that somebody waits for.
    "PYTHONUNBUFFERED": "1",
    # The caller's environment comes along, and may point to certificates that are not in here.
    "SSL_CERT_FILE": CERTIFICATES,
    "REQUESTS_CA_BUNDLE": CERTIFICATES,
    **_MPI_VARIABLES,
}

_ETC = {
    "environment": "".join(f"{name}={value}\n" for name, value in VARIABLES.items()),
    "passwd": "root:x:0:0:root:/root:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "os-release": 'PRETTY_NAME="Dynamo with an emulated TensorRT-LLM"\nID=dynamo-trtllm-emulated\n',
    "hosts": "127.0.0.1 localhost\n",
    "hostname": "container\n",
    "resolv.conf": "",
}


def definition() -> str:
    """Return what the skeleton consists of, as a text that changes with it."""
    return repr((_FOLDERS, _LINKS, _ETC))


def write_skeleton(root: Path) -> None:
    """Make the skeleton in an empty or partly filled root."""
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for name, target in _LINKS.items():
        (root / name).symlink_to(target)
    for name, content in _ETC.items():
        (root / "etc" / name).write_text(content, encoding="utf-8")
