"""``spec`` of a SparkIoTJob: what a user states. Every field has a description with its unit; defaults live here."""

import enum
from typing import Literal

from pydantic import Field

from sparkiot_policies.job import Mode, Weekday
from sparkiot_policies.objectives import Scenario

from .base import ClockTime, Dollars, Duration, Memory, Model, Name, Schemaless, Share, rules, section
from .edge import Edge
from .promotion import Canary, Promotion
from .shuffle import Shuffle


class BackendKind(enum.StrEnum):
    SPARK = "Spark"
    SIMULATED = "Simulated"


class DriverPod(Model):
    cores: int = Field(1, ge=1, le=64, description="CPU cores of the driver.")
    memory: Memory = Field("1Gi", description="Memory of the driver, in Mi or Gi.")
    template: Schemaless = Field({}, description="Pod template that is merged into the driver pod.")


class ExecutorPod(Model):
    cores: int = Field(1, ge=1, le=64, description="CPU cores of one executor.")
    template: Schemaless = Field({}, description="Pod template that is merged into executor pods.")


class Application(Model):
    """The Spark application that the live backend runs."""

    model_config = rules(
        (
            "has(self.checkpointLocation)",
            "checkpointLocation is needed: without a checkpoint a restart loses or doubles rows",
            ".checkpointLocation",
        )
    )
    image: str = Field(max_length=512, min_length=1, description="Container image with Spark and the application.")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="When the image is pulled; as Kubernetes defaults it when absent."
    )
    image_pull_secrets: list[Name] = Field(
        [], max_length=16, description="Secrets of the job's namespace for the image's registry."
    )
    service_account_name: Name | None = Field(
        None, description="Service account of the driver; the operator makes one with the least rights when absent."
    )
    spark_version: str = Field(
        "3.5.9", pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$", max_length=16, description="Spark release in the image."
    )
    main_application_file: str = Field(
        max_length=1024,
        pattern=r"^local:///.+\.py$",
        description="PySpark file in the image or on a mounted volume, for example local:///opt/app/main.py.",
    )
    arguments: list[str] = Field([], max_length=128, description="Arguments of the application.")
    spark_conf: dict[str, str] = Field({}, description="Spark configuration properties.")
    driver: DriverPod = section(DriverPod, "The driver pod.")
    executor: ExecutorPod = section(ExecutorPod, "Executor pods; their memory is the policy's decision.")
    checkpoint_location: str | None = Field(
        None, max_length=1024, min_length=1, description="Shared storage of the query's checkpoint."
    )


class WeightsSpec(Model):
    """Reward weights; they sum to 1."""

    model_config = rules(
        (
            "self.cost + self.latency + self.throughput > 0.999 && self.cost + self.latency + self.throughput < 1.001",
            "cost, latency and throughput must sum to 1",
            "",
        )
    )
    cost: Share = Field(description="Weight of cost (alpha), 0 to 1.")
    latency: Share = Field(description="Weight of latency (beta), 0 to 1.")
    throughput: Share = Field(description="Weight of throughput (gamma), 0 to 1.")


class LatencyObjective(Model):
    model_config = rules(
        (
            "duration(self.target) >= duration('1ms') && duration(self.target) <= duration('24h')",
            "target must be from 1ms to 24h",
            ".target",
        )
    )
    target: Duration = Field("1s", description="End-to-end latency that a micro-batch must meet, for example 1s.")
    quantile: float = Field(
        0.95, ge=0.5, le=0.9999, description="Share of micro-batches that must meet the target, 0.5 to 0.9999."
    )


class ObjectivesSpec(Model):
    scenario: Scenario = Field(
        Scenario.BALANCED, description="Named reward weights; Auto leaves them to the meta-controller."
    )
    weights: WeightsSpec | None = Field(None, description="Explicit reward weights; they win over the scenario.")
    latency: LatencyObjective = section(LatencyObjective, "The latency objective.")
    budget_per_hour: Dollars | None = Field(
        None, description="Ceiling of the job's cost in dollars an hour, as a decimal string such as 6.00."
    )


class ExecutorBounds(Model):
    model_config = rules(
        ("self.min <= self.max", "min must not exceed max", ".min"),
        (
            "!has(self.override) || (self.override >= self.min && self.override <= self.max)",
            "override must lie between min and max",
            ".override",
        ),
    )
    min: int = Field(1, ge=1, le=1000, description="Fewest executors.")
    max: int = Field(20, ge=1, le=1000, description="Most executors.")
    override: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Pins the number of executors until it is cleared; kubectl scale sets it.",
    )


