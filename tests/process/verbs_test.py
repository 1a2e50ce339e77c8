"""Every verb, from an empty folder to a mail on disk, with its exit codes and its JSON."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import SEGUE, check

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "scripts" / "data" / "online_retail"


def main():
    folder = Path(tempfile.mkdtemp(prefix="segue-verbs-")) / "shop"

    def segue(*words, code=0):
        done = subprocess.run([SEGUE, *words], cwd=folder if folder.exists() else None, capture_output=True, text=True,
                              env={"PATH": "/usr/bin:/bin", "SEGUE_SIGN": "key"})
        check(done.returncode == code, f"segue {' '.join(words)} ends with {done.returncode}\n{done.stderr[:2000]}"
              if done.returncode != code else f"segue {' '.join(words)} ends with {code}")
        return done.stdout

    segue("init", str(folder))
    segue("init", str(folder), code=64)
    segue("check")
    check(json.loads(segue("check", "--json")) is not None, "check prints JSON")
    segue("segments", code=4)
    inbox = folder / "state" / "inbox"
    inbox.mkdir(parents=True)
    for name in ("orders", "refunds", "customers"):
        shutil.copy(DATA / f"{name}.csv.gz", inbox / f"{name}.csv.gz")
    first = json.loads(segue("run", "--at", "2011-06-01T06:00", "--json"))
    check(first["moves"] == 0 and first["promised"] == 0, "the first run is a baseline: nobody moves, nothing is promised")
    check(first["intake"]["rows"] == 25900 + 4372, f"every row was read: {first['intake']}")
    again = json.loads(segue("run", "--at", "2011-06-01T06:00", "--json"))
    check(not any(count for word, count in again["intake"].items()), "a second run at the same moment reads nothing new")
    plan = json.loads(segue("plan", "--at", "2011-06-09T06:00", "--json", code=2))
    planned = {(p["playbook"], s["customer"], s["step"], s["outcome"]) for p in plan["playbooks"] for s in p["steps"]}
    check(plan["people"] > 0, f"{plan['people']} people would be affected a week later")
    segue("run", "--at", "2011-06-09T06:00")
    outbox = json.loads(segue("outbox", "--json", "--limit", "100000"))
    sent = {(d["playbook"], d["customer"]) for d in outbox}
    check(sent == {(p, c) for p, c, _, outcome in planned if outcome == "sent"}, f"the run promised to the same {len(sent)} people")
    check(all(d["state"] == "waiting" for d in outbox), "with --at nothing was sent")
    counts = json.loads(segue("segments", "--json"))
    check(sum(counts["rfm"].values()) > 2000, "the segments are counted")
    segue("run", "--at", "2011-06-13T06:00")
    someone = next(d for d in json.loads(segue("outbox", "--json", "--limit", "100000")) if d["template"])
    check(someone["playbook"] in segue("explain", someone["customer"]), "explain names the playbook")
    why = json.loads(segue("explain", someone["customer"], someone["playbook"], "--json"))
    check(why["decisions"][-1]["passed"] and why["moves"], "explain tells the gates and the moves as JSON")
    check("Subject: " in segue("render", someone["template"], "--as", someone["customer"]), "render prints the message")
    check("<html" in segue("render", someone["template"], "--as", someone["customer"], "--part", "html"), "and its HTML")
    segue("outbox", "drop", str(someone["id"]), code=64)
    segue("outbox", "drop", str(someone["id"]), "--note", "asked on the phone")
    segue("outbox", "retry", "999999", "--note", "no such thing", code=64)
    check(json.loads(segue("doctor", "--json"))["healthy"], "doctor finds the state sound")
    segue("plan", "--at", "2011-06-13T06:00")
    segue("explain", "nobody@example.com", code=1)
    segue("frobnicate", code=64)
    (folder / "rules" / "broken.yaml").write_text("playbook: broken\npurpose: marketing\nexits: yes\n")
    segue("check", code=1)
    segue("run", code=1)


if __name__ == "__main__":
    main()
