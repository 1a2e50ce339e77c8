"""The documents that the docs show are a workspace that loads, and the shipped library does too."""

import re
import subprocess
import tempfile
from pathlib import Path

from harness import SEGUE, check

ROOT = Path(__file__).resolve().parents[2]


def run_check(folder):
    done = subprocess.run([SEGUE, "check", "--workspace", str(folder)], capture_output=True, text=True)
    return done.returncode == 0 and " 0 errors, 0 warnings" in done.stdout, done.stdout


def main():
    page = (ROOT / "docs" / "language.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S)
    folder = Path(tempfile.mkdtemp(prefix="segue-docs-"))
    (folder / "config").mkdir()
    (folder / "config" / "all.yaml").write_text("---\n".join(blocks))
    clean, words = run_check(folder)
    check(clean, f"the {len(blocks)} YAML blocks of docs/language.md are one workspace without a finding\n{words}")
    connectors = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "connectors.md").read_text(), re.M | re.S)
    (folder / "config" / "all.yaml").write_text("---\n".join(["workspace: lumen\ncurrency: EUR\n", *connectors]))
    clean, words = run_check(folder)
    check(clean and len(connectors) >= 3, f"the {len(connectors)} connectors of docs/connectors.md load\n{words}")
    clean, words = run_check(ROOT)
    check(clean, f"the shipped library has no finding\n{words}")
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    broken = []
    for path in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            if target.endswith(".md") and "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.name}: {target}")
    check(not broken, f"the links of {len(pages)} pages lead somewhere {broken}")
    shown = re.findall(r"`(scripts/[a-z]+)", "".join(path.read_text() for path in pages))
    check(all((ROOT / name).exists() for name in shown), "every script that the docs name is there")


if __name__ == "__main__":
    main()
