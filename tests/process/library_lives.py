"""Rows of the checklist that take a base of customers to prove, and not a handful: each is one life of the library.

  library_lives.py LIFE FOLDER     FOLDER is a workspace: the library, or a copy from which something was taken away

Ends with 1 when the library in FOLDER does not do what the row says.  `scripts/checklist` runs them.
"""

import csv
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from harness import SEGUE, check

BEGIN = datetime(2025, 3, 3)
DAY = timedelta(days=1)


def stamp(moment):
    return moment.strftime("%Y-%m-%d %H:%M")


class Base:
    """A state of the workspace, and what the shop and the app bring into its inbox."""

    def __init__(self, folder):
        self.folder = folder
        self.state = Path(tempfile.mkdtemp(prefix="segue-life-")) / "state"
        (self.state / "inbox").mkdir(parents=True)

    def table(self, name, header, rows):
        with gzip.open(self.state / "inbox" / name, "wt", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(header)
            writer.writerows(rows)

    def people(self, since):
        rows = [(who, stamp(at), f"{who}@example.com", "yes") for who, at in since.items()]
        self.table("customers.csv.gz", ("customer", "since", "email", "email_consent"), rows)

    def orders(self, part, rows):
        """(who, moment, pounds), in any order."""
        rows = sorted(rows, key=lambda row: row[1])
        self.table(f"orders_{part}.csv.gz", ("invoice", "customer", "time", "lines", "units", "country", "amount"),
                   [(f"{part}{i}", who, stamp(at), 1, 1, "United Kingdom", f"{pounds:.2f}") for i, (who, at, pounds) in enumerate(rows)])

    def calls(self, rows):
        """(moment, call) of the app's tracking library."""
        with open(self.state / "inbox" / "activity.jsonl", "w") as out:
            for i, (at, call) in enumerate(sorted(rows, key=lambda row: row[0])):
                out.write(json.dumps({**call, "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "messageId": f"m{i}"}) + "\n")

    def ask(self, *words):
        done = subprocess.run([SEGUE, *words, *(["--ahead"] if words[0] == "run" and "--at" in words else []), "--workspace", str(self.folder), "--state", str(self.state)],
                              env={**os.environ, "SEGUE_SIGN": "x"}, capture_output=True, text=True)
        check(done.returncode in (0, 2), f"segue {' '.join(words)}" + (done.stderr if done.returncode not in (0, 2) else ""))
        return done.stdout


def at(day, hour=6):
    return (BEGIN + day * DAY).strftime(f"%Y-%m-%dT{hour:02}:00")


def value(base):
    """M5: frequency, average value, loyalty and lifetime value are features, the last with its interval."""
    chance = random.Random(11)
    orders, since = [], {}
    for i in range(600):
        who, gap, leave = f"c{i:03}", 25 / chance.gammavariate(1.5, 1), chance.betavariate(0.8, 4)
        day, basket, count = chance.uniform(0, 250), 40 + 60 * chance.gammavariate(2, 1), 0
        since[who] = BEGIN + day * DAY
        while day < 420 and (count < 2 or chance.random() >= leave):
            orders.append((who, BEGIN + day * DAY, basket * chance.gammavariate(4, 0.25) + 0.01))
            day, count = day + chance.expovariate(1 / gap), count + 1
    base.people(since)
    base.orders("a", orders)
    base.ask("run", "--at", at(421))
    regular = max(since, key=lambda who: sum(1 for row in orders if row[0] == who))
    words = base.ask("explain", regular, "--at", at(421))
    own = words.split("risk_value:")[1].split("\n\n")[0] if "risk_value:" in words else ""
    for feature in ("frequency", "basket", "loyalty", "worth", "churn"):
        check(f"\n   {feature} " in own.replace(":", " ").replace("=", " "), f"{feature} is among the features of risk_value\n{own}")
    check("the fit itself is sure of" in words, "the lifetime value has an interval")
    told = json.loads(base.ask("value", "--at", at(421), "--json"))["processes"]
    check(any(one["refused"] == "" and (one["value"] or 0) > 0 for one in told), "and everybody's is known")
    check(any(model["model"] == "risk_value" for one in told for model in one["models"]), "and that of each box of risk and value")


FIGURES = ("lift", "reach", "precision", "recall", "phi", "odds_ratio")
STAGES = ["awareness", "acquisition", "activation", "retention", "revenue", "referral"]


def app(base):
    """700 people who sign up; making two lists within three days goes with staying.  Gives what each did."""
    chance = random.Random(12)
    calls, done = [], {}
    for i in range(760):
        who, joined = f"u{i:03}", BEGIN + chance.uniform(0, 60) * DAY
        did = {"signed_up": i < 700, "lists": [], "sessions": [], "paid": False, "friend": False, "joined": joined}
        done[who] = did
        traits = {"email": f"{who}@example.com", "email_consent": True}
        if did["signed_up"]:
            traits |= {"signed_up": joined.strftime("%Y-%m-%dT%H:%M:%SZ"), "joined": joined.strftime("%Y-%m-%dT%H:%M:%SZ"), "status": "active"}
            early = chance.random() < 0.35
            did["lists"] = [chance.uniform(0.05, 2.8) for _ in range(2 if early else chance.randrange(2))]
            stays = chance.random() < (0.8 if early else 0.2)
            did["sessions"] = [chance.uniform(0, 10) for _ in range(3)] + ([chance.uniform(28.5, 41.5)] if stays else [])
            if stays and chance.random() < 0.7:
                did["sessions"].append((BEGIN + 118 * DAY - joined) / DAY)
            did["paid"] = stays and chance.random() < 0.5
            did["friend"] = did["paid"] and chance.random() < 0.3
        calls.append((joined, {"type": "identify", "userId": who, "traits": traits}))
        track = [("project_created", day) for day in did["lists"]] + [("session_started", day) for day in did["sessions"]]
        track += [("teammate_invited", chance.uniform(0, 7))] if did["signed_up"] and chance.random() < 0.3 else []
        track += [("friend_started", 50)] if did["friend"] else []
        track += [("invoice_paid", 45)] if did["paid"] else []
        for event, day in track:
            fields = {"code": "none"} if event == "friend_started" else {"invoice": who, "amount": 29} if event == "invoice_paid" else {}
            calls.append((joined + day * DAY, {"type": "track", "userId": who, "event": event, "properties": fields}))
    base.calls(calls)
    base.ask("run", "--at", at(119))
    return done


def moment(base):
    """M9: the early action that goes with staying is found, confirmed on others, and published as a feature."""
    app(base)
    found = json.loads(base.ask("aha", "aha", "--at", at(119), "--json"))
    confirmed = [one for one in found["ranking"] if one.get("confirmed")]
    best = confirmed[0] if confirmed else {"rule": "none"}
    check(found["people"] == 700 and found["kept_back"] > 150, "everybody who signed up is looked at, and some are kept back")
    check(best["rule"] == "make a list 2 times, within 3d", f"two lists within three days are found and confirmed: {best['rule']}")
    check(len(found["ranking"]) > 10 and any(" and " in one["rule"] for one in found["ranking"]) and all(len(best[name]) == 3 for name in FIGURES),
          f"{len(found['ranking'])} counts, windows and pairs are ranked by six figures with intervals")
    check(found["in_force"] == "", "nothing counts before it is approved")
    base.ask("aha", "aha", "--publish", "--at", at(119, 7))
    check(json.loads(base.ask("aha", "aha", "--at", at(119, 8), "--json"))["in_force"] == best["rule"], "then it does")


def funnel(base):
    """M8: six stages with conversion and time; activation is what the aha insight found."""
    done = app(base)
    base.ask("aha", "aha", "--publish", "--at", at(119, 7))
    base.ask("run", "--at", at(119, 8))
    stages = json.loads(base.ask("funnel", "way_in", "--at", at(119, 8), "--json"))[0]["stages"]
    check([stage["stage"] for stage in stages] == STAGES, "the six stages in their order")
    counts = dict.fromkeys(STAGES, 0)
    now = BEGIN + 119 * DAY + timedelta(hours=8)
    for did in done.values():
        holds = [True, did["signed_up"], sum(1 for day in did["lists"] if day <= 3) >= 2,
                 now - did["joined"] > 28 * DAY and any(now - 7 * DAY < did["joined"] + day * DAY <= now for day in did["sessions"]),
                 did["paid"], did["friend"]]
        last = max(i for i, held in enumerate(holds) if held)
        for stage in STAGES[:last + 1]:
            counts[stage] += 1
    told = {stage["stage"]: stage["people"] for stage in stages}
    check(told == counts, f"as counted by hand: {counts}, {told}")
    check(all(0 < stage["from_previous"] < 1 and len(stage["from_previous_interval"]) == 2 for stage in stages[1:]), "with conversion and its interval")
    check(stages[-1]["days_median"] is not None and stages[-1]["timed"] > 0, "and the time that it took")


def report(base):
    """R43: what a playbook changed, in people and in money, for each segment."""
    chance = random.Random(13)
    since, first, later = {}, [], []
    for i in range(900):
        who, large, joined = f"c{i:03}", i % 2 == 0, BEGIN + chance.uniform(0, 8) * DAY
        since[who] = joined
        first.append((who, joined, chance.uniform(1100, 1400) if large else chance.uniform(60, 120)))
        if chance.random() < (0.3 if large else 0.2):
            later.append((who, BEGIN + chance.uniform(64, 88) * DAY, chance.uniform(1100, 1400) if large else chance.uniform(60, 120)))
    since["daily"] = BEGIN    # so that nobody takes the shop's data for stale
    base.people(since)
    base.orders("a", first + [("daily", BEGIN + (day + 0.2) * DAY, 50) for day in range(62)])
    for day in (20, 58, 59, 60, 61):
        base.ask("run", "--at", at(day, 11))
    base.orders("b", later + [("daily", BEGIN + (day + 0.2) * DAY, 50) for day in range(62, 98)])
    base.ask("run", "--at", at(97))
    told = json.loads(base.ask("report", "store_sleepy", "--by", "buyer_size", "--at", at(97), "--json"))
    check(len(told) == 1 and told[0]["treated"]["people"] > 600 and told[0]["held_out"]["people"] > 50, "hundreds were treated, and some held out")
    parts = told[0]["segments"]
    check({part["segment"] for part in parts} == {"trade", "small"}, "both kinds of buyers")
    for arm in ("treated", "held_out"):
        for figure in ("people", "reached", "money"):
            whole = sum(part[arm][figure] for part in parts)
            check(abs(whole - told[0][arm][figure]) < 0.01, f"{figure} {arm}: the segments add up to the whole")
    for part in parts:
        check(len(part["effect"]["interval"]) == 2 and len(part["money_per_thousand"]["interval"]) == 2 and 0 <= part["adjusted_p"] <= 1,
              f"uplift and money of {part['segment']}, with intervals")
    words = base.ask("report", "store_sleepy", "--by", "buyer_size", "--at", at(97))
    check("Trade buyers" in words and "money per 1 000" in words and "p, corrected" in words, f"and in words\n{words}")


LIVES = {"value": value, "moment": moment, "funnel": funnel, "report": report}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in LIVES:
        sys.exit(__doc__)
    LIVES[sys.argv[1]](Base(sys.argv[2]))
