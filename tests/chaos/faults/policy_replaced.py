"""The file of a policy in use is overwritten in place, as `cp` does it: for a while a part of it is another's."""

from chaos import jobs
from chaos.faults.base import Fault
from chaos.schedule import Kind


class PolicyReplaced(Fault):
    """Its job runs on the fallback rule and says so, until the file is whole again."""

    kind = Kind("policy-replaced", frozenset({"policy"}), 2.0, 6.0)
    about = "the policy file is overwritten in place, in part, by another policy, and put right"

    def inject(self) -> None:
        other = self.world.folder / "other.zip"
        jobs.write_policy(other, source="thesis")
        content = other.read_bytes()
        with self.world.policy.open("r+b") as file:
            file.write(content[: int(len(content) * self.luck)])

    def heal(self) -> None:
        jobs.write_policy(self.world.policy)
