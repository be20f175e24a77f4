"""The operator's own hands on a job's shuffle tiers: a look when the job is admitted, and the end of its blocks.

It opens the servers that it can reach with the job's own credentials: Redis, and buckets whose credentials the job
names. Buckets that a role of the pod's account opens are not touched, as the operator's own rights are none of the
job's; folders of nodes cannot be. For these the driver looks and deletes.
"""

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sparkiot_tiers.config import HotConfig, TierConfig, WarmConfig, open_store
from sparkiot_tiers.errors import TierError
from sparkiot_tiers.store import BlockStore

from .errors import ApiError, ApiNotFoundError
from .resource.shuffle import SecretKey
from .resource.spec import SparkIoTJobSpec
from .spark.tiers import blocks_prefix, secret_keys, tier_configs, variables

LOGGER = logging.getLogger(__name__)
PATIENCE_S = 30.0
"""For one look, and for deleting a job's blocks: a tier that takes longer must not hold the deletion of the job."""
AGAIN_S = 60.0
DEFINITE = frozenset({"TierDenied", "TierMisconfigured"})
"""What is wrong wherever one looks from. That the operator cannot reach a server says nothing about the pods."""


class SecretsApi(Protocol):
    async def read(self, path: str) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class TierTrouble:
    """What is wrong with a tier. reason: stable, CamelCase. message: what, where, and what to do."""

    tier: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.tier}: {self.message}"


class TierLook:
    """Looks at a job's tiers beside its cycles, once, and again while something is wrong."""

    def __init__(self, api: SecretsApi, spec: SparkIoTJobSpec, namespace: str) -> None:
        self._api, self._spec, self._namespace = api, spec, namespace
        self._task: asyncio.Task[tuple[TierTrouble, ...]] | None = None
        self._looked_at: float | None = None
        self.needed = bool(tier_configs(spec))
        self.found: tuple[TierTrouble, ...] | None = None
        """What the last look found; None before the first one has ended."""

    def refresh(self, now: float) -> None:
        """Take in a look that has ended, and begin one when it is due. now: seconds of the caller's clock."""
        if not self.needed:
            return
        if self._task is not None and self._task.done():
            self.found, self._task = self._task.result(), None
        due = self._looked_at is None or (self.found and now - self._looked_at >= AGAIN_S)
        if due and self._task is None:
            self._looked_at = now
            self._task = asyncio.create_task(look(self._api, self._spec, self._namespace))

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None


async def look(api: SecretsApi, spec: SparkIoTJobSpec, namespace: str) -> tuple[TierTrouble, ...]:
    """What is definitely wrong with the tiers of a job. Never raises: what cannot be told is left to the driver."""
    try:
        found = await _each(api, spec, namespace, lambda store: store.check())
    except ApiError as error:
        LOGGER.warning("tiers of a job in %s are left to its driver: %s", namespace, error)
        return ()
    return tuple(trouble for trouble in found if trouble.reason in DEFINITE)


async def delete_blocks(api: SecretsApi, spec: SparkIoTJobSpec, namespace: str, uid: str) -> tuple[TierTrouble, ...]:
    """Delete all blocks of a job that has gone; on which tiers that failed. Takes PATIENCE_S at most."""
    prefix = blocks_prefix(namespace, uid)
    try:
        return await _each(api, spec, namespace, lambda store: store.delete_prefix(prefix))
    except ApiError as error:
        said = f"its secret cannot be read: {error}"
        return tuple(TierTrouble(c.tier, "TierDenied", said) for c in tier_configs(spec) if _within_reach(c))


async def _each(
    api: SecretsApi, spec: SparkIoTJobSpec, namespace: str, act: Callable[[BlockStore], Any]
) -> tuple[TierTrouble, ...]:
    """Do it on all tiers within reach at once. Raises ApiError when their secrets cannot be read."""
    configs = [config for config in tier_configs(spec) if _within_reach(config)]
    if not configs:
        return ()
    environ, missing = await _credentials(api, secret_keys(spec), namespace)
    found = await asyncio.gather(*(_do(config, environ, missing, act) for config in configs))
    return tuple(trouble for trouble in found if trouble is not None)


def _within_reach(config: TierConfig) -> bool:
    if isinstance(config, WarmConfig):
        return False
    return isinstance(config, HotConfig) or config.credentials is not None


async def _do(
    config: TierConfig, environ: Mapping[str, str], missing: Mapping[str, str], act: Callable[[BlockStore], Any]
) -> TierTrouble | None:
    for env, why in missing.items():
        if env.startswith(variables(config.tier)):
            return TierTrouble(config.tier, "TierDenied", why)
    try:
        await asyncio.wait_for(asyncio.to_thread(_with_store, config, environ, act), PATIENCE_S)
    except TierError as error:
        return TierTrouble(config.tier, error.reason, str(error))
    except TimeoutError:
        return TierTrouble(config.tier, "TierSlow", f"it took longer than {PATIENCE_S:g} s")
    except ImportError as error:
        return TierTrouble(config.tier, "MissingPackage", f"the operator has no Python package {error.name}")
    except Exception as error:  # noqa: BLE001 - a client's own; the job's loop goes on, its driver has the last word
        kind = type(error).__name__  # its text may hold a credential
        LOGGER.warning("tier %s of a job could not be used: its client raised %s", config.tier, kind)
        return TierTrouble(config.tier, "TierUnavailable", f"the client of the tier raised {kind}")
    return None


def _with_store(config: TierConfig, environ: Mapping[str, str], act: Callable[[BlockStore], Any]) -> None:
    store = open_store(config, environ)
    try:
        act(store)
    finally:
        store.close()


async def _credentials(
    api: SecretsApi, keys: Mapping[str, SecretKey], namespace: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The variables that the pods have, and why those that are missing are. Raises ApiError."""
    found: dict[str, str] = {}
    missing: dict[str, str] = {}
    for env, key in keys.items():
        try:
            secret = await api.read(f"/api/v1/namespaces/{namespace}/secrets/{key.name}")
            found[env] = base64.b64decode(secret["data"][key.key], validate=True).decode().strip()
        except ApiNotFoundError:
            missing[env] = f"secret {key.name} is not there; create it, or correct its name"
        except (KeyError, TypeError):
            missing[env] = f"secret {key.name} has no key {key.key}; add it, or correct its name"
        except (binascii.Error, UnicodeDecodeError):
            missing[env] = f"key {key.key} of secret {key.name} is no text"
    return found, missing
