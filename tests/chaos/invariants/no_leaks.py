"""Nothing is left of what has gone: no pod, secret or other object without its job, no block, no second lease."""

from chaos.client import View
from chaos.jobs import LIVE
from chaos.world import World

MOST_BLOCKS = 200
"""Of the batches that are under way, and of one that was killed; those of a day would be a hundred thousand."""
OWNED = ("pods", "secrets", "configmaps", "services", "serviceaccounts")
LABEL = "sparkiot.dev/job"


class NoLeaks:
    """Objects that are marked as a job's belong to one that is there."""

    name = "nothing leaked"

    def violations(self, world: World, view: View) -> list[str]:
        client, found = world.client, []
        for resource in OWNED:
            for item in client.items(client.core_path(resource), labelSelector=LABEL):
                job = item["metadata"]["labels"][LABEL]
                if job not in view.jobs:
                    found.append(f"{resource}/{item['metadata']['name']} is left of {job}")
        leases = client.items(client.path("coordination.k8s.io/v1", "leases"))
        if len(leases) != 1:
            found.append(f"{len(leases)} leases: {[lease['metadata']['name'] for lease in leases]}")
        return found + (self._blocks(world, view) if world.servers else [])

    @staticmethod
    def _blocks(world: World, view: View) -> list[str]:
        assert world.servers is not None
        blocks = world.servers.blocks()
        uid = view.jobs[LIVE]["metadata"]["uid"] if LIVE in view.jobs else "no job"
        strange = [block for block in blocks if uid not in block]
        found = [f"{len(strange)} blocks of nobody, the first is {strange[0]}"] if strange else []
        return found + ([f"{len(blocks)} blocks wait to be deleted"] if len(blocks) > MOST_BLOCKS else [])
