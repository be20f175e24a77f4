"""Ask a vulnerability service about what the images install: `python tests/audit_images.py LOCK...`.

Exit code 1 for known vulnerabilities. Where the service cannot be asked, that is said and nothing fails: pip-audit then
calls every package unknown, and reports none that is vulnerable, which is no answer.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def verdict(report: Json) -> tuple[int, str]:
    """Exit code and words for one report of pip-audit in JSON."""
    packages = report["dependencies"]
    skipped = [package for package in packages if "skip_reason" in package]
    found = [
        f"{package['name']} {package['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none'}"
        for package in packages
        for flaw in package.get("vulns", [])
    ]
    if found:
        return 1, "\n".join(found)
    if skipped and len(skipped) == len(packages):
        return 0, f"NOT audited: the vulnerability service gives no answer ({skipped[0]['skip_reason']})"
    unknown = f"; it does not know {', '.join(package['name'] for package in skipped)}" if skipped else ""
    return 0, f"no known vulnerability in {len(packages) - len(skipped)} packages{unknown}"


def audit(lock: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--format", "json"]
    done = subprocess.run([*command, "--requirement", lock], capture_output=True, text=True, check=False)
    try:
        return verdict(json.loads(done.stdout))
    except json.JSONDecodeError:  # it could not reach the service at all
        last = done.stderr.strip().splitlines()
        return 0, f"NOT audited: {last[-1] if last else 'pip-audit said nothing'}"


def main(locks: list[str]) -> int:
    worst = 0
    for lock in map(Path, locks):
        code, words = audit(lock)
        print(f"{lock.name}: {words}")
        worst = max(worst, code)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
