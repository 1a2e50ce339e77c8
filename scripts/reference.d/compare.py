"""Compares the reference with what `segue replay` left in the same folder.

    compare.py --workspace ROOT --state FOLDER --trace FILE [--playbooks]

Compared are every customer's segment on every day (the trace), every move, every send, and what led to them: every run with its
end and every gate that said no (the database).  Prints the counts, and the first twenty differences in words; fails when there is
one.
"""

import json
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path

from models import CAUSES
from reference import arguments, replay, shown_progress, summary
from times import local

KINDS = ["send", "task", "set", "track"]


class Differences:
    def __init__(self):
        self.count, self.words = 0, []

    def add(self, words):
        self.count += 1
        if len(self.words) < 20:
            self.words.append(words)


def say(segment):
    return "none" if segment is None else segment


def read_trace(path):
    """Local day → {(model, customer): segment} as Segue wrote it, and the customers' keys by their numbers in the database."""
    days, keys = {}, {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        day, model, customer, segment, number = line.split("\t")
        days.setdefault(day, {})[model, customer] = None if segment == "none" else segment
        keys[int(number)] = customer
    return days, keys


def compare_days(world, trace, differences):
    """Every customer in every model at the end of every day; returns how many were compared."""
    ours, theirs, wrong, compared = {}, {}, set(), 0
    for day in sorted(trace.keys() - {str(day) for day in world.days}):
        differences.add(f"trace: {day} is no day of this replay")
    for day, changed in world.days.items():
        said = trace.get(str(day), {})
        ours.update(changed)
        theirs.update(said)
        compared += world.known_on[day] * len(world.models)
        for key in sorted(changed.keys() | said.keys() | wrong):
            mine, other = ours.get(key), theirs.get(key)
            if mine == other:
                wrong.discard(key)
                continue
            wrong.add(key)
            differences.add(f"segment: {day} {key[0]}, customer {key[1]}: Segue says {say(other)}, the reference {say(mine)}")
    return compared


def compare_bags(name, mine, theirs, describe, differences):
    """Two bags of tuples that should be equal."""
    missing, extra = Counter(mine), Counter(theirs)
    missing.subtract(theirs)
    extra.subtract(mine)
    left = [(entry, "only the reference has") for entry in (+missing).elements()]
    left += [(entry, "only Segue has") for entry in (+extra).elements()]
    for entry, who in sorted(left, key=lambda pair: (pair[0][-1], str(pair))):      # the last is always the moment
        differences.add(f"{name}: {who} {describe(entry)}")


def named(rows, keys):
    """Their second column, a number, as the customer's key."""
    return [(row[0], keys.get(row[1], f"number {row[1]}"), *row[2:]) for row in rows]


def moves_of_segue(database, keys):
    return named(database.execute('SELECT model, customer, "from", "to", cause, at FROM move'), keys)


def sends_of_segue(database):
    """What Segue promised; only messages have an address and a template outside of the payload."""
    query = "SELECT kind, playbook, customer_key, step, template, address, payload, not_before, created FROM outbox"
    for kind, playbook, customer, step, label, address, payload, not_before, created in database.execute(query):
        said = json.loads(payload)
        if KINDS[kind] == "task":
            label, address = said["title"], said["assignee"]
        elif KINDS[kind] == "set":
            label = ", ".join(map("{}={}".format, said["values"], said["values"].values()))
        elif KINDS[kind] == "track":
            label = said["name"]
        yield KINDS[kind], playbook, customer, step, label, address, not_before, created


def sends_of_reference(world):
    for send in world.playbooks.sends:
        yield send.kind, send.playbook.id, send.customer, send.step, send.label, send.address, send.not_before, send.created


def noes_of_segue(database, keys):
    """Every gate that refused.  A pending start that became void is stored without a reason: nobody refused it."""
    query = "SELECT playbook, customer, step, reason, at FROM decision WHERE NOT passed AND reason <> ''"
    return named(database.execute(query), keys)


def runs_of_segue(database, keys):
    query = "SELECT playbook, customer, CASE WHEN ended IS NULL THEN '' ELSE reason END, started FROM run"
    return named(database.execute(query), keys)


class Describe:
    """How moves, sends, runs and refusals are told."""

    def __init__(self, zone):
        self.at = lambda moment: local(zone, moment).strftime("%Y-%m-%d %H:%M")

    def move(self, of):
        model, customer, before, to, cause, at = of
        return f"the move {say(before)} → {say(to)} of customer {customer} in {model} at {self.at(at)}, cause {CAUSES[cause]}"

    def send(self, of):
        kind, playbook, customer, step, label, address, not_before, created = of
        return (f"{kind} “{label}” of {playbook}, step {step}, for customer {customer} to “{address}”, promised {self.at(created)}, "
                f"not before {self.at(not_before)}")

    def run(self, of):
        playbook, customer, end, start = of
        return f"a run of {playbook} for customer {customer} from {self.at(start)}, ended as: {end or 'not ended'}"

    def no(self, of):
        playbook, customer, step, reason, at = of
        return f"the no {reason} of {playbook}, {'step ' + step if step else 'at the start'}, for customer {customer} at {self.at(at)}"


def counted(counts):
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def main():
    parser = arguments(__doc__)
    parser.add_argument("--trace", required=True)
    parser.add_argument("--playbooks", action="store_true", help="say how each playbook went")
    given = parser.parse_args()
    begun = time.monotonic()
    world = replay(given.workspace, given.state, given.from_, given.to, given.every, shown_progress(begun) if given.progress else None)
    database = sqlite3.connect(f"file:{Path(given.state, 'segue.db').resolve()}?mode=ro", uri=True)
    differences = Differences()
    trace, keys = read_trace(given.trace)
    compared = compare_days(world, trace, differences)
    describe = Describe(world.workspace.zone)
    moves = [(move.model, move.customer, move.before, move.to, move.cause, move.at) for move in world.moves]
    sends = list(sends_of_reference(world))
    runs = [(run.playbook.id, run.customer, run.end or "", run.start) for run in world.playbooks.runs]
    noes = [(playbook, customer, step, reason, at) for at, playbook, customer, step, reason in world.playbooks.refusals]
    compare_bags("move", moves, moves_of_segue(database, keys), describe.move, differences)
    compare_bags("run", runs, runs_of_segue(database, keys), describe.run, differences)
    compare_bags("send", sends, list(sends_of_segue(database)), describe.send, differences)
    compare_bags("gate", noes, noes_of_segue(database, keys), describe.no, differences)

    counts = world.store.counts
    print(f"facts: {counts['events']} events of {len(world.store.base)} customers; {counts['duplicates']} duplicates, "
          f"{counts['late']} too late to start anybody, {counts['anonymous']} anonymous rows")
    print(f"segments compared (customers × days × models): {compared}, over {len(world.days)} days of {', '.join(world.models)}")
    print(f"moves: {len(moves)} ({counted(Counter(CAUSES[move[4]] for move in moves))})")
    print(f"sends: {len(sends)} of {len({send[1] for send in sends})} playbooks ({counted(Counter(send[1] for send in sends))})")
    print(f"runs: {len(runs)} ({counted(Counter(run[2] or 'not ended' for run in runs))})")
    print(f"gates that said no: {len(noes)} ({counted(Counter(no[3] for no in noes))})")
    fits = [(model.id, *fit) for model in world.models.values() for fit in model.fits]
    days = ", ".join(f"{model}.{score} on {local(world.workspace.zone, now).date()}" for model, now, score, _ in fits)
    print(f"lines learned {len(fits)} times, {len(fits) - len({(model, score) for model, _, score, _ in fits})} of them again: {days}")
    if given.playbooks:
        print("\n".join("  " + line for line in summary(world)))
    print(f"differences: {differences.count}  ({time.monotonic() - begun:.0f} s)")
    for words in differences.words:
        print("  " + words)
    return 1 if differences.count else 0


if __name__ == "__main__":
    sys.exit(main())
