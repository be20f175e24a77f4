"""Policies by name: rules, packaged artifacts, those of the operator's folder, reloaded when their files change, and
those that are fetched.

A policy that cannot be loaded is still a policy: one that declines every decision with the reason, so that the job runs
on its fallback rule and says why. Artifacts are shared by all jobs: policies are pure.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from sparkiot_policies import library
from sparkiot_policies.allocation import Allocation
from sparkiot_policies.artifact import Artifact, load_artifact
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.errors import ArtifactError, PolicyError
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job
from sparkiot_policies.learned import LearnedMetaController, LearnedPolicy
from sparkiot_policies.policy import MetaController, Policy
from sparkiot_policies.rules import RULES, rule

from .metrics.timed import TimedMetaController, TimedPolicy, Timer

LOGGER = logging.getLogger(__name__)
ARCHIVE_SUFFIXES = ("", ".zip", ".tar", ".tar.gz", ".tgz")
Fingerprint = tuple[tuple[str, int, int], ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """One policy as it is now. value: None when it cannot be used; ``problem`` names the file and the reason."""

    value: T | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class UnavailablePolicy:
    """Declines every decision: the fallback rule acts, and the decision says why."""

    name: str
    problem: str

    @property
    def identity(self) -> PolicyIdentity:
        return PolicyIdentity(self.name, "unavailable")

    def needs(self) -> tuple[str, ...]:
        return ()

    def unfamiliar(self, evaluation: Evaluation) -> tuple[str, ...]:  # noqa: ARG002 - the protocol passes it
        return ()

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:  # noqa: ARG002 - the protocol passes them
        raise PolicyError(self.problem)


class Fetched(Protocol):
    """Policies that come from elsewhere."""

    @property
    def problems(self) -> Mapping[str, str]:
        """Why one is not there, by name."""
        ...

    def path(self, name: str) -> Path | None:
        """The archive of one that is there."""
        ...


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    digest: str | None
    build: Callable[[Artifact], object]


@dataclass(frozen=True, slots=True)
class _Entry:
    seen: "_Seen"
    loaded: Loaded[object]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is there of a policy, and what its loading depends on. problem: why it was not fetched."""

    path: Path | None
    fingerprint: Fingerprint
    problem: str | None


class PolicyStore:
    """Loads on first use, and again when ``refresh`` sees changed files.

    folder: with artifacts besides the packaged ones. digests: that these must have, by name. fetched: further ones,
    which win over the folder's; None where nothing is fetched. inference: the timer of a role's answers (policy, meta);
    None where nobody measures them.
    """

    def __init__(
        self,
        *,
        folder: Path | None,
        digests: Mapping[str, str],
        fetched: Fetched | None = None,
        inference: Callable[[str], Timer] | None = None,
    ) -> None:
        self._folder = folder
        self._fetched = fetched
        self._inference = inference
        self._digests = digests
        self._entries: dict[_Key, _Entry] = {}
        self._rules = {name: rule(name) for name in RULES}

    def policy(self, name: str, digest: str | None) -> Loaded[Policy]:
        """The policy of a name: a rule, or an artifact with this digest (None: the settings' one)."""
        if name in self._rules:
            return Loaded(self._rules[name])
        return self._get(_Key(name, digest, LearnedPolicy))

    def meta_controller(self, name: str) -> Loaded[MetaController]:
        return self._get(_Key(name, None, LearnedMetaController))

    def fallback(self, name: str) -> Policy:
        """A rule by name; the resource allows only names that exist."""
        return self._rules[name]

    def refresh(self) -> None:
        """Load again what changed on disk. Cheap when nothing did: it looks at sizes and times of modification."""
        for key, entry in list(self._entries.items()):
            if self._look(key.name) == entry.seen:
                continue
            self._entries[key] = fresh = self._load(key)
            if fresh.loaded.problem is None:
                LOGGER.info("policy %s was loaded again from %s", key.name, fresh.seen.path)

    @property
    def problems(self) -> Mapping[str, str]:
        """Policies in use that cannot be loaded, with the reason."""
        return {k.name: e.loaded.problem for k, e in self._entries.items() if e.loaded.problem is not None}

    def _get(self, key: _Key) -> Loaded[T]:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = self._load(key)
        return entry.loaded  # type: ignore[return-value]  # the key's builder fixes the type

    def _load(self, key: _Key) -> _Entry:
        seen = self._look(key.name)
        try:
            loaded: Loaded[object] = Loaded(self._timed(key.build(self._artifact(key, seen))))
        except PolicyError as error:
            LOGGER.warning("policy %s cannot be used: %s", key.name, error)
            loaded = Loaded(None, str(error))
        return _Entry(seen, loaded)

    def _timed(self, value: object) -> object:
        if self._inference is None:
            return value
        if isinstance(value, LearnedPolicy):
            return TimedPolicy(value, self._inference("policy"))
        return (
            TimedMetaController(value, self._inference("meta")) if isinstance(value, LearnedMetaController) else value
        )

    def _artifact(self, key: _Key, seen: _Seen) -> Artifact:
        if seen.problem is not None:
            raise ArtifactError(seen.problem)
        path = seen.path
        if path is None:
            if key.name not in library.shipped():
                have = ", ".join((*RULES, *library.shipped()))
                where = self._folder or "policies-dir, which is not set"
                raise ArtifactError(f"it is none of {have}, and not in {where}")
            return library.load(key.name, key.digest)
        digest = key.digest or self._digests.get(key.name)
        if digest is None:
            raise ArtifactError(
                f"{path}: no digest was given for it; set policy-digests {key.name}=sha256:… for the operator "
                "or spec.policy.digest in the job (`sparkiot policy show` prints it)"
            )
        return load_artifact(path, digest)

    def _look(self, name: str) -> _Seen:
        path = self._locate(name)
        return _Seen(path, _fingerprint(path), self._fetched.problems.get(name) if self._fetched else None)

    def _locate(self, name: str) -> Path | None:
        """The file or folder of a name, fetched or in the operator's folder; None: only the package may have it."""
        if self._fetched is not None and (found := self._fetched.path(name)) is not None:
            return found
        if self._folder is None:
            return None
        candidates = (self._folder / f"{name}{suffix}" for suffix in ARCHIVE_SUFFIXES)
        return next((path for path in candidates if path.exists()), None)


def _fingerprint(path: Path | None) -> Fingerprint:
    """Name, size and time of modification of each file; empty for what is absent, or goes while it is looked at: what
    replaces it is seen by the next look."""
    if path is None or not path.exists():
        return ()
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        return tuple((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file())
    except FileNotFoundError:
        return ()
