"""What of a pod the Pod Security Standards do not admit, as Kubernetes states them for its own admission.

https://kubernetes.io/docs/concepts/security/pod-security-standards/, of release 1.34. The rules for Windows are those
for host processes alone, as Spark's images are of Linux. Volumes of nodes are not judged here: ``confinement`` does.
"""

import enum
from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]


class Level(enum.StrEnum):
    """From the widest to the strictest; each admits less than the one before."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"


CAPABILITIES = frozenset(
    (
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    )
)
SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    )
)
SELINUX_TYPES = frozenset({None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
VOLUMES = frozenset(
    (
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    )
)
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP = "seccomp.security.alpha.kubernetes.io/"
_OLD_SECCOMP = "container.seccomp.security.alpha.kubernetes.io/"
_KINDS = ("initContainers", "containers", "ephemeralContainers")


def violations(pod: Json, level: Level) -> list[str]:
    """What of a pod, or of a pod template, the level does not admit: each the field and what it must be."""
    if level is Level.PRIVILEGED:
        return []
    found = [*_baseline(pod)]
    return [*found, *_restricted(pod)] if level is Level.RESTRICTED else found


def _baseline(pod: Json) -> Iterator[str]:
    spec, annotations = _map(pod, "spec"), _map(_map(pod, "metadata"), "annotations")
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield f"spec.{name} must not be set"
    for sysctl in _list(_map(spec, "securityContext"), "sysctls"):
        if sysctl.get("name") not in SYSCTLS:
            yield f"spec.securityContext.sysctls: {sysctl.get('name')} is not among the safe ones"
    for key, value in annotations.items():
        if key.startswith(_APPARMOR) and value != "runtime/default" and not str(value).startswith("localhost/"):
            yield f"metadata.annotations[{key}] must be runtime/default or localhost/…"
        if key.startswith((_SECCOMP, _OLD_SECCOMP)) and value == "unconfined":
            yield f"metadata.annotations[{key}] must not be unconfined"
    yield from _context("spec", _map(spec, "securityContext"))
    for where, container in _containers(spec):
        yield from _baseline_container(where, container)


def _baseline_container(where: str, container: Json) -> Iterator[str]:
    context = _map(container, "securityContext")
    yield from _context(where, context)
    if context.get("privileged"):
        yield f"{where}.securityContext.privileged must not be set"
    for added in _map(context, "capabilities").get("add") or ():
        if added not in CAPABILITIES:
            yield f"{where}.securityContext.capabilities.add must not hold {added}"
    if context.get("procMount") not in (None, "Default"):
        yield f"{where}.securityContext.procMount must be Default"
    for port in _list(container, "ports"):
        if port.get("hostPort"):
            yield f"{where}.ports: a hostPort must not be set"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        yield from _host(f"{where}.{probe}", _map(container, probe))
    for hook in ("postStart", "preStop"):
        yield from _host(f"{where}.lifecycle.{hook}", _map(_map(container, "lifecycle"), hook))


def _context(where: str, context: Json) -> Iterator[str]:
    """What the security contexts of pods and of containers have in common."""
    if _map(context, "windowsOptions").get("hostProcess"):
        yield f"{where}.securityContext.windowsOptions.hostProcess must not be set"
    selinux = _map(context, "seLinuxOptions")
    if selinux.get("type") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield f"{where}.securityContext.seLinuxOptions must not set user or role, nor a type that is not for containers"
    for name in ("seccompProfile", "appArmorProfile"):
        if _map(context, name).get("type") not in (None, "RuntimeDefault", "Localhost"):
            yield f"{where}.securityContext.{name}.type must be RuntimeDefault or Localhost"


def _host(where: str, action: Json) -> Iterator[str]:
    for kind in ("httpGet", "tcpSocket"):
        if _map(action, kind).get("host"):
            yield f"{where}.{kind}.host must not be set"


def _restricted(pod: Json) -> Iterator[str]:
    spec = _map(pod, "spec")
    shared = _map(spec, "securityContext")
    if shared.get("runAsUser") == 0:
        yield "spec.securityContext.runAsUser must not be 0"
    for volume in _list(spec, "volumes"):
        for kind in volume.keys() - VOLUMES - {"name", "hostPath"}:
            yield f"spec.volumes: {volume.get('name')} is of kind {kind}; use {', '.join(sorted(VOLUMES))}"
    for where, container in _containers(spec):
        context = _map(container, "securityContext")
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{where}.securityContext.allowPrivilegeEscalation must be false"
        if context.get("runAsNonRoot", shared.get("runAsNonRoot")) is not True:
            yield f"{where}.securityContext.runAsNonRoot must be true, or that of the pod"
        if context.get("runAsUser") == 0:
            yield f"{where}.securityContext.runAsUser must not be 0"
        if (_map(context, "seccompProfile") or _map(shared, "seccompProfile")).get("type") is None:
            yield f"{where}.securityContext.seccompProfile.type must be set, or that of the pod"
        capabilities = _map(context, "capabilities")
        if "ALL" not in (capabilities.get("drop") or ()):
            yield f"{where}.securityContext.capabilities.drop must hold ALL"
        if set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
            yield f"{where}.securityContext.capabilities.add must hold nothing but NET_BIND_SERVICE"


def _containers(spec: Json) -> Iterator[tuple[str, Json]]:
    for kind in _KINDS:
        for container in _list(spec, kind):
            yield f"spec.{kind}[{container.get('name')}]", container


def _map(parent: Json, key: str) -> Json:
    """A map below another; an empty one where there is none."""
    found = parent.get(key)
    return found if isinstance(found, Mapping) else {}


def _list(parent: Json, key: str) -> list[Json]:
    """The maps of a list; none where there is no list."""
    found = parent.get(key)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
