"""Builds the app and the guest page into the package: `npm ci`, then Vite, all locked.

Without Node.js 20 the package is built without the page, and says so: everything else works.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

UI = Path("ui")
BUILT = ("onmeet_node/web/static", "onmeet_node/web/guest")
NODE_MAJOR = 20


class AppBuildHook(BuildHookInterface):
    """Runs before a wheel, an editable install or a source archive is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Makes `BUILT`, which is no part of the repository, and puts it into the wheel."""
        del version
        if build(Path(self.root) / UI):
            build_data["artifacts"] += [f"{directory}/**" for directory in BUILT]


def build(ui: Path) -> bool:
    """Builds the page into `BUILT`; False without Node. Raises if it fails."""
    npm = shutil.which("npm")
    if npm is None or _node_major() < NODE_MAJOR:
        print(
            f"The local app is left out: it needs Node.js {NODE_MAJOR} or newer with npm. "
            "Install it and run: make ui",
            file=sys.stderr,
        )
        return False
    # Nothing that a package brings is run at its installation.
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=ui, check=True)
    subprocess.run([npm, "run", "build"], cwd=ui, check=True)
    return True


def _node_major() -> int:
    node = shutil.which("node")
    if node is None:
        return 0
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    first = done.stdout.strip().lstrip("v").split(".")[0]
    return int(first) if first.isdigit() else 0


if __name__ == "__main__":
    sys.exit(0 if build(Path(__file__).parent / UI) else 1)
