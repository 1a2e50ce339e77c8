"""The reference: one year of cycles, plainly recomputed.

    reference.py --workspace ROOT --state FOLDER --from TIME --to TIME --every 6h

Reads FOLDER/inbox as the sources say, a file being there from its modification time on, and prints what it counted.
`compare.py` uses `replay` and compares its World with what Segue left behind.
"""

import argparse
import time
from collections import Counter, defaultdict

from facts import Store
from models import CAUSES, Model
from playbooks import Playbooks
from times import local, parse_duration, parse_moment
from workspace import Workspace


class World:
    """Everything: the facts, the models, the playbooks, and the segments at the end of every day."""

    def __init__(self, root, state):
        self.workspace = Workspace(root)
        self.store = Store(self.workspace, state)
        documents = [document for document in self.workspace.by_kind["model"].values() if document.get("status", "live") == "live"]
        ids = [document["model"] for document in documents]
        self.models = self.in_reading_order([Model(document, self.workspace, ids) for document in documents])
        self.playbooks = Playbooks(self, ids)
        self.moves = []
        self.days = {}                               # local day → {(model, customer): segment} of those that changed
        self.known_on = {}                           # local day → how many customers were known
        self.shown = defaultdict(lambda: None)       # the segments at the end of the day before

    @staticmethod
    def in_reading_order(models):
        """Each model after those that it reads."""
        ordered, left = {}, list(models)
        while left:
            ready = [model for model in left if model.reads <= ordered.keys()]
            for model in ready:
                ordered[model.id] = model
            left = [model for model in left if model.id not in ordered]
        return ordered

    def cycle(self, now):
        self.store.pull(now)
        moves = []
        for model in self.models.values():
            count = len(model.moves)
            model.turn(self, now)
            moves += model.moves[count:]
        self.moves += moves
        self.playbooks.cycle(moves, now)
        self.playbooks.dispatch(now)

    def close_day(self, day):
        """Notes every segment that differs from the day before's."""
        changed = {}
        for model in self.models.values():
            for customer, person in model.people.items():
                if self.shown[model.id, customer] != person.segment:
                    changed[model.id, customer] = self.shown[model.id, customer] = person.segment
        self.days[day] = changed
        self.known_on[day] = len(self.store.base)


def replay(root, state, from_, to, every, progress=None):
    """Runs a cycle at from, from + every, … up to to."""
    world = World(root, state)
    zone = world.workspace.zone
    now, end, step = parse_moment(from_, zone), parse_moment(to, zone), parse_duration(every)
    day = local(zone, now).date()
    while now <= end:
        world.cycle(now)
        tomorrow = local(zone, now + step).date()
        if tomorrow != day or now + step > end:
            world.close_day(day)
            if progress and day.day == 1:
                progress(day, world)
            day = tomorrow
        now += step
    return world


def summary(world):
    """What the reference counted, as lines."""
    yield f"customers {len(world.store.base)}, " + ", ".join(f"{name} {count}" for name, count in sorted(world.store.counts.items()))
    causes = Counter((move.model, CAUSES[move.cause]) for move in world.moves)
    for model in world.models.values():
        parts = ", ".join(f"{cause} {causes[model.id, cause]}" for cause in CAUSES if causes[model.id, cause])
        yield f"{model.id}: moves {parts}; lines learned {len(model.fits)} times"
    runs = Counter(run.playbook.id for run in world.playbooks.runs)
    sends = Counter((send.playbook.id, send.kind) for send in world.playbooks.sends)
    refusals = Counter((playbook, reason) for _, playbook, _, _, reason in world.playbooks.refusals)
    for playbook in world.playbooks.playbooks:
        name = playbook.id
        ends = ", ".join(f"{how} {count}" for (id_, how), count in sorted(world.playbooks.ends.items()) if id_ == name)
        kinds = ", ".join(f"{kind} {count}" for (id_, kind), count in sorted(sends.items()) if id_ == name)
        noes = ", ".join(f"{reason} {count}" for (id_, reason), count in sorted(refusals.items()) if id_ == name)
        yield f"{name}: runs {runs[name]} ({ends}); promised: {kinds or 'nothing'}; refused: {noes or 'nothing'}"


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--workspace", required=True)
    parser.add_argument("--state", required=True)
    parser.add_argument("--from", dest="from_", default="2010-12-01T00:30")
    parser.add_argument("--to", default="2011-12-11T00:30")
    parser.add_argument("--every", default="6h")
    parser.add_argument("--progress", action="store_true")
    return parser


def shown_progress(started):
    return lambda day, world: print(f"  {day} after {time.monotonic() - started:.0f} s: {len(world.store.base)} customers", flush=True)


if __name__ == "__main__":
    given = arguments("The reference alone.").parse_args()
    begun = time.monotonic()
    done = replay(given.workspace, given.state, given.from_, given.to, given.every, shown_progress(begun) if given.progress else None)
    print("\n".join(summary(done)))
    print(f"{time.monotonic() - begun:.0f} s")
