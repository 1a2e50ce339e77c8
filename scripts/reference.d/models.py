"""Models: features, scores, lines, slots, settling and moves."""

import math
from decimal import Decimal

from expressions import Ask, Scope, read
from times import Schedule, local, parse_duration, zone_of

EDIT, REFIT, MERGE, IMPORT, BEHAVIOUR, TIME = range(6)
CAUSES = ["edit", "refit", "merge", "import", "behaviour", "time"]
MODEL_KEYS = {"model", "title", "tags", "status", "of", "every", "timezone", "who", "refit", "features", "scores", "segments", "flags",
              "rank", "settle"}
SCORE_KEYS = {"from", "best", "cuts", "fifths", "refit", "points", "range"}


def refuse(where, found, known):
    unknown = set(found) - known
    if unknown:
        raise NotImplementedError(f"{where}: the reference does not have {', '.join(sorted(unknown))}")


class Move:
    __slots__ = ("model", "customer", "before", "to", "cause", "at")

    def __init__(self, model, customer, before, to, cause, at):
        self.model, self.customer, self.before, self.to, self.cause, self.at = model, customer, before, to, cause, at


class Result:
    """What one slot says about one customer."""

    __slots__ = ("answer", "values", "firm")

    def __init__(self, answer=None, values=None, firm=None):
        self.answer = answer
        self.values = values      # features and scores; None outside `who`
        self.firm = firm or {}    # the scores that were computed with a value and with lines: only these have margins next time


class Person:
    """What a model remembers about a customer whom it placed."""

    __slots__ = ("segment", "result", "flags", "pending", "count", "cause", "since")

    def __init__(self, segment, result):
        self.segment, self.result = segment, result
        self.flags = {}
        self.pending = self.count = self.cause = self.since = None


class Score:
    def __init__(self, name, document, model, scope):
        refuse(f"{model.id}.{name}", document, SCORE_KEYS)
        self.name = name
        self.best = document.get("best")
        self.range = [float(end) for end in document["range"].split("..")] if "range" in document else None
        self.value = read(document["from"], scope) if "from" in document else None
        self.points = [(read(line["when"], scope), float(line["add"])) for line in document.get("points", [])]
        self.cuts = [read(line, scope).ask(None) for line in document["cuts"]] if "cuts" in document else None
        self.fifths = "fifths" in document
        if self.fifths and document["fifths"] != "yes":
            raise NotImplementedError(f"{model.id}.{name}: fifths with keys")
        self.refit = document.get("refit", model.document.get("refit", "monthly"))
        self.has_margin = (self.cuts is not None or self.fifths) and not self.value.whole

    def kept(self, value):
        return value if self.range is None else min(max(value, self.range[0]), self.range[1])

    def score(self, ask, lines, settled, margin):
        """(score, is it firm?).  `settled` is the score of the last slot, or None where there is no margin."""
        if self.points:
            total = 0.0
            for when, add in self.points:
                if when.true(ask):
                    total += add
            return self.kept(total), False
        value = self.value(ask)
        if self.best is None:
            if value is None:
                return (self.range[0] if self.range else None), False
            return self.kept(value), False
        lines = self.cuts if self.cuts is not None else lines
        if value is None or lines is None:
            return 1.0, False
        return float(self.cut(value, lines, settled, margin)), True

    def cut(self, value, lines, settled, margin):
        count = len(lines)
        was_above = 0
        if settled is not None:
            was_above = int(settled) - 1 if self.best == "high" else count + 1 - int(settled)
        below = 0
        for number, line in enumerate(lines, 1):
            if settled is not None:
                if number <= was_above:
                    line = line - math.fabs(line) * margin / 100
                else:
                    line = line + math.fabs(line) * margin / 100
            if value >= line if self.best == "high" else value > line:
                below += 1
        return below + 1 if self.best == "high" else count + 1 - below


