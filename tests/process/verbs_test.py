"""Every verb, from an empty folder to a mail on disk, with its exit codes and its JSON."""

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import SEGUE, check

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "scripts" / "data" / "online_retail"


def customers(segue, key):
    """What is known about one customer, and that it can be forgotten."""
    known = json.loads(segue("customer", "export", key))
    check(known["customer"] == key and known["events"] and known["decisions"] and known["deliveries"], "export tells everything")
    address = known["traits"]["email"]["value"]
    check(address in segue("customer", "show", key) and key in segue("customer", "show", address), "show finds by key and by address")
    segue("customer", "erase", key, code=64)
    proof = json.loads(segue("customer", "erase", key, "--note", "asked by mail", "--json"))
    check(proof["erased"] and proof["events_before"] > 0 and proof["events_after"] == 0, f"erase proves itself: {proof}")
    segue("customer", "show", key, code=1)
    check(json.loads(segue("doctor", "--json"))["healthy"], "the state is sound without them")


def files(segue, folder):
    """The layout of the files, and their tests."""
    segue("fmt", "--check")
    path = folder / "rules" / "shop" / "playbooks" / "nurture.yaml"
    text = path.read_text()
    untidy = text.replace("  - wait: 3d", "  -   wait:   3d    # in peace").replace('"10:00"', "'10:00'")
    path.write_text(untidy)
    said = segue("fmt", "--check", code=1)
    check("nurture.yaml" in said and "# in peace" in said and path.read_text() == untidy, "fmt --check says what would change")
    segue("fmt", str(path))
    check(path.read_text() == text.replace("  - wait: 3d\n", "  - wait: 3d                       # in peace\n"), "fmt writes it, and keeps the comment")
    segue("fmt", "--check")
    path.write_text(text)
    tests = json.loads(segue("test", "--json"))
    check(len(tests) >= 3 and all(test["passed"] for test in tests), f"{len(tests)} shipped tests pass")
    check("3 tests: 3 passed" in segue("test", "rules/shop/playbooks/nurture_test.yaml"), "the tests of one file")
    segue("test", "--only", "no_such_test", code=64)
    path.write_text(text.replace("  - wait: 3d\n", "  - wait: 4d\n"))
    failed = segue("test", code=1)
    check("rules/shop/playbooks/nurture_test.yaml:" in failed and "first_order_care" in failed, "a changed playbook fails at the line of the expectation")
    path.write_text(text)


def halves(folder):
    """Each half of the library stands alone: without the other's files, lines and marks."""
    for half, other, lacks in (("shop", "saas", "session_started"), ("saas", "shop", "order_placed")):
        root = folder / f"half_{half}"
        run = lambda *words: subprocess.run([SEGUE, *words], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "SEGUE_SIGN": "key"})
        check(run("init", "--from", half, str(root)).returncode == 0, f"init --from {half}")
        texts = {path: path.read_text() for path in root.rglob("*") if path.is_file()}
        check(not any(other in path.relative_to(root).parts for path in texts), f"{half}: no folder {other}")
        marked = re.compile(r"# (shop|saas)$", re.MULTILINE)
        check(not any(lacks in text or marked.search(text) for path, text in texts.items() if path.suffix == ".yaml"),
              f"{half}: nothing of the other half is left, and no mark")
        for words in (("check",), ("fmt", "--check"), ("test",)):
            done = run(*words, "--workspace", str(root))
            check(done.returncode == 0, f"{half}: {' '.join(words)}\n{(done.stdout + done.stderr)[-1500:] if done.returncode else ''}")
    check(subprocess.run([SEGUE, "init", "--from", "bakery", str(folder / "bakery")], capture_output=True).returncode == 64, "there is no third half")


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
    inbox.mkdir(parents=True, exist_ok=True)
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
    # A mirrored field follows a move and is no playbook's message: the plan names it as a move.
    sent = {(d["playbook"], d["customer"]) for d in outbox if d["playbook"] != "mirror"}
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
    moved = json.loads(segue("why-moved", someone["customer"], "rfm", "--json"))
    check(moved["moves"] and all(m["model"] == "rfm" for m in moved["moves"]), "why-moved tells the moves of one model")
    check("cause:" in segue("why-moved", someone["customer"]), "and in words, with how the answer is made now")
    segue("why-moved", someone["customer"], "rfn", code=64)
    customers(segue, someone["customer"])
    files(segue, folder)
    halves(folder.parent)
    (folder / "rules" / "broken.yaml").write_text("playbook: broken\npurpose: marketing\nexits: yes\n")
    segue("check", code=1)
    segue("run", code=1)
    sarif = json.loads(segue("check", "--format", "sarif", code=1))
    results = sarif["runs"][0]["results"]
    place = results[0]["locations"][0]["physicalLocation"]
    check(sarif["version"] == "2.1.0" and place["artifactLocation"]["uri"] == "rules/broken.yaml", "check prints SARIF 2.1.0")
    rules = [rule["id"] for rule in sarif["runs"][0]["tool"]["driver"]["rules"]]
    check(all(rules[one["ruleIndex"]] == one["ruleId"] for one in results), f"each of {len(results)} results names its rule")
    unknown = next(one for one in results if one["ruleId"] == "SG001")
    check(unknown["locations"][0]["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 1, "endColumn": 6},
          "with the place of the slip")


if __name__ == "__main__":
    main()
