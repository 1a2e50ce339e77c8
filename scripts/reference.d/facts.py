"""Facts: rows of the sources, what is kept of them, and what one customer looks like at one moment.

A stored event keeps what its row said.  Refunds are looked up each time a view is made: the view of a customer at a moment holds
the events that count then, with the amounts that are left, and the refunds whose original is not known.
"""

import csv
import gzip
import re
from collections import Counter, defaultdict
from decimal import Decimal, InvalidOperation
from pathlib import Path

from siphash import siphash
from times import parse_duration, parse_moment, round_away, zone_of

NEVER = 1 << 62
SOURCE_KEYS = {"source", "title", "tags", "type", "path", "every", "emits", "time", "timezone", "currency", "dedupe", "map", "late_events"}


class Event:
    """One stored event."""

    __slots__ = ("kind", "customer", "time", "arrival", "fields", "key", "hash", "refunds")

    def __init__(self, kind, customer, time, arrival, fields, key):
        self.kind, self.customer, self.time, self.arrival, self.fields, self.key = kind, customer, time, arrival, fields, key
        self.hash = siphash(key)
        self.refunds = []


class Record:
    """An event as an expression sees it."""

    __slots__ = ("time", "hash", "fields")

    def __init__(self, time, hash_, fields):
        self.time, self.hash, self.fields = time, hash_, fields


class BadRow(Exception):
    pass


def parse_value(type_, text):
    """A cell as a stored value: numbers in millionths, money in minor units, times in microseconds; None when it is empty."""
    if text is None or not text.strip():
        return None
    try:
        if type_ in ("number", "money"):
            if not re.fullmatch(r"-?\d+(\.\d+)?", text.strip()):
                raise BadRow(text)
            return round_away(Decimal(text.strip()) * (1_000_000 if type_ == "number" else 100))
        if type_ == "yes_no":
            return {"yes": True, "no": False}[text.strip()]
        if type_ == "duration":
            return parse_duration(text)
    except (ValueError, KeyError, InvalidOperation) as problem:
        raise BadRow(text) from problem
    return text


