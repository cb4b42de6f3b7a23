"""The text of Slurm's configuration files, as pure functions.

Why the settings are what they are stands next to them; what is not named keeps Slurm's default, so
that KillWait, MinJobAge and the rest are those a user meets on a site.
"""

from __future__ import annotations

from pathlib import Path

from testbed.cluster.loop import tag_of
from testbed.cluster.paths import StateFolder
from testbed.cluster.shape import CLUSTER_NAME, PARTITION, Shape

SLURM_ETC = "/etc/slurm"
MUNGE_SOCKET = "/run/munge/munge.socket.2"
CPUS_PER_NODE = 72
MEMORY_MIB_PER_NODE = 64000


def slurm_conf(shape: Shape, state: StateFolder) -> str:
    """slurm.conf of the cluster."""
    lines = [
        f"ClusterName={CLUSTER_NAME}",
        f"SlurmctldHost=node1({shape.address('node1')})",
        "SlurmUser=root",
        "SlurmdUser=root",
        "AuthType=auth/munge",
        f"AuthInfo=socket={MUNGE_SOCKET}",
        *_folders(state),
        *_plugins(),
        *_behaviour(),
        *_nodes(shape),
    ]
    return "\n".join(lines) + "\n"


def _folders(state: StateFolder) -> list[str]:
    return [
        f"StateSaveLocation={state.spool}/slurmctld",
        f"SlurmdSpoolDir={state.spool}/%n",
        f"SlurmctldLogFile={state.log_of('slurmctld')}",
        f"SlurmdLogFile={state.logs}/slurmd-%n.log",
        "SlurmctldPidFile=/run/slurmctld.pid",
        "SlurmdPidFile=/run/slurmd.pid",
        f"PlugStackConfig={SLURM_ETC}/plugstack.conf",
    ]


def _plugins() -> list[str]:
    return [
        # Nodes are PID namespaces: Linux's process tree tells a step's processes, no cgroup needed.
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "JobAcctGatherType=jobacct_gather/none",
        # No database behind it: squeue, scontrol and exit codes are the record.
        "AccountingStorageType=accounting_storage/none",
        "JobCompType=jobcomp/none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core",
        "GresTypes=gpu",
        "MpiDefault=none",
        "SwitchType=switch/none",
    ]


def _behaviour() -> list[str]:
    return [
        # A node that comes back is used again with no operator at hand.
        "ReturnToService=2",
        # Nodes pretend to have more CPUs than the machine has.
        "SlurmdParameters=config_overrides",
        "LaunchParameters=use_interactive_step",
        # A small cluster on a busy machine: a slow answer is not a dead node.
        "SlurmdTimeout=300",
        # No mail program is needed on the machine.
        "MailProg=/bin/true",
        "SlurmctldDebug=info",
        "SlurmdDebug=info",
    ]


def _nodes(shape: Shape) -> list[str]:
    gres = f" Gres=gpu:{shape.gpus_per_node}" if shape.gpus_per_node else ""
    lines = [
        f"NodeName={name} NodeAddr={shape.address(name)} CPUs={CPUS_PER_NODE} Sockets=1 "
        f"CoresPerSocket={CPUS_PER_NODE} ThreadsPerCore=1 RealMemory={MEMORY_MIB_PER_NODE}{gres}"
        for name in shape.names
    ]
    lines.append(f"PartitionName={PARTITION} Nodes={shape.node_list} Default=YES State=UP")
    return lines


def gres_conf(shape: Shape) -> str:
    """gres.conf; Slurm counts a GPU only when its device file exists."""
    if not shape.gpus_per_node:
        return "AutoDetect=off\n"
    last = shape.gpus_per_node - 1
    files = "/dev/nvidia0" if last == 0 else f"/dev/nvidia[0-{last}]"
    return f"AutoDetect=off\nName=gpu File={files}\n"


def mpi_conf() -> str:
    """mpi.conf, for the way in which PMIx servers gather.

    Slurm 22.05's default fence (tree) now and then lets the ranks of a node go before all nodes
    have answered; Open MPI 4.1 then crashes in MPI_Init, here in 1 start of some 40.
    """
    return "PMIxCollFence=ring\n"


def cgroup_conf() -> str:
    """cgroup.conf; naming v1 keeps slurmd from looking for the machine's cgroups at all."""
    return "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n"


def plugstack_conf(plugin: Path, state: StateFolder) -> str:
    """plugstack.conf: the plugin that takes Pyxis's options, and where things lie for it."""
    arguments = f"images={state.image_mounts} spool={state.spool} tag={tag_of(state)}"
    return f"required {plugin} {arguments}\n"
