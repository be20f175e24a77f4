"""Events about pods, as a scheduler and a kubelet write them; the same event again only counts up."""

from sparkiot_sim.devcluster.admission import WriteOptions
from sparkiot_sim.devcluster.api import Api
from sparkiot_sim.devcluster.errors import ApiError, Obj
from sparkiot_sim.devcluster.patches import MERGE_PATCH

_KEPT = 2000  # events that may still count up


class EventRecorder:
    """Writes events through the API. One that cannot be written, as in a namespace that ends, is dropped."""

    def __init__(self, api: Api, host: str) -> None:
        self._api = api
        self._host = host
        self._newest = 0
        self._known: dict[tuple[str, str, str], tuple[tuple[str, str], int]] = {}

    def _suffix(self) -> str:
        """As in Kubernetes the time in hexadecimal, so that events of one second are listed in their order."""
        self._newest = max(int(self._api.time().timestamp() * 1e9), self._newest + 1)
        return f"{self._newest:x}"

    def record(self, pod: Obj, kind: str, reason: str, message: str, *, container: str = "") -> None:
        """kind: Normal or Warning."""
        meta, now = pod["metadata"], self._api.now()
        events = self._api.registry.find("", "v1", "events")
        source = "default-scheduler" if "Schedul" in reason else "kubelet"
        options = WriteOptions(field_manager=source)
        known, count = self._known.pop((meta["uid"], reason, message), (None, 0))
        try:
            if known:
                patch = {"count": count + 1, "lastTimestamp": now}
                self._api.patch(events, known, "", patch, options, content_type=MERGE_PATCH)
            else:
                known = (meta["namespace"], f"{meta['name'][:230]}.{self._suffix()}")
                about = {"kind": "Pod", "apiVersion": "v1", **{key: meta[key] for key in ("name", "namespace", "uid")}}
                about |= {"fieldPath": f"spec.containers{{{container}}}"} if container else {}
                event = {
                    "metadata": {"name": known[1]},
                    "involvedObject": about,
                    "type": kind,
                    "reason": reason,
                    "message": message,
                    "source": {"component": source, **({"host": self._host} if source == "kubelet" else {})},
                    "reportingComponent": source,
                    "reportingInstance": self._host,
                    "firstTimestamp": now,
                    "lastTimestamp": now,
                    "count": 1,
                }
                self._api.create(events, meta["namespace"], event, options)
        except ApiError:
            return
        self._known[meta["uid"], reason, message] = known, count + 1
        if len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