class Source:
    """Reads the rows of one source's files."""

    def __init__(self, document, workspace):
        unknown = set(document) - SOURCE_KEYS
        if unknown or document["type"] != "csv":
            raise NotImplementedError(f"source {document['source']}: {unknown or document['type']}")
        self.id, self.emits, self.pattern = document["source"], document["emits"], document["path"]
        self.zone = zone_of(document.get("timezone", str(workspace.zone)))
        self.columns = document.get("map", {})
        self.time = document["time"]
        self.late_after = parse_duration(document.get("late_events", "72h"))
        dedupe = document.get("dedupe")
        self.dedupe = [dedupe] if isinstance(dedupe, str) else dedupe
        self.fields = workspace.traits if self.emits == "customer" else workspace.events[self.emits]
        self.key = workspace.shop.get("keys", {}).get("customer", "customer_id")
        self.to_come = None      # (path, the moment from which it is there), in the order of the names

    def new_files(self, state, now):
        """The files that are there at this moment and were not read before, in the order of their names."""
        if self.to_come is None:
            self.to_come = [(path, path.stat().st_mtime_ns // 1000) for path in sorted(Path(state).glob(self.pattern))]
        there = [path for path, moment in self.to_come if moment <= now]
        self.to_come = [(path, moment) for path, moment in self.to_come if moment > now]
        return there

    def rows(self, path):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines)

    def read(self, row):
        """(customer, time, fields) of a row; the customer is None for an anonymous one."""
        customer = (row.get(self.columns.get(self.key, self.key)) or "").strip() or None
        time = self.moment(row[self.time])
        fields = {}
        for name, type_ in self.fields.items():
            column = self.columns.get(name, name)
            if column in row:
                cell = row[column]
                fields[name] = self.moment(cell) if type_ == "time" and cell.strip() else parse_value(type_, cell)
        return customer, time, fields

    def moment(self, cell):
        try:
            return parse_moment(cell, self.zone)
        except ValueError as problem:
            raise BadRow(str(problem)) from problem

    def dedupe_text(self, customer, time, fields):
        if self.dedupe:
            parts = [fields.get(name) for name in self.dedupe]
        else:
            parts = [customer, time, *(fields.get(name) for name in self.fields)]
        return b"\x1f".join(b"" if part is None else str(part).encode() for part in parts)


class View:
    """One customer at one moment.  It holds until `until`, the first moment at which something stored begins to count."""

    def __init__(self, store, customer, now):
        self.store, self.customer, self.now = store, customer, now
        self.kinds, self.lonely = {}, {}
        self.until = min((moment for moment in store.moments(customer) if moment > now), default=NEVER)
        self.traits = {}
        for name, changes in store.traits[customer].items():
            begun = [change for change in changes if change[0] <= now]
            if begun:
                self.traits[name] = max(begun)[2]      # the newest; of the same time the one that came last

    def events(self, kind):
        """The events of a kind that count, in order, and their times."""
        if kind not in self.kinds:
            records = []
            for event in self.store.of_customer[self.customer][kind]:
                fields = self.store.left_of(event, self.now) if event.time <= self.now else None
                if fields is not None:
                    records.append(Record(event.time, event.hash, fields))
            records.sort(key=lambda record: (record.time, record.hash))
            self.kinds[kind] = records, [record.time for record in records]
        return self.kinds[kind]

    def orphans(self, kind):
        """The refunds without an original that take from this kind, in order, and their times."""
        if kind not in self.lonely:
            records = []
            for refund_kind, original_kind in self.store.workspace.reverses.items():
                if original_kind != kind:
                    continue
                shared = self.store.shared[refund_kind]
                for refund in self.store.of_customer[self.customer][refund_kind]:
                    if refund.time <= self.now and self.store.original_of(refund) is None:
                        fields = {name: refund.fields.get(name) for name in shared}
                        records.append(Record(refund.time, refund.hash, fields))
            records.sort(key=lambda record: (record.time, record.hash))
            self.lonely[kind] = records, [record.time for record in records]
        return self.lonely[kind]


class Store:
    """All facts that have arrived."""

    def __init__(self, workspace, state):
        self.workspace, self.state = workspace, state
        self.sources = [Source(document, workspace) for document in workspace.sources]
        self.shared = {kind: workspace.shared_money(kind) for kind in workspace.reverses}
        self.base = {}                                                   # customers in the order of first sight
        self.by_key = {}                                                 # (kind, dedupe text) → event
        self.of_customer = defaultdict(lambda: defaultdict(list))        # customer → kind → events
        self.originals = {}                                              # (refund kind, value of `by`) → original
        self.refunds_of = defaultdict(list)                              # the same key → refunds
        self.traits = defaultdict(lambda: defaultdict(list))             # customer → trait → (time, order, value)
        self.effects = defaultdict(list)                                 # customer → (takes effect, late?, what it is)
        self.views = {}
        self.counts = Counter()

    # taking facts in

    def pull(self, now):
        """Reads everything that is there at this moment."""
        for source in self.sources:
            for path in source.new_files(self.state, now):
                for row in source.rows(path):
                    self.take(source, row, now)

    def take(self, source, row, now):
        try:
            customer, time, fields = source.read(row)
        except BadRow:
            self.counts["bad"] += 1
            return
        if customer is None:
            self.counts["anonymous"] += 1
            return
        late = time < now - source.late_after
        if source.emits == "customer":
            self.take_traits(customer, time, now, fields, late)
        else:
            self.take_event(source, customer, time, now, fields, late)

    def take_traits(self, customer, time, now, fields, late):
        self.counts["customer rows"] += 1
        self.base.setdefault(customer)
        for name, value in fields.items():
            changes = self.traits[customer][name]
            changes.append((time, len(changes), value))
            self.effects[customer].append((max(time, now), late, "customer." + name))
        self.views.pop(customer, None)

    def take_event(self, source, customer, time, now, fields, late):
        if source.dedupe and all(fields.get(name) is None for name in source.dedupe):
            self.counts["bad"] += 1
            return
        key = source.dedupe_text(customer, time, fields)
        known = self.by_key.get((source.emits, key))
        if known:
            same = (known.customer, known.time, known.fields) == (customer, time, fields)
            self.counts["duplicates" if same else "conflicts"] += 1
            return
        event = Event(source.emits, customer, time, now, fields, key)
        self.counts["events"] += 1
        self.counts["late"] += late
        self.by_key[source.emits, key] = event
        self.base.setdefault(customer)
        self.of_customer[customer][event.kind].append(event)
        self.changed(event, customer, late)
        self.link(event, late)

    def changed(self, event, customer, late):
        """Notes that this event is a fact about that customer."""
        self.effects[customer].append((max(event.time, event.arrival), late, event.kind))
        self.views.pop(customer, None)

    def link(self, event, late):
        """Ties a refund to its original, whichever came first."""
        for refund_kind, original_kind in self.workspace.reverses.items():
            value = event.fields.get(self.workspace.by[refund_kind])
            if value is None:
                continue
            if event.kind == original_kind:
                self.originals[refund_kind, value] = event
                for refund in self.refunds_of[refund_kind, value]:
                    self.views.pop(refund.customer, None)
            if event.kind == refund_kind:
                self.refunds_of[refund_kind, value].append(event)
                original = self.originals.get((refund_kind, value))
                if original and original.customer != event.customer:
                    self.changed(event, original.customer, late)

    # asking

    def original_of(self, refund):
        return self.originals.get((refund.kind, refund.fields.get(self.workspace.by[refund.kind])))

    def refunds_for(self, event):
        """(refund, its shared fields) for all refunds of an event."""
        for refund_kind, original_kind in self.workspace.reverses.items():
            if original_kind == event.kind:
                for refund in self.refunds_of.get((refund_kind, event.fields.get(self.workspace.by[refund_kind])), ()):
                    yield refund, self.shared[refund_kind]

    def left_of(self, event, now):
        """The fields of an event after its refunds, or None when it was taken back whole."""
        fields, touched = event.fields, set()
        for refund, shared in self.refunds_for(event):
            if refund.time > now:
                continue
            if fields is event.fields:
                fields = dict(fields)
            touched.update(shared)
            for name in shared:
                if fields.get(name) is not None and refund.fields.get(name) is not None:
                    fields[name] -= refund.fields[name]
        for name in touched:
            if fields.get(name) is not None:
                fields[name] = max(0, fields[name])
        return None if touched and all(not fields.get(name) for name in touched) else fields

    def moments(self, customer):
        """Every moment at which a stored fact of this customer begins to count."""
        for events in self.of_customer[customer].values():
            for event in events:
                yield event.time
                for refund, _ in self.refunds_for(event):
                    yield refund.time
        for changes in self.traits[customer].values():
            for at, _, _ in changes:
                yield at

    def view(self, customer, now):
        view = self.views.get(customer)
        if view is None or not view.now <= now < view.until:
            view = self.views[customer] = View(self, customer, now)
        return view

    def effects_since(self, customer, since, now, looks):
        """The late marks of the facts that a model looks at and that took effect after `since`, up to now."""
        return [late for effect, late, what in self.effects[customer] if since < effect <= now and what in looks]