class MemoryBounds(Model):
    model_config = rules(
        ("quantity(self.min).compareTo(quantity(self.max)) <= 0", "min must not exceed max", ".min"),
    )
    min: Memory = Field("1Gi", description="Least memory of one executor, in Mi or Gi.")
    max: Memory = Field("8Gi", description="Most memory of one executor, in Mi or Gi.")


class ScaleUp(Model):
    max_step: int = Field(10, ge=1, le=1000, description="Most executors that one decision adds.")
    max_factor: float = Field(4.0, ge=1.1, le=100, description="Most that one decision multiplies executors by.")
    cooldown: Duration = Field("0s", description="Least time between two scale-ups.")


class ScaleDown(Model):
    stabilization: Duration = Field(
        "1m", description="Executors fall no lower than the highest proposal in this window."
    )
    max_factor: float = Field(
        0.5, ge=0.01, le=1, description="Largest share of the executors that one decision removes, 0.01 to 1."
    )
    cooldown: Duration = Field("1m", description="Least time between two scale-downs.")


class RestartBounds(Model):
    min_interval: Duration = Field("30m", description="Least time between two restarts that the policy asks for.")
    cost: Duration = Field("1m", description="Expected outage of a restart, until one was measured.")
    horizon: Duration = Field("1h", description="Time over which a restart must pay for itself.")
    stabilization: Duration = Field(
        "5m", description="Time in which every proposal must have agreed on more, or on less, memory."
    )


class ExcludedPeriodSpec(Model):
    """A daily span of time in which nothing is scaled. It may cross midnight."""

    start: ClockTime = Field(description="Begin, as HH:MM.")
    end: ClockTime = Field(description="End, as HH:MM, not included.")
    days: list[Weekday] = Field([], max_length=7, description="Days on which it begins; every day when empty.")
    time_zone: str = Field("UTC", max_length=64, min_length=1, description="IANA time zone, for example Europe/Berlin.")


class Scaling(Model):
    model_config = rules(
        (
            "duration(self.interval) >= duration('1s') && duration(self.interval) <= duration('1h')",
            "interval must be from 1s to 1h",
            ".interval",
        ),
        (
            "!has(self.metricsWindow) || duration(self.metricsWindow) >= duration(self.interval)",
            "metricsWindow must not be shorter than interval",
            ".metricsWindow",
        ),
    )
    mode: Mode = Field(
        Mode.ACTIVE,
        description="Active applies decisions, Advise only publishes them, Paused holds the allocation in force, "
        "Shadow lets the rule of policy.fallback act and scores the policy beside it.",
    )
    interval: Duration = Field("10s", description="Time between decisions.")
    executors: ExecutorBounds = section(ExecutorBounds, "Bounds of the number of executors.")
    memory: MemoryBounds = section(MemoryBounds, "Bounds of the memory of one executor.")
    scale_up: ScaleUp = section(ScaleUp, "How fast executors are added.")
    scale_down: ScaleDown = section(ScaleDown, "How fast executors are removed.")
    restart: RestartBounds = section(RestartBounds, "When a change that restarts the job may be taken.")
    shuffle_cooldown: Duration = Field("1m", description="Least time between two changes of tier or compression.")
    metrics_window: Duration | None = Field(
        None, description="Time over which rates and latency are averaged; five intervals, at least 2m, when absent."
    )
    slo_window: Duration = Field("1h", description="Time over which SLO attainment is counted.")
    stale_after: Duration | None = Field(
        None,
        description="Age at which a measurement holds the allocation; three intervals, at least 30s, when absent.",
    )
    fallback_duration: Duration = Field("10m", description="How long the fallback rule acts once it took over.")
    excluded_periods: list[ExcludedPeriodSpec] = Field(
        [], max_length=32, description="Daily periods in which nothing is scaled."
    )


class PolicyRef(Model):
    model_config = rules(
        (
            (
                "!has(self.canary) || (has(self.canary.name) && self.canary.name != self.name) || "
                "(has(self.canary.digest) && (!has(self.digest) || self.canary.digest != self.digest))"
            ),
            "canary must name another policy or digest than the job's own",
            ".canary",
        ),
    )
    name: Name = Field("default", description="Learned policy of the operator's library, or a rule such as RateAhead.")
    digest: str | None = Field(
        None, pattern="^sha256:[0-9a-f]{64}$", max_length=71, description="Digest that the artifact must have."
    )
    meta_controller: Name = Field(
        "default-meta", description="Learned meta-controller that sets the weights of scenario Auto."
    )
    fallback: Literal["Rate", "RateAhead", "HPA", "Fixed"] = Field(
        "Rate", description="Rule that acts when the policy must not."
    )
    promotion: Promotion = section(Promotion, "When the policy of a job of mode Shadow may act.")
    canary: Canary | None = Field(
        None, description="Another version of the policy, for a share of the jobs that state it."
    )


