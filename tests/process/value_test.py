"""segue value, report, migrate, funnel and aha print what docs/insights.md shows of them, on a year of real orders and on CDNOW; and
value says so where the data cannot be fitted.

`value_test.py year` is the part about the year, which takes longer.  UPDATE_DOCS=1 writes what it prints into the page.  The data of ../shared/data are left out where they are missing.
"""

import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from harness import SEGUE, check

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
PAGE = ROOT / "docs" / "insights.md"
PEOPLE = """\
workspace: bills
timezone: UTC
currency: USD
keys: {customer: customer_id}
events:
  order_placed: {amount: money}
---
source: orders
type: csv
path: inbox/orders.csv
every: 1h
emits: order_placed
time: time
timezone: UTC
currency: USD
map: {customer_id: customer}
---
model: worth
every: day at 01:00
features: {churn: churn_risk(order_placed), gap: usual_gap(order_placed)}
segments:
  - {id: known, name: Known, when: exists(churn)}
  - {id: unknown, name: Unknown, when: otherwise}
"""


class Desk:
    """A workspace and a state, asked by the program."""

    def __init__(self, workspace):
        self.workspace = workspace
        self.state = Path(tempfile.mkdtemp(prefix="segue-value-")) / "state"
        (self.state / "inbox").mkdir(parents=True)

    def ask(self, words):
        done = subprocess.run([SEGUE, *words, *(["--ahead"] if words[0] == "run" and "--at" in words else []), "--workspace", str(self.workspace), "--state", str(self.state)],
                              env={**os.environ, "SEGUE_SIGN": "x"}, capture_output=True, text=True)
        check(done.returncode in (0, 2), f"segue {' '.join(words)}{done.stderr if done.returncode else ''}")
        return done.stdout + (done.stderr if words[0] == "run" else "")


def folder_with(text):
    folder = Path(tempfile.mkdtemp(prefix="segue-value-"))
    (folder / "config").mkdir()
    (folder / "config" / "all.yaml").write_text(text)
    return folder


def shown_in_docs(desk, words):
    """The block of the page that begins with this command holds what it prints."""
    printed = desk.ask(words).rstrip()
    page = PAGE.read_text()
    found = re.search(r"^```\n\$ " + re.escape("segue " + " ".join(words)) + r"\n(.*?)\n```$", page, re.M | re.S)
    check(found is not None, f"the page shows segue {' '.join(words)}")
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page[:found.start(1)] + printed + page[found.end(1):])
        return
    check(found.group(1) == printed, f"and what it prints\n{printed}")


def year_of_orders():
    """The shipped library lives through the year of real orders."""
    desk = Desk(ROOT)
    for path in (ROOT / "scripts" / "data" / "online_retail").glob("*.csv.gz"):
        shutil.copy(path, desk.state / "inbox")
    desk.ask(["replay", "--from", "2011-08-25T06:00", "--to", "2011-12-10", "--every", "24h", "--quiet"])
    now = ["--at", "2011-12-10"]
    for words in (["value"], ["report", "store_sleepy", "--by", "buyer_size"], ["migrate", "rfm"], ["funnel", "way_to_habit"],
                  ["aha", "early", "--limit", "5"]):
        shown_in_docs(desk, [*words, *now])
    told = json.loads(desk.ask(["value", *now, "--json"]))
    money = [one for one in told["processes"] if one["field"] == "amount"]
    check(len(money) == 1 and money[0]["refused"] == "" and money[0]["nobody_leaves"], "nobody can be told to have left, and the value is known")
    check(0.67 < money[0]["check"]["expected"] / money[0]["check"]["came"] < 1.5 and money[0]["value"] > 0, "since the check held")
    check(all(one["risk"] is None for model in money[0]["models"] for one in model["segments"]), "and no segment has a risk")
    later = json.loads(desk.ask(["value", *now, "--days", "730", "--discount", "10", "--json"]))["processes"]
    twice = [one for one in later if one["field"] == "amount"][0]["value"] / money[0]["value"]
    check(1.7 < twice < 1.9, f"two years at ten percent are worth {twice:.3f} of one year")
    words = desk.ask(["explain", "12748", *now])
    own = words.split("risk_value: ")[1].split("\n\n")[0]
    for line in ("churn: ", "worth: ", "overdue: ", "risk: ", "val: ", "answer: "):
        check(line in own, f"explain gives the lines of a score: {line}")
    check("no risk: nobody of this base can be told to have left" in words and "the fit itself is sure of" in words, f"and what they rest on\n{words}")
    for form in ("--markdown", "--json"):
        told = desk.ask(["report", *now, form])
        check("| ---" in told if form == "--markdown" else json.loads(told)[0]["treated"]["people"] > 0, f"report {form}")


