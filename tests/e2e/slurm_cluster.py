"""Run a one-node Slurm cluster for tests, in one folder and with links in /etc/slurm while it runs.

python -m tests.e2e.slurm_cluster FOLDER starts one and waits for Ctrl-C.

Snakemake clears Slurm's variables inside a job, so the configuration must be where Slurm looks without them. On a
machine that already has a Slurm, nothing is started. The cluster needs root, and Debian's packages:
apt-get install slurm-wlm munge. Process tracking and accounting are the simple ones that work in a container. The node
declares two GPUs that do not exist, so that Slurm accepts requests for one.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

GPU_DEVICES = ("/dev/null", "/dev/zero")  # Slurm wants a device file for each GPU; these are everywhere
CONFIGURATION_FILES = ("slurm.conf", "gres.conf")
SYSTEM_FOLDER = Path("/etc/slurm")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "srun")

CONFIGURATION = """
ClusterName=lungsight
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=20
KillWait=2
MinJobAge=600
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:2
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Say what a cluster on this machine lacks; "" where nothing."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=search_path())]
    if absent:
        return f"no Slurm on this machine ({', '.join(absent)} absent): apt-get install slurm-wlm munge"
    if (SYSTEM_FOLDER / "slurm.conf").exists():
        return f"this machine has a Slurm of its own ({SYSTEM_FOLDER}/slurm.conf)"
    return "" if os.getuid() == 0 else "a one-node Slurm needs root"


def search_path() -> str:
    """Return PATH with the folders of the daemons."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class SlurmCluster:
    """Run the daemons during a `with` block; `environment` has the variables that a user of the cluster needs."""

    def __init__(self, folder: Path, cpus: int | None = None, memory: int = 200_000):
        self.folder = folder
        self.host = socket.gethostname().split(".")[0]
        self.environment = {"PATH": search_path()}
        self._daemons: dict[str, subprocess.Popen] = {}
        for name in ("state", "spool", "munge"):
            (folder / name).mkdir(parents=True)
        (folder / "munge").chmod(0o700)
        key = folder / "munge" / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        text = CONFIGURATION.format(
            **{"host": self.host, "folder": folder, "cpus": cpus or os.cpu_count(), "memory": memory},
            **{"controller_port": free_port(), "node_port": free_port()},
        )
        (folder / "slurm.conf").write_text(text, encoding="utf-8")
        devices = "".join(f"NodeName={self.host} Name=gpu File={device}\n" for device in GPU_DEVICES)
        (folder / "gres.conf").write_text(devices, encoding="utf-8")

    def _start(self, name: str, *arguments: str) -> None:
        log = open(self.folder / f"{name}.out", "ab")  # noqa: SIM115  # the daemon keeps it open
        self._daemons[name] = subprocess.Popen(
            [shutil.which(name, path=search_path()), *arguments],
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()

    def start_node(self) -> None:
        """Start the node's daemon, or start it again after a kill."""
        self._start("slurmd", "-D", "-N", self.host)

    def kill_node(self) -> None:
        """Kill the node's daemon with kill -9; its jobs stay alive, as on a real node."""
        self._daemons["slurmd"].kill()
        self._daemons["slurmd"].wait()

    def command(self, *arguments: str) -> str:
        """Run one of Slurm's commands; return its standard output."""
        done = subprocess.run(
            arguments, env=os.environ | self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout

    def jobs(self, *options: str, what: str = "%i") -> list[str]:
        """List one field of every job of squeue."""
        return self.command("squeue", "--noheader", f"--format={what}", *options).split()

    def wait_for_node(self, seconds: float = 60) -> None:
        """Wait until the node takes jobs. Raises RuntimeError with the daemons' logs if it does not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.command("sinfo", "--noheader", "--format=%t").strip() in ("idle", "mix", "alloc"):
                return
            time.sleep(1)
        logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(self.folder.glob("*.log")))
        raise RuntimeError(f"the Slurm node did not come up:\n{logs}")

    def _link(self) -> None:
        """Link the configuration to where Slurm's commands look; replace links that an earlier test left."""
        SYSTEM_FOLDER.mkdir(exist_ok=True)
        for name in CONFIGURATION_FILES:
            (SYSTEM_FOLDER / name).unlink(missing_ok=True)
            (SYSTEM_FOLDER / name).symlink_to(self.folder / name)

    def __enter__(self) -> "SlurmCluster":
        self._link()
        munge = self.folder / "munge"
        self._start(
            *("munged", "--foreground", "--force", f"--key-file={munge / 'munge.key'}"),
            *(f"--socket={self.folder / 'munge.socket'}", f"--pid-file={munge / 'munged.pid'}"),
            *(f"--log-file={munge / 'munged.log'}", f"--seed-file={munge / 'munged.seed'}"),
        )
        time.sleep(1)
        self._start("slurmctld", "-D", "-i")
        self.start_node()
        try:
            self.wait_for_node()
        except Exception:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel all jobs and stop the daemons, the node's before the controller's."""
        self.command("scancel", "--user=root", "--signal=KILL", "--full")
        self.command("scancel", "--user=root")
        end = time.monotonic() + 20
        while self.jobs("--states=all", what="%T").count("RUNNING") and time.monotonic() < end:
            time.sleep(1)
        for name in ("slurmd", "slurmctld", "munged"):
            if daemon := self._daemons.get(name):
                daemon.terminate()
                try:
                    daemon.wait(timeout=15)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
        for name in CONFIGURATION_FILES:
            (SYSTEM_FOLDER / name).unlink(missing_ok=True)


def main() -> None:
    if reason := why_not():
        sys.exit(reason)
    with SlurmCluster(Path(sys.argv[1]).absolute()):
        print("The cluster is up.", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