class RestartPolicy(Model):
    type: Literal["Never", "OnFailure", "Always"] = Field("OnFailure", description="When a driver is started again.")
    max_retries: int = Field(5, ge=0, le=1000, description="Most restarts after failures.")
    reset_after: Duration = Field("10m", description="Running time after which failures are forgotten.")
    backoff: Duration = Field("10s", description="Wait before the first restart; it doubles each time.")


Domain = Literal["SmartCity", "Healthcare", "Industrial"]


class Generator(Model):
    kind: Domain = Field(description="Shape of the generated load.")
    mean_rate: float = Field(300, ge=0.001, le=1e9, description="Mean arrival rate in messages a second.")


class ConfigMapKey(Model):
    name: Name = Field(description="Name of the ConfigMap in the job's namespace.")
    key: Name = Field("trace.csv", description="Key that holds the CSV.")


class TraceSource(Model):
    config_map_key_ref: ConfigMapKey = Field(description="CSV with the columns timestamp and value.")
    mean_rate: float | None = Field(
        None, ge=0.001, le=1e9, description="Scale the series to this mean in messages a second; as it is when absent."
    )


class WorkloadSpec(Model):
    model_config = rules(
        ("has(self.generator) != has(self.trace)", "state exactly one of generator and trace", ""),
    )
    generator: Generator | None = Field(None, description="Generated load.")
    trace: TraceSource | None = Field(None, description="Recorded load.")


class SignalQualitySpec(Model):
    model_config = rules(
        (
            "duration(self.lead) >= duration('1s') && duration(self.lead) <= duration('1h')",
            "lead must be from 1s to 1h",
            ".lead",
        ),
    )
    recall: Share = Field(0.8, description="Share of bursts that are announced, 0 to 1.")
    false_alarms: float = Field(0.2, ge=0, le=0.95, description="Share of alarms that no burst follows, 0 to 0.95.")
    lead: Duration = Field("1m", description="How long before a burst it is announced.")


class Simulation(Model):
    """What the simulated backend plays."""

    model_config = rules(
        (
            "!has(self.duration) || duration(self.duration) >= duration('1m')",
            "duration must be 1m or longer",
            ".duration",
        ),
    )
    workload: WorkloadSpec = Field(description="The load.")
    profile: Domain | None = Field(
        None,
        description="What the simulated query does with a message: size, work, state and shuffle. "
        "The generator's kind when absent, SmartCity for a trace.",
    )
    preset: Literal["edge-small", "cloud-coldstart", "spot", "calibrated"] = Field(
        "cloud-coldstart", description="Calibration of the cluster model; calibrated was measured with Spark."
    )
    edge: SignalQualitySpec | None = Field(None, description="Simulated edge signals; none when absent.")
    acceleration: float = Field(1.0, ge=1, le=100000, description="Job time passes so many times faster than real.")
    duration: Duration | None = Field(None, description="Job time after which the job completes; endless when absent.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of everything random.")


class SparkIoTJobSpec(Model):
    """Desired state of a streaming job."""

    model_config = rules(
        (
            "!has(self.backend) || self.backend != 'Spark' || has(self.application)",
            "backend Spark needs application",
            ".application",
        ),
        (
            "!has(self.backend) || self.backend != 'Simulated' || has(self.simulation)",
            "backend Simulated needs simulation",
            ".simulation",
        ),
        ("has(self.application) || has(self.simulation)", "state application, simulation or both", ""),
        (
            "self.scaling.mode != 'Shadow' || self.policy.name != self.policy.fallback",
            "mode Shadow compares policy.name with the rule policy.fallback: they must differ",
            ".policy.name",
        ),
    )
    backend: BackendKind | None = Field(
        None, description="What runs the job: Spark or Simulated; the operator's setting when absent."
    )
    suspend: bool = Field(False, description="Stop the job and keep its checkpoint; false resumes it.")
    application: Application | None = Field(None, description="The Spark application.")
    objectives: ObjectivesSpec = section(ObjectivesSpec, "What the job is to achieve.")
    scaling: Scaling = section(Scaling, "How the job may be scaled: the bounds of the safety envelope.")
    shuffle: Shuffle = section(Shuffle, "Shuffle tier and compression.")
    edge: Edge | None = Field(None, description="Burst signals from the edge.")
    policy: PolicyRef = section(PolicyRef, "Which policy decides.")
    restart_policy: RestartPolicy = section(RestartPolicy, "What happens when a driver ends.")
    ttl_seconds_after_finished: int | None = Field(
        None,
        ge=0,
        description="Seconds after which a finished job is deleted; never when absent.",
    )
    simulation: Simulation | None = Field(None, description="What the simulated backend plays.")