def cdnow():
    block = re.search(r"^```yaml\n(workspace: cdnow\n.*?)^```$", PAGE.read_text(), re.M | re.S)
    check(block is not None, "the page shows a workspace for CDNOW")
    desk = Desk(folder_with(block.group(1)))
    shutil.copy(SHARED / "cdnow" / "cdnow_sample_transactions.csv", desk.state / "inbox")
    for day in ("1998-03-31", "1998-06-30"):
        desk.ask(["run", "--at", day + "T23:00"])
    for words in (["value"], ["migrate", "worth"], ["funnel"], ["aha"]):
        shown_in_docs(desk, [*words, "--at", "1998-06-30T23:00"])
    for words in (["value"], ["migrate", "worth"], ["funnel", "--by", "worth"], ["aha"]):
        check("| ---" in desk.ask([*words, "--at", "1998-06-30T23:00", "--markdown"]), f"{words[0]} as Markdown")
        check(json.loads(desk.ask([*words, "--at", "1998-06-30T23:00", "--json"])), f"{words[0]} as JSON")
    told = json.loads(desk.ask(["value", "--at", "1998-06-30T23:00", "--json"]))["processes"]
    check(len(told) == 1 and told[0]["refused"] == "" and 7_000_000 < told[0]["value"] < 7_400_000, "the same as JSON, in cents")
    table = desk.ask(["value", "--at", "1998-06-30T23:00", "--markdown"])
    check("| --- | ---: |" in table and table.startswith("## purchase, amount"), "and as Markdown")
    words = desk.ask(["explain", "1", "--at", "1998-06-30T23:00"])
    check("  risk 34 of 100\n" in words and "expected per order" in words, "explain gives every line of a score")


def refused(name, orders, refusal, says):
    desk = Desk(folder_with(PEOPLE))
    with open(desk.state / "inbox" / "orders.csv", "w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["customer", "time", "amount"])
        for who, day in sorted(orders, key=lambda row: row[1]):
            rows.writerow([who, day.strftime("%Y-%m-%dT12:00:00Z"), "29.85"])
    at = (max(day for _, day in orders) + timedelta(days=2)).strftime("%Y-%m-%dT12:00")
    ran = desk.ask(["run", "--at", at])
    told = json.loads(desk.ask(["value", "--at", at, "--json"]))["processes"][0]
    words = desk.ask(["value", "--at", at])
    check(told["refused"] == refusal and says in told["reason"], f"{name}: {told['reason']}")
    check("REFUSED" in words and "usual_gap" in words, f"{name}: the words say so")
    check(says in ran, f"{name}: the run warns\n{ran}")
    counts = json.loads(desk.ask(["segments", "--json"]))["worth"]
    check(counts["known"] == 0 and counts["unknown"] > 0, f"{name}: churn_risk is unknown for all {counts['unknown']}")


def misfits():
    start = datetime(2024, 1, 1)
    chance = random.Random(5)
    few = [(f"c{who}", start + timedelta(days=chance.randrange(700))) for who in range(50) for _ in range(6)]
    refused("50 customers", few, "too_few", "too few: ")
    even = []
    for who in range(300):
        gap, day = chance.uniform(20, 90), chance.uniform(0, 400)
        while day < 700:
            even.append((f"c{who}", start + timedelta(days=day)))
            day += gap * chance.uniform(0.7, 1.3)
    refused("a steady rhythm", even, "too_regular", "too regular: ")
    if not SHARED.exists():
        return
    bills = []
    with open(SHARED / "telco_churn" / "telco_customer_churn.csv", newline="") as file:
        for row in csv.DictReader(file):
            tenure = int(row["tenure"])
            if int(row["customerID"][:4]) % 5:
                continue
            last = 72 if row["Churn"] == "No" else tenure + chance.randrange(72 - tenure + 1)
            for month in range(last - tenure, last):
                bills.append((row["customerID"], start + timedelta(days=int(30.4 * month))))
    refused("telephone bills", bills, "contract", "a contract business: ")


def main():
    if sys.argv[1:] == ["year"]:
        year_of_orders()
        return
    misfits()
    if SHARED.exists():
        cdnow()


if __name__ == "__main__":
    main()
