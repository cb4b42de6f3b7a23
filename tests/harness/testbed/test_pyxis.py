"""The options of Pyxis do what Pyxis does, as far as a step can tell."""

import shlex
import subprocess

import pytest

from testbed.cluster.api import Cluster
from testbed.cluster.loop import attached
from testbed.cluster.paths import PROJECT_ROOT
from testbed.cluster.procs import wait_for
from tests.harness.testbed.kit import IMAGE, SMALL, in_container

pytestmark = pytest.mark.testbed
ALL_TASKS = [f"--nodes={SMALL.nodes}", "--ntasks-per-node=4"]
PMIX_WORLD = """
import ctypes
class Process(ctypes.Structure):
    _fields_ = [("namespace", ctypes.c_char * 256), ("rank", ctypes.c_uint32)]
class Value(ctypes.Structure):
    _fields_ = [("type", ctypes.c_uint16), ("number", ctypes.c_uint64)]
pmix = ctypes.CDLL("libpmix.so.2")
me = Process()
assert pmix.PMIx_Init(ctypes.byref(me), None, 0) == 0
everyone, value = Process(me.namespace, 0xFFFFFFFE), ctypes.POINTER(Value)()
assert pmix.PMIx_Get(ctypes.byref(everyone), b"pmix.job.size", None, 0, ctypes.byref(value)) == 0
assert pmix.PMIx_Fence(None, 0, None, 0) == 0
print(f"rank {me.rank} of {value.contents.number & 0xFFFFFFFF}")
assert pmix.PMIx_Finalize(None, 0) == 0
"""


def _in_image(cluster: Cluster, script: str, *options: str, **variables: str) -> str:
    """Run a script in a container of one task and return what it wrote."""
    command = [*in_container(*options), "sh", "-c", script]
    done = cluster.run(["env", *(f"{k}={v}" for k, v in variables.items()), *command])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _refused(cluster: Cluster, *options: str, nodes: int = 1) -> str:
    """Run a step that must fail, and return its words."""
    done = cluster.run(["srun", *options, "true"], nodes=nodes)
    assert done.returncode != 0
    return done.stderr


def test_the_root_is_the_images(cluster: Cluster) -> None:
    assert _in_image(cluster, "cat /etc/of-the-image; pwd") == "image\n/"


def test_nothing_else_of_the_machine_is_seen(cluster: Cluster) -> None:
    seen = _in_image(cluster, "ls -A /; ls -A /root /home /etc/slurm /srv 2>/dev/null; true")

    assert set(seen.split()) == {
        *("bin", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "tmp", "usr")
    }


def test_the_machines_programs_cannot_be_written(cluster: Cluster) -> None:
    assert "Read-only" in _in_image(cluster, "touch /usr/bin/mark 2>&1; true")


def test_the_nodes_dev_shm_is_seen_and_tmp_is_the_containers_own(cluster: Cluster) -> None:
    cluster.exec("node1", ["touch", "/dev/shm/seen", "/tmp/unseen"])

    names = _in_image(cluster, "ls /dev/shm /tmp").split()
    assert "seen" in names
    assert "unseen" not in names


def test_the_images_variable_wins_over_the_hosts(cluster: Cluster) -> None:
    script = "echo $FROM_IMAGE $BOTH $FROM_HOST"

    assert _in_image(cluster, script, BOTH="host", FROM_HOST="host") == "image image host"


def test_the_hosts_variable_wins_when_it_is_named_in_container_env(cluster: Cluster) -> None:
    shown = _in_image(cluster, "echo $BOTH", "--container-env=OTHER,BOTH", BOTH="host")

    assert shown == "host"


def test_the_hosts_locale_does_not_enter_unless_named(cluster: Cluster) -> None:
    assert _in_image(cluster, "echo ${LC_ALL-unset}", LC_ALL="C") == "unset"
    assert _in_image(cluster, "echo $LC_ALL", "--container-env=LC_ALL", LC_ALL="C") == "C"


def test_mounts_appear_at_their_targets(cluster: Cluster) -> None:
    (cluster.state.shared / "data").mkdir(exist_ok=True)
    (cluster.state.shared / "data" / "file").write_text("content")

    mounts = "--container-mounts=/srv/data:/new/place,/srv/data/file:/one-file:ro"
    assert _in_image(cluster, "cat /new/place/file /one-file", mounts) == "contentcontent"


def test_a_read_only_mount_cannot_be_written(cluster: Cluster) -> None:
    shown = _in_image(cluster, "touch /d/x 2>&1; true", "--container-mounts=/srv:/d:ro")

    assert "Read-only" in shown


def test_the_working_folder_can_be_set(cluster: Cluster) -> None:
    assert _in_image(cluster, "pwd", "--container-workdir=/usr/lib") == "/usr/lib"


def test_the_home_is_mounted_only_when_asked_for(cluster: Cluster) -> None:
    script = "test -d $HOME && echo yes || echo no"
    home = str(cluster.state.shared)

    assert _in_image(cluster, script, "--no-container-mount-home", HOME=home) == "no"
    assert _in_image(cluster, script, "--container-mount-home", HOME=home) == "yes"


