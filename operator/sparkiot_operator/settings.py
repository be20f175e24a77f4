"""The operator's settings: each with unit, default and reason, from the environment (``SPARKIOT_…``) or flags."""

import enum
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from .driver_tokens import TOKEN_LIFETIME_S
from .policy_source import Source
from .resource.spec import BackendKind
from .spark.confinement import Confinement
from .spark.pod_security import Level


class LogFormat(enum.StrEnum):
    TEXT = "text"
    JSON = "json"


class LogLevel(enum.StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Settings(BaseSettings):
    """Frozen. Lists are JSON in the environment (``SPARKIOT_NAMESPACES='["iot"]'``) and repeated as flags."""

    model_config = SettingsConfigDict(env_prefix="SPARKIOT_", frozen=True, extra="forbid")

    namespaces: list[str] = Field(
        [], description="Namespaces to watch. Exclusive with all-namespaces, so that the scope is always stated."
    )
    all_namespaces: bool = Field(False, description="Watch every namespace; needs a cluster role.")
    leader_elect: bool = Field(
        False,
        description="Act only while this process holds a Lease (coordination.k8s.io): of several replicas one acts, "
        "the others stand by.",
    )
    leader_lease_name: str = Field("sparkiot-operator", description="Name of that Lease: one for each set of replicas.")
    leader_lease_namespace: str | None = Field(
        None, description="Namespace of that Lease. Absent: the one that the operator's pod runs in."
    )
    leader_lease_seconds: int = Field(
        15,
        ge=1,
        description="Seconds without a renewal after which another replica takes the Lease: the longest pause of "
        "decisions when a replica dies. One that ends in order gives it back at once.",
    )
    leader_deadline_seconds: float = Field(
        10.0,
        gt=0,
        description="Seconds without a renewal after which the holder stops acting and ends: well below the Lease's, "
        "so that its last call has ended before another replica begins.",
    )
    leader_retry_seconds: float = Field(
        2.0, gt=0, description="Seconds between two renewals by the holder, and between two looks by the others."
    )
    kubeconfig: Path | None = Field(
        None, description="Kubeconfig file. Absent: the pod's service account, then KUBECONFIG, then ~/.kube/config."
    )
    default_backend: BackendKind = Field(
        BackendKind.SIMULATED,
        description="Backend of a job that names none: Spark runs it live, Simulated plays it.",
    )
    runtime_image: str | None = Field(
        None,
        description="Image whose init container brings the driver's runtime into a job's Spark image: the operator's "
        "own. Absent: jobs of backend Spark are refused.",
    )
    runtime_image_pull_policy: str | None = Field(
        None,
        description="Pull policy of that image: Always, IfNotPresent or Never; as Kubernetes defaults it if absent.",
    )
    driver_timeout_seconds: float = Field(
        3.0, gt=0, description="Seconds until a call to a driver counts as failed; well below a job's interval."
    )
    driver_token_seconds: float = Field(
        TOKEN_LIFETIME_S,
        ge=1,
        description="Seconds after which the token of a driver's endpoint is replaced, as the job runs. A stolen one "
        "serves until then, and for the minute or two until the pod's files follow.",
    )
    endpoint_peers: list[dict[str, Any]] = Field(
        [],
        description="Who may call the endpoint in a job's driver: NetworkPolicyPeers, in JSON, the operator itself "
        "among them. With any, each live job gets a network policy that closes its pods to all others.",
    )
    default_pod_security: Level = Field(
        Level.RESTRICTED,
        description="Pod security standard (privileged, baseline or restricted) that the pods of jobs must meet in a "
        "namespace whose label pod-security.kubernetes.io/enforce names none. Where it names one, that counts.",
    )
    host_paths: list[str] = Field(
        [],
        description="Folders of nodes that the pods of jobs may mount in namespaces that are not privileged: exactly "
        "these, and all below one that ends in /. State that only for folders in which no job can make links.",
    )
    job_service_accounts: list[str] = Field(
        [],
        description="Service accounts that jobs may name, as NAMESPACE/NAME, each part a name or a pattern with *. A "
        "job that names none gets its own. Who creates a job has the rights of the account that it names.",
    )
    policies_dir: Path | None = Field(
        None,
        description="Folder with policy artifacts besides the packaged ones, one folder or archive each, named by "
        "the policy. Only artifacts with a digest in policy-digests, or in the job's own spec, are loaded.",
    )
    policy_digests: dict[str, str] = Field(
        {},
        description="Digest (sha256:…) that the artifact of a policy in policies-dir must have, by policy name. As a "
        "flag: NAME=DIGEST, repeated. A job's spec.policy.digest wins.",
    )
    policy_sources: dict[str, str] = Field(
        {},
        description="Archives in S3 to fetch policies from, by policy name: s3://BUCKET/KEY. Each needs its digest in "
        "policy-digests; another artifact is refused. As a flag: NAME=s3://BUCKET/KEY, repeated. Credentials are those "
        "of the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or of the pod's role.",
    )
    policy_s3_endpoint: str | None = Field(
        None, description="URL of the S3-compatible server that holds policy-sources. Absent: AWS."
    )
    policy_s3_region: str | None = Field(None, description="Region of the buckets of policy-sources. Absent: boto3's.")
    policy_reload_seconds: float = Field(
        5.0, gt=0, description="Seconds between looks at the policy files; a changed one is loaded without a restart."
    )
    status_interval_seconds: float = Field(
        10.0,
        ge=0,
        description="Least seconds between two status patches that carry only new measurements; changes of "
        "allocation, phase or health are written at once. Lower costs API writes, higher makes kubectl get lag.",
    )
    event_interval_seconds: float = Field(
        60.0, ge=0, description="Least seconds between two events of one reason on one job; those between are counted."
    )
    error_backoff_seconds: float = Field(
        2.0, gt=0, description="Seconds until a job whose cycle failed is tried again; doubles with every failure."
    )
    error_backoff_max_seconds: float = Field(
        60.0, gt=0, description="Longest of those waits in seconds, so that a mended cause is noticed within it."
    )
    api_timeout_seconds: float = Field(
        10.0, gt=0, description="Seconds until a call to the API server counts as failed; one interval of a usual job."
    )
    watch_timeout_seconds: int = Field(
        300,
        ge=1,
        description="Seconds after which a watch is renewed by the server. A connection that died silently is noticed "
        "half a minute later.",
    )
    health_host: str = Field(
        "127.0.0.1",
        description="Address of /healthz, /readyz and /metrics. Loopback unless stated; 0.0.0.0 inside a pod.",
    )
    health_port: int = Field(8080, ge=0, le=65535, description="TCP port of the same; 0 takes a free one and logs it.")
    dashboard: bool = Field(
        False,
        description="Serve a read-only page with all jobs and their timelines, on loopback only: reach it by kubectl "
        "port-forward.",
    )
    dashboard_port: int = Field(
        8090, ge=0, le=65535, description="TCP port of that page; 0 takes a free one and logs it."
    )
    audit_dir: Path | None = Field(
        None, description="Folder of the audit log, one JSON line a decision. Absent: no audit log is kept."
    )
    audit_max_mebibytes: float = Field(
        64.0, gt=0, description="MiB at which the audit log is rotated; a decision takes about 6 KiB."
    )
    audit_files: int = Field(
        10,
        ge=1,
        description="Rotated audit files to keep; with the default size 640 MiB, half a day of 20 jobs at 10 s.",
    )
    log_level: LogLevel = Field(LogLevel.INFO, description="Least level that is logged.")
    log_format: LogFormat = Field(LogFormat.TEXT, description="text for people, json (one object a line) for machines.")
    shutdown_seconds: float = Field(
        10.0, gt=0, description="Seconds for a clean shutdown; well below the 30 s that Kubernetes grants a pod."
    )

    @property
    def confinement(self) -> Confinement:
        """What the pods of jobs may ask for."""
        return Confinement(
            default_level=self.default_pod_security,
            host_paths=tuple(self.host_paths),
            service_accounts=tuple(self.job_service_accounts),
        )

    @field_validator("host_paths")
    @classmethod
    def _paths_are_absolute(cls, paths: list[str]) -> list[str]:
        if wrong := [path for path in paths if not path.startswith("/") or ".." in path.split("/")]:
            raise ValueError(f"a folder of the nodes is absolute and has no ..: {', '.join(wrong)}")
        return paths

    @field_validator("job_service_accounts")
    @classmethod
    def _accounts_have_namespaces(cls, accounts: list[str]) -> list[str]:
        if wrong := [account for account in accounts if account.count("/") != 1]:
            raise ValueError(f"state NAMESPACE/NAME, not {', '.join(wrong)}")
        return accounts

    @field_validator("policy_sources")
    @classmethod
    def _sources_are_objects(cls, sources: dict[str, str]) -> dict[str, str]:
        for text in sources.values():
            Source.parse(text)
        return sources

    @model_validator(mode="after")
    def _scope_is_stated(self) -> Self:
        if bool(self.namespaces) == self.all_namespaces:
            raise ValueError("state either namespaces (--namespace, may be repeated) or all-namespaces")
        if not self.leader_retry_seconds < self.leader_deadline_seconds < self.leader_lease_seconds:
            raise ValueError(
                "leader-retry-seconds must be below leader-deadline-seconds, and that below leader-lease-seconds"
            )
        if unknown := sorted(set(self.policy_sources) - set(self.policy_digests)):
            raise ValueError(f"policy-sources: no digest was given for {', '.join(unknown)}; set policy-digests")
        if self.error_backoff_max_seconds < self.error_backoff_seconds:
            raise ValueError("error-backoff-max-seconds must not be below error-backoff-seconds")
        return self
