"""Where a policy's archive lies in S3. Apart from what fetches it: settings and commands must not load that."""

import re
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Source:
    """An object that is an archive of an artifact."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for anything but ``s3://BUCKET/KEY``."""
        found = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.*[^/])", text)
        if found is None:
            raise ValueError(f"{text!r} is not s3://BUCKET/KEY of an archive")
        return cls(found[1], found[2])

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"