def test_a_readonly_root_cannot_be_written_and_others_can(cluster: Cluster) -> None:
    assert _in_image(cluster, "touch /mark && echo done") == "done"
    assert "Read-only" in _in_image(cluster, "touch /mark 2>&1; true", "--container-readonly")


def test_one_container_is_shared_by_a_steps_tasks_and_not_by_steps(cluster: Cluster) -> None:
    meet = "touch /$SLURM_PROCID.task; until [ $(ls / | grep -c task) = 4 ]; do sleep 0.02; done"
    steps = [[*in_container("--ntasks=4"), "sh", "-c", meet], in_container("ls", "/")]
    done = cluster.run(["sh", "-c", "; ".join(map(shlex.join, steps))])

    assert done.returncode == 0
    assert "etc" in done.stdout
    assert "task" not in done.stdout


def test_a_named_container_is_kept_for_the_next_step_of_the_job(cluster: Cluster) -> None:
    make = " ".join(in_container("--container-name=kept", "touch", "/mark"))
    script = f"{make} && srun --container-name=kept ls /mark"
    done = cluster.run(["sh", "-c", script])

    assert (done.returncode, done.stdout.strip()) == (0, "/mark"), done.stderr
    assert "does not exist" in _refused(cluster, "--container-name=kept")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--container-image=/srv/images/missing.sqsh", "No such file or directory"),
        ("--container-image=/etc/hosts", "Invalid image format: /etc/hosts"),
        ("--container-image=nvcr.example/dynamo:1", "failed to import docker image"),
    ],
)
def test_an_image_that_cannot_be_had_fails_the_step(
    cluster: Cluster, option: str, words: str
) -> None:
    told = _refused(cluster, option)

    assert "pyxis: " in told
    assert words in told


def test_a_missing_mount_source_fails_the_step_and_is_named(cluster: Cluster) -> None:
    options = [f"--container-image={IMAGE}", "--container-mounts=/srv/missing:/x"]

    assert "source path does not exist: /srv/missing" in _refused(cluster, *options)


@pytest.mark.parametrize("mount", [":/x", "/srv:", "srv:/x", "/srv:x", "/srv:/x:nonsense"])
def test_a_malformed_mount_is_refused_before_the_step_starts(cluster: Cluster, mount: str) -> None:
    told = _refused(cluster, f"--container-image={IMAGE}", f"--container-mounts={mount}")

    assert "srun: error: pyxis: --container-mounts: invalid format" in told
    assert "slurmstepd" not in told


def test_all_tasks_of_a_failed_container_end_with_one_explanation_a_node(cluster: Cluster) -> None:
    told = _refused(
        cluster, *ALL_TASKS, "--container-image=/srv/images/missing.sqsh", nodes=SMALL.nodes
    )

    assert told.count("[ERROR] No such file or directory") == SMALL.nodes
    assert told.count("was not started successfully by another task") == 3 * SMALL.nodes


def test_a_step_without_an_image_runs_on_the_node(cluster: Cluster) -> None:
    done = cluster.run(["srun", "sh", "-c", "ls -d /etc/slurm /srv/images"])

    assert done.stdout.split() == ["/etc/slurm", "/srv/images"]


def test_ranks_of_all_containers_meet_in_one_pmix_world(cluster: Cluster) -> None:
    step = in_container(*ALL_TASKS, "--mpi=pmix", "/usr/bin/python3", "-c", PMIX_WORLD)
    done = cluster.run(step, nodes=SMALL.nodes)

    world = SMALL.nodes * 4
    assert sorted(done.stdout.splitlines()) == [f"rank {rank} of {world}" for rank in range(world)]


def test_many_steps_at_once_on_one_node_each_get_a_container(cluster: Cluster) -> None:
    one = " ".join([*in_container("--overlap"), "cat", "/etc/of-the-image"])
    script = f"for k in 1 2 3 4 5 6; do {one} & done; wait"
    done = cluster.run(["sh", "-c", script])

    assert done.stdout.split() == ["image"] * 6


def test_an_image_there_at_the_start_is_mounted_once_for_all_nodes(cluster: Cluster) -> None:
    step = in_container(f"--nodes={SMALL.nodes}", "sleep", "60")
    process = subprocess.Popen(
        cluster.run_command(step, nodes=SMALL.nodes),
        env=cluster.environment(),
        cwd=PROJECT_ROOT,
    )
    running = wait_for(lambda: _tasks(cluster, "sleep") == SMALL.nodes, timeout_s=20)
    devices = attached(cluster.state)
    process.terminate()
    process.wait(20)

    assert running
    assert len(devices) == 1


def _tasks(cluster: Cluster, name: str) -> int:
    return sum(len(step["tasks"]) for step in cluster.status()["steps"] if step["name"] == name)


def test_an_image_put_there_while_the_testbed_is_up_is_used(cluster: Cluster) -> None:
    later = cluster.state.images / "later.sqsh"
    later.write_bytes((cluster.state.images / "tiny.sqsh").read_bytes())

    done = cluster.run(
        ["srun", "--container-image=/srv/images/later.sqsh", "cat", "/etc/of-the-image"]
    )
    later.unlink()
    assert (done.returncode, done.stdout) == (0, "image\n")
