"""The network policy of a live job: its pods speak with each other, and the operator with the endpoint in its driver.

Spark's own ports take connections without a password unless the job configures one, and the endpoint's token travels in
the clear: so neither is left open to other tenants. Network policies add up: who needs a further port, such as that of
a metrics exporter, opens it with a policy of their own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from . import naming

Json = dict[str, Any]


def network_policy(metadata: Json, *, job: str, peers: Sequence[Mapping[str, Any]]) -> Json:
    """It selects driver and executors. peers: who may call the endpoint, each a NetworkPolicyPeer."""
    pods = {"matchLabels": {naming.JOB_LABEL: naming.label_value(job)}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {
            "podSelector": pods,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"podSelector": pods}]},
                {"ports": [{"port": naming.AGENT_PORT, "protocol": "TCP"}], "from": [dict(peer) for peer in peers]},
            ],
        },
    }
