"""safety.approvals: nothing goes live before enough other people approved the very plan that is applied."""

import json
import os
import sqlite3
import subprocess
from pathlib import Path

from harness import Workbench, check

CONNECTOR = "connector: box\ntype: file\npath: outgoing/mail/\n"
# Users whom every Debian has, beside root.
DAEMON, BIN = 1, 2


class Team:
    """The workbench, used by several people: as sudo names them to root."""

    def __init__(self):
        self.bench = Workbench(CONNECTOR)
        # An ordinary user plays root.
        self.prefix = [] if os.getuid() == 0 else ["fakeroot"]

    def says(self, *words, code=0, user=None):
        environment = {key: value for key, value in self.bench.environment().items() if not key.startswith("SUDO_")}
        environment["SUDO_UID"] = str(user or 0)
        done = subprocess.run([*self.prefix, *self.bench.command(*words)], env=environment, capture_output=True, text=True)
        check(done.returncode == code, f"{' '.join(words)} ends with {code}" + ("" if done.returncode == code else f", not {done.returncode}:\n{done.stdout}{done.stderr}"))
        return done.stdout + done.stderr

    def settings(self, safety):
        path = self.bench.folder / "config/segue.yaml"
        lines = [line for line in path.read_text().splitlines() if not line.startswith("safety:")]
        path.write_text("\n".join([*lines, safety]) + "\n")

    def approved_plan(self, name, *words):
        path = str(self.bench.folder / name)
        self.says("plan", "-o", path, *words)
        self.says("approve", path, user=DAEMON)
        self.says("approve", path, user=BIN)
        return path


def first_release(team):
    team.settings("safety: {approvals: 2}")
    said = team.says("run", code=1).replace(str(team.bench.folder), "FOLDER")
    golden = Path(__file__).resolve().parents[1] / "golden/diagnostics/SG061.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(said)
    check(said == golden.read_text(), f"files that ask for approvals do not run before they were applied: {said}")
    check("segue approve" in team.says("apply", code=3), "and are not applied without a plan")
    plan = str(team.bench.folder / "plan.json")
    team.says("plan", "-o", plan)
    said = team.says("apply", plan, code=3)
    check("0 of 2 approvals" in said and "others than root say `segue approve" in said, f"apply says how many are missing, and whose they cannot be: {said}")
    check("root made this plan" in team.says("approve", plan, code=1), "nobody approves their own plan")
    check("1 of 2 approvals" in team.says("approve", plan, user=DAEMON), "a first other person")
    check("1 of 2 approvals" in team.says("approve", plan, user=DAEMON), "who counts once")
    said = team.says("apply", plan, code=3)
    check("approved by daemon on " in said and "1 of 2" in said, f"apply names who approved: {said}")
    told = json.loads(team.says("approve", plan, "--note", "looked at all", "--json", user=BIN))
    check([one["who"] for one in told["approvals"]] == ["daemon", "bin"] and told["missing"] == 0, f"a second one: {told}")
    shown = team.says("plan", plan)
    check("of root, made " in shown and "approved by bin on " in shown and ": looked at all" in shown and "2 of 2" in shown, f"plan FILE shows it: {shown}")
    check(json.loads(team.says("plan", plan, "--json"))["author"] == "root", "and as JSON")
    changed = team.bench.folder / "changed.json"
    changed.write_text(open(plan).read() + "\n")
    check("0 of 2" in team.says("apply", str(changed), code=3), "a plan that changed after its approval is approved by nobody")
    named = team.bench.folder / "named.json"
    named.write_text(open(plan).read().replace('"root"', '"bin"'))
    check("it was changed since" in team.says("approve", str(named), code=1), "nor can its author name another one in it")
    check("say the same now" in team.says("apply", plan, "--backfill", "welcome", code=1), "what was not approved is not asked of apply")
    told = json.loads(team.says("apply", plan, "--json"))
    check([one["who"] for one in told["approvals"]] == ["daemon", "bin"], "apply takes it, and names who approved")
    team.says("run")


def the_rule_itself(team):
    team.settings("safety: {approvals: 0}")
    team.says("apply", code=3)
    check("without the approvals" in team.says("apply", "--follow-folder", code=3), "the rule cannot be gone round")
    stale = str(team.bench.folder / "stale.json")
    team.says("plan", "-o", stale)
    plan = team.approved_plan("lift.json")
    said = team.says("apply", plan)
    check("approved by daemon" in said and "approved by bin" in said, "files that lift the rule are applied by the rule")
    check("stale" in team.says("approve", stale, code=1, user=DAEMON), "a stale plan is not approved")
    check("it is stale" in team.says("plan", stale), "and shown as such")
    team.says("apply")
    team.says("apply", "--follow-folder")


def audit(team):
    rows = sqlite3.connect(team.bench.state / "segue.db").execute("SELECT who, what, note FROM audit ORDER BY id").fetchall()
    approved = [("root", "plan"), ("daemon", "approve"), ("bin", "approve"), ("root", "apply")]
    check([(who, what) for who, what, _ in rows] == [*approved, ("root", "plan"), *approved, ("root", "apply")],
          f"who planned, approved and applied is kept: {rows}")
    check(rows[2][2] == "looked at all" and rows[3][2].startswith("plan ") and rows[-1][2] == "no plan", "with what they said")


def main():
    team = Team()
    first_release(team)
    the_rule_itself(team)
    audit(team)


if __name__ == "__main__":
    main()