def quantile_lines(values):
    """Four lines at 20, 40, 60 and 80 %."""
    ordered = sorted(values)
    last = len(ordered) - 1
    lines = []
    for share in (0.2, 0.4, 0.6, 0.8):
        place = last * share
        index = math.floor(place)
        if index >= last:
            lines.append(ordered[last])
        else:
            lines.append(ordered[index] + (place - index) * (ordered[index + 1] - ordered[index]))
    return lines


class Model:
    def __init__(self, document, workspace, model_ids):
        refuse(document["model"], document, MODEL_KEYS)
        self.id, self.document, self.workspace = document["model"], document, workspace
        self.zone = zone_of(document["timezone"]) if "timezone" in document else workspace.zone
        self.schedule = Schedule(document["every"], self.zone)
        self.read_expressions(document, [id_ for id_ in model_ids if id_ != self.id])
        settle = document.get("settle", {})
        hold = settle.get("hold", "1 run").split()
        self.hold_runs = int(hold[0]) if len(hold) == 2 else None
        self.hold_time = parse_duration(hold[0]) if len(hold) == 1 else None
        self.margin = float(Decimal(settle.get("margin", "0%").rstrip("%")))
        self.people = {}                             # customer → Person, for those who were placed
        self.lines, self.fitted_in = {}, {}          # score → lines, and the month or quarter of the fit
        self.last_slot = self.last_now = None
        self.moves, self.fits = [], []

    def read_expressions(self, document, others):
        own, self.everything = {}, []
        scope = Scope(self.workspace, models=others, own=own, zone=self.zone)

        def expression(text):
            self.everything.append(read(text, scope))
            return self.everything[-1]

        self.who = expression(document["who"]) if "who" in document else None
        self.features = []
        for name, text in document.get("features", {}).items():
            feature = expression(text)
            self.features.append((name, feature))
            own[name] = feature.whole
        self.scores = []
        for name, body in document.get("scores", {}).items():
            score = Score(name, body, self, scope)
            self.everything += [score.value] if score.value else []
            self.everything += [when for when, _ in score.points]
            self.scores.append(score)
            own[name] = score.best is not None
        self.segments = []
        for segment in document["segments"]:
            refuse(self.id, segment, {"id", "name", "when"})
            self.segments.append((segment["id"], None if segment["when"] == "otherwise" else expression(segment["when"])))
        self.flags = [(name, expression(flag["on"]), expression(flag["off"]) if "off" in flag else None)
                      for name, flag in document.get("flags", {}).items()]
        self.reads = set().union(*(part.models for part in self.everything))
        self.looks = set().union(*(part.events for part in self.everything))
        self.looks |= {refund for refund, original in self.workspace.reverses.items() if original in self.looks}
        self.looks |= {"customer." + trait for part in self.everything for trait in part.traits}

    # what others see

    def segment(self, customer):
        person = self.people.get(customer)
        return person.segment if person else None

    def value(self, customer, name):
        """A feature, score or flag as of the last slot; missing for people who are not in the model."""
        person = self.people.get(customer)
        if person is None or person.segment is None:
            return None
        if any(name == flag for flag, _, _ in self.flags):
            return person.flags.get(name)
        return person.result.values.get(name) if person.result.values is not None else None

    # the answer

    def evaluate(self, world, customer, now, lines, settled=None, without_margin=()):
        """The answer for one customer; `settled` is the Result of the last slot, for the margins."""
        ask = Ask(world.store.view(customer, now), now, customer, models=world.models)
        if self.who and not self.who.true(ask):
            return Result()
        values = ask.own = {}
        for name, feature in self.features:
            values[name] = feature(ask)
        firm = {}
        for score in self.scores:
            name, before = score.name, None
            if score.has_margin and settled and settled.firm.get(name) and name not in without_margin:
                before = settled.values[name]
            values[name], firm[name] = score.score(ask, lines.get(name), before, self.margin)
        for segment, when in self.segments:
            if when is None or when.true(ask):
                return Result(segment, values, firm)
        return Result(None, values, firm)

    def raise_flags(self, world, customer, now, person):
        """Flags begin from no, and are missing for people whose answer is none."""
        if person.result.answer is None:
            person.flags = {}
            return
        ask = Ask(world.store.view(customer, now), now, customer, models=world.models, own=person.result.values)
        for name, on, off in self.flags:
            if person.flags.get(name):
                person.flags[name] = not (off.true(ask) if off else not on.true(ask))
            else:
                person.flags[name] = on.true(ask)

    # lines

    def period(self, score, slot):
        day = local(self.workspace.zone, slot).date()
        return {"monthly": (day.year, day.month), "quarterly": (day.year, (day.month - 1) // 3), "never": 0}.get(score.refit, slot)

    def fit(self, world, slot, now):
        """Learns the lines that are due at this slot."""
        for score in self.scores:
            if not score.fifths or self.fitted_in.get(score.name) == self.period(score, slot):
                continue
            values = []
            for customer in world.store.base:
                ask = Ask(world.store.view(customer, now), now, customer, models=world.models)
                if self.who and not self.who.true(ask):
                    continue
                ask.own = {}
                for name, feature in self.features:
                    ask.own[name] = feature(ask)
                values.append(score.value(ask))
            values = [value for value in values if value is not None]
            if values:
                self.lines = {**self.lines, score.name: quantile_lines(values)}
                self.fitted_in[score.name] = self.period(score, slot)
                self.fits.append((now, score.name, len(values)))

    # slots

    def turn(self, world, now):
        """This model's turn in a cycle: its slot if it is due, else new customers only."""
        slot = self.schedule.latest(now)
        if self.last_slot is None or slot > self.last_slot:
            self.run(world, slot, now)
        else:
            for customer in world.store.base:
                if customer not in self.people:
                    self.place(world, customer, now)

    def run(self, world, slot, now):
        before = self.lines
        self.fit(world, slot, now)
        learned = {name for name in self.lines if self.lines[name] is not before.get(name)}
        changed = {name for name in learned if self.lines[name] != before.get(name)}
        for customer in world.store.base:
            person = self.people.get(customer)
            if person is None:
                self.place(world, customer, now)
                continue
            result = self.evaluate(world, customer, now, self.lines, person.result, changed)
            if result.answer == person.segment:
                person.pending = person.count = person.cause = None
            else:
                self.hold(world, customer, person, result, slot, now, before if learned else None)
            person.result = result
            self.raise_flags(world, customer, now, person)
        self.last_slot, self.last_now = slot, now

    def place(self, world, customer, now):
        """Takes a customer in whom the model never placed; at the very first slot that is no move."""
        result = self.evaluate(world, customer, now, self.lines)
        if result.answer is None:
            return
        person = self.people[customer] = Person(result.answer, result)
        self.raise_flags(world, customer, now, person)
        if self.last_slot is not None:
            facts = world.store.effects_since(customer, self.last_now, now, self.looks)
            self.moves.append(Move(self.id, customer, None, result.answer, IMPORT if any(facts) else BEHAVIOUR, now))

    def hold(self, world, customer, person, result, slot, now, lines_before):
        """An answer that differs from the settled segment: counted, and a move when it was held."""
        if person.count is None or person.pending != result.answer:
            person.pending, person.count, person.since = result.answer, 1, slot
            person.cause = self.cause(world, customer, person, now, lines_before)
        else:
            person.count += 1
        if self.hold_runs is not None:
            held = person.count >= self.hold_runs
        else:
            held = slot - person.since >= self.hold_time
        if held or person.cause == REFIT:
            self.moves.append(Move(self.id, customer, person.segment, result.answer, person.cause, now))
            person.segment = result.answer
            person.pending = person.count = person.cause = None

    def cause(self, world, customer, person, now, lines_before):
        """Why the answer differs, the first that applies.  Nothing is edited or merged here."""
        if lines_before is not None:
            if self.evaluate(world, customer, now, lines_before, person.result).answer == person.segment:
                return REFIT
        facts = world.store.effects_since(customer, self.last_now, now, self.looks)
        return IMPORT if any(facts) else BEHAVIOUR if facts else TIME
