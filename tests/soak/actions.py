"""What people do to jobs meanwhile: edits, ``kubectl scale``, suspending and resuming, deleting and making again.

Each action leaves a valid job, so that whatever drifts afterwards is the operator's doing; a session, watch or series
that an action leaves behind shows as growth.
"""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from sparkiot_operator.errors import ApiNotFoundError
from sparkiot_operator.kube import MERGE_PATCH, KubeApi
from sparkiot_operator.resource import API_VERSION, PLURAL

from .jobs import NAMESPACE, soak_job

COLLECTION = f"/apis/{API_VERSION}/namespaces/{NAMESPACE}/{PLURAL}"
MOST_AWAY = 0.2
"""Share of jobs that are suspended or deleted at most at once: the load shall stay."""


class Crowd:
    """Acts on jobs, one action at a time, by ``random``."""

    def __init__(self, api: KubeApi, *, jobs: int, random: Random) -> None:
        self._api = api
        self._jobs = jobs
        self._random = random
        self._suspended: set[int] = set()
        self._deleted: set[int] = set()
        self._overridden: set[int] = set()

    async def act(self) -> tuple[str, str]:
        """Do something; the job's name, and what it was. Raises ApiError."""
        away = self._suspended | self._deleted
        if len(away) >= max(1, MOST_AWAY * self._jobs):
            number = self._random.choice(sorted(away))
            what = self._resume if number in self._suspended else self._create
        else:
            number = self._random.randrange(self._jobs)
            choices: list[Callable[[int], Awaitable[str]]]
            if number in self._suspended:
                choices = [self._resume, self._delete]
            elif number in self._deleted:
                choices = [self._create]
            else:
                choices = [self._edit, self._reopen, self._scale, self._suspend, self._delete]
            what = self._random.choice(choices)
        return _name(number), await what(number)

    async def restore(self) -> None:
        """Bring back what is suspended or deleted. Raises ApiError."""
        for number in sorted(self._suspended):
            await self._resume(number)
        for number in sorted(self._deleted):
            await self._create(number)

    async def _edit(self, number: int) -> str:
        """What a session takes over while it runs."""
        most = self._random.randint(10, 30)
        await self._merge(number, {"scaling": {"executors": {"max": most}}})
        return f"edit: at most {most} executors"

    async def _reopen(self, number: int) -> str:
        """What needs another session, and another simulated job."""
        seed = self._random.randrange(9)
        await self._merge(number, {"simulation": {"seed": seed}})
        return f"edit: seed {seed}"

    async def _scale(self, number: int) -> str:
        """What ``kubectl scale`` does, and its end."""
        if number in self._overridden:
            self._overridden.discard(number)
            await self._merge(number, {"scaling": {"executors": {"override": None}}})
            return "scale: no longer overridden"
        path = f"{COLLECTION}/{_name(number)}/scale"
        scale = await self._api.read(path)
        scale["spec"]["replicas"] = replicas = self._random.randint(1, 10)
        del scale["metadata"]["resourceVersion"]
        await self._api.replace(path, scale)
        self._overridden.add(number)
        return f"scale: {replicas}"

    async def _suspend(self, number: int) -> str:
        await self._merge(number, {"suspend": True})
        self._suspended.add(number)
        return "suspend"

    async def _resume(self, number: int) -> str:
        await self._merge(number, {"suspend": False})
        self._suspended.discard(number)
        return "resume"

    async def _delete(self, number: int) -> str:
        await self._api.delete(f"{COLLECTION}/{_name(number)}")
        self._suspended.discard(number)
        self._overridden.discard(number)
        self._deleted.add(number)
        return "delete"

    async def _create(self, number: int) -> str:
        """Once the one of before has gone: its finalizer may hold it for a moment."""
        try:
            await self._api.read(f"{COLLECTION}/{_name(number)}")
        except ApiNotFoundError:
            await self._api.create(COLLECTION, soak_job(number))
            self._deleted.discard(number)
            return "create"
        return "create: not yet, it is still being deleted"

    async def _merge(self, number: int, spec: dict[str, Any]) -> None:
        path = f"{COLLECTION}/{_name(number)}"
        await self._api._call("PATCH", path, body={"spec": spec}, content_type=MERGE_PATCH)


def _name(number: int) -> str:
    return str(soak_job(number)["metadata"]["name"])
