"""Expressions: read once, then asked with an `Ask` that says who, when and from where.

A value is a float (numbers, money in minor units, times and durations in microseconds), True or False, a text, or None for
missing.  Reading an expression gives an `Expression`: a function of an Ask, and what the expression looks at.
"""

import math
import re
from bisect import bisect_right
from decimal import Decimal

from times import local, parse_duration, parse_moment

TOKEN = re.compile(r"""\s*(?:
    (?P<text>'[^']*') |
    (?P<duration>\d+[smhdw]\b) |
    (?P<percent>\d+(?:\.\d+)?%) |
    (?P<number>\d+(?:\.\d+)?) |
    (?P<currency>[A-Z]{3}\b) |
    (?P<name>[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*) |
    (?P<op>\.\.|<=|>=|==|[-+*/<>()\[\],])
)""", re.VERBOSE)
KEYWORDS = {"and", "or", "not", "is", "in", "where", "before", "yes", "no"}
AGGREGATES = {"count", "sum", "avg", "distinct", "last", "first", "did", "ever", "usual_gap"}
SINCE_START = {"count", "sum", "avg", "distinct", "did"}     # inside a run, without a window, these begin with the run


class Ask:
    """What an expression is asked about: one customer at one moment."""

    __slots__ = ("view", "now", "run_start", "own", "models", "customer", "event")

    def __init__(self, view, now, customer, models=None, run_start=None, own=None):
        self.view, self.now, self.customer = view, now, customer
        self.models, self.run_start, self.own = models, run_start, own
        self.event = None


class Scope:
    """Which names an expression may use, and how it is to be understood."""

    def __init__(self, workspace, models=(), own=None, in_run=False, zone=None, event=None):
        self.workspace, self.models, self.in_run, self.event = workspace, models, in_run, event
        self.own = {} if own is None else own      # own name → is it always a whole number?
        self.zone = zone or workspace.zone


class Expression:
    def __init__(self, text, ask, whole):
        self.text, self.ask, self.whole = text, ask, whole
        self.events, self.traits, self.models = set(), set(), set()

    def __call__(self, ask):
        return self.ask(ask)

    def true(self, ask):
        value = self.ask(ask)
        return value is not None and value == 1


def finite(value):
    return value if math.isfinite(value) else None


def read(text, scope):
    """Reads one expression."""
    return Reader(text, scope).whole_text()


class Reader:
    """Recursive descent over the tokens.  Each method returns (function of an Ask, is it always whole?)."""

    def __init__(self, text, scope):
        self.text, self.scope, self.place = text, scope, 0
        self.tokens = list(self.split(text))
        self.result = Expression(text, None, False)

    @staticmethod
    def split(text):
        place = 0
        while text[place:].strip():
            match = TOKEN.match(text, place)
            if not match:
                raise ValueError(f"cannot read {text[place:]!r} in {text!r}")
            yield match.lastgroup, match.group(match.lastgroup)
            place = match.end()
        yield "end", ""

    def peek(self, *words):
        kind, token = self.tokens[self.place]
        return kind != "text" and token in words

    def accept(self, *words):
        if self.peek(*words):
            self.place += 1
            return self.tokens[self.place - 1][1]
        return None

    def expect(self, word):
        if not self.accept(word):
            raise ValueError(f"expected {word!r}, found {self.tokens[self.place][1]!r} in {self.text!r}")

    def take(self, kind):
        found, token = self.tokens[self.place]
        if found != kind:
            raise ValueError(f"expected a {kind}, found {token!r} in {self.text!r}")
        self.place += 1
        return token

    def whole_text(self):
        self.result.ask, self.result.whole = self.disjunction()
        self.take("end")
        return self.result

    # and, or, not

    def disjunction(self):
        terms = [self.conjunction()]
        while self.accept("or"):
            terms.append(self.conjunction())
        if len(terms) == 1:
            return terms[0]
        parts = [ask for ask, _ in terms]
        return (lambda ask: any(part(ask) == 1 for part in parts)), False

    def conjunction(self):
        terms = [self.negation()]
        while self.accept("and"):
            terms.append(self.negation())
        if len(terms) == 1:
            return terms[0]
        parts = [ask for ask, _ in terms]
        return (lambda ask: all(part(ask) == 1 for part in parts)), False

    def negation(self):
        if self.accept("not"):
            inner, _ = self.comparison()
            return (lambda ask: inner(ask) != 1), False
        return self.comparison()

    # comparisons

    def comparison(self):
        start = self.place
        left, whole = self.sum()
        if self.accept("is", "=="):
            opposite = self.tokens[self.place - 1][1] == "is" and self.accept("not")
            return self.equality(left, self.right_side(start), opposite), False
        operator = self.accept("<", "<=", ">", ">=")
        if operator:
            return self.order(left, operator, self.right_side(start)), False
        if self.peek("in") or (self.peek("not") and self.tokens[self.place + 1][1] == "in"):
            opposite = self.accept("not")
            self.expect("in")
            inside = self.members(left)
            return ((lambda ask: not inside(ask)) if opposite else inside), False
        return left, whole

    def right_side(self, start):
        """The right side; a text that looks like a date stands for a time of the workspace's zone."""
        kind, token = self.tokens[self.place]
        if kind == "text" and re.fullmatch(r"'\d{4}-\d\d-\d\d( \d\d:\d\d)?'", token):
            self.place += 1
            moment = float(parse_moment(token[1:-1], self.scope.workspace.zone))
            return lambda ask: moment
        return self.sum()[0]

    @staticmethod
    def equality(left, right, opposite):
        def same(ask):
            a, b = left(ask), right(ask)
            return a is not None and b is not None and a == b
        return (lambda ask: not same(ask)) if opposite else same

    @staticmethod
    def order(left, operator, right):
        compare = {"<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__}[operator]

        def ordered(ask):
            a, b = left(ask), right(ask)
            return a is not None and b is not None and compare(float(a), float(b))
        return ordered

    def members(self, left):
        if self.accept("["):
            literals = [self.literal()]
            while self.accept(","):
                literals.append(self.literal())
            self.expect("]")
            return lambda ask: left(ask) is not None and left(ask) in literals
        low = self.signed_number()
        self.expect("..")
        high = self.signed_number()

        def between(ask):
            value = left(ask)
            return value is not None and low <= value <= high
        return between

    def signed_number(self):
        sign = -1.0 if self.accept("-") else 1.0
        return sign * float(self.take("number"))

    # arithmetic

    def sum(self):
        left, whole = self.product()
        while True:
            operator = self.accept("+", "-")
            if not operator:
                return left, whole
            right, right_whole = self.product()
            left, whole = self.arithmetic(left, operator, right), whole and right_whole

    def product(self):
        left, whole = self.unary()
        while True:
            operator = self.accept("*", "/")
            if not operator:
                return left, whole
            right, right_whole = self.unary()
            left, whole = self.arithmetic(left, operator, right), whole and right_whole and operator == "*"

    @staticmethod
    def arithmetic(left, operator, right):
        def compute(ask):
            a, b = left(ask), right(ask)
            if a is None or b is None or (operator == "/" and b == 0):
                return None
            if operator == "+":
                return finite(a + b)
            if operator == "-":
                return finite(a - b)
            return finite(a * b if operator == "*" else a / b)
        return compute

    def unary(self):
        if self.accept("-"):
            inner, whole = self.unary()
            return of(inner, lambda value, now: -value), whole
        if self.accept("("):
            inner = self.disjunction()
            self.expect(")")
            return inner
        kind, token = self.tokens[self.place]
        if kind == "name" and token not in KEYWORDS:
            self.place += 1
            return self.call(token) if self.accept("(") else self.name(token)
        value = self.literal()
        return (lambda ask: value), isinstance(value, float) and kind == "number" and value.is_integer()

    def literal(self):
        kind, token = self.tokens[self.place]
        self.place += 1
        if kind == "text":
            return token[1:-1]
        if kind == "duration":
            return float(parse_duration(token))
        if kind == "percent":
            return float(Decimal(token[:-1]) / 100)
        if kind == "number":
            if self.tokens[self.place][0] == "currency":
                self.place += 1
                return float(Decimal(token) * 100)
            return float(token)
        if token in ("yes", "no"):
            return token == "yes"
        raise ValueError(f"expected a value, found {token!r} in {self.text!r}")

    # names

    def name(self, name):
        scope = self.scope
        if scope.event and name in scope.workspace.events[scope.event]:
            return field_reader(scope.workspace.events[scope.event][name], name), False
        if name in scope.own:
            return (lambda ask: ask.own.get(name)), scope.own[name]
        first, _, rest = name.partition(".")
        if first == "customer":
            if rest not in scope.workspace.traits:
                raise ValueError(f"no trait {rest!r}, in {self.text!r}")
            self.result.traits.add(rest)
            return trait_reader(scope.workspace.traits[rest], rest), False
        if first in scope.models:
            self.result.models.add(first)
            if not rest:
                return (lambda ask: ask.models[first].segment(ask.customer)), False
            return (lambda ask: ask.models[first].value(ask.customer, rest)), False
        raise ValueError(f"unknown name {name!r} in {self.text!r}")

    # calls

    def call(self, name):
        if name in AGGREGATES:
            return self.aggregate(name)
        arguments = [self.disjunction()]
        while self.accept(","):
            arguments.append(self.disjunction())
        self.expect(")")
        first = arguments[0][0]
        if name == "since":
            return of(first, lambda value, now: now - value), False
        if name == "until":
            return of(first, lambda value, now: value - now), False
        if name == "exists":
            return (lambda ask: first(ask) is not None), False
        if name == "days":
            return self.midnights(first), True
        if name == "mean":
            return mean_of([ask for ask, _ in arguments]), False
        if name == "floor":
            return of(first, lambda value, now: float(math.floor(value))), True
        if name == "round":
            return of(first, lambda value, now: round_half_away(value)), True
        raise ValueError(f"unknown call {name!r} in {self.text!r}")

    def midnights(self, inner):
        zone = self.scope.zone
        day = lambda moment: local(zone, int(moment)).date()
        return of(inner, lambda value, now: float((day(now) - day(value)).days))

    def aggregate(self, name):
        kind, _, field = self.take("name").partition(".")
        self.result.events.add(kind)
        condition = None
        if self.accept("where"):
            outer, self.scope = self.scope, Scope(self.scope.workspace, event=kind)
            condition = self.disjunction()[0]
            self.scope = outer
        window, before = None, 0
        while self.accept(","):
            if self.accept("before"):
                before = parse_duration(self.take("duration"))
            else:
                window = parse_duration(self.take("duration"))
        self.expect(")")
        from_start = self.scope.in_run and window is None and name in SINCE_START
        return aggregate(self.scope.workspace, name, kind, field, condition, window, before, from_start), name in (
            "count", "distinct")


def of(inner, compute):
    """A function of one value and now; of a missing value it is missing."""
    def one(ask):
        value = inner(ask)
        return None if value is None else compute(value, ask.now)
    return one


def mean_of(parts):
    def mean(ask):
        total = 0.0
        for part in parts:
            value = part(ask)
            if value is None:
                return None
            total += value
        return finite(total / len(parts))
    return mean


def round_half_away(value):
    return float(math.floor(value + 0.5)) if value >= 0 else float(math.ceil(value - 0.5))


def as_value(type_, stored):
    """A stored field or trait as a value of an expression."""
    if stored is None or type_ not in ("number", "money", "time", "duration"):
        return stored
    return stored / 1_000_000 if type_ == "number" else float(stored)


def field_reader(type_, name):
    return lambda ask: as_value(type_, ask.event.fields.get(name))


def trait_reader(type_, name):
    return lambda ask: as_value(type_, ask.view.traits.get(name))


def chosen(records, condition, ask):
    """Those records for which the condition holds."""
    if condition is None:
        return records
    outer, found = ask.event, []
    for record in records:
        ask.event = record
        if condition(ask) == 1:
            found.append(record)
    ask.event = outer
    return found


def aggregate(workspace, name, kind, field, condition, window, before, from_start):
    """The function of an Ask for one aggregate.  It looks at now − B − W < time ≤ now − B."""
    type_ = workspace.events[kind].get(field) if field else None
    scale = 1_000_000 if type_ == "number" else 1

    def pick(ask, records, times):
        end = bisect_right(times, ask.now - before)
        if window is not None:
            start = bisect_right(times, ask.now - before - window)
        else:
            start = bisect_right(times, ask.run_start) if from_start and ask.run_start is not None else 0
        return chosen(records[start:end], condition, ask)

    def events(ask):
        return pick(ask, *ask.view.events(kind))

    def total(records):
        return sum(record.fields[field] for record in records if record.fields.get(field) is not None)

    def sum_(ask):
        whole = total(events(ask))
        orphans, times = ask.view.orphans(kind)
        if orphans:
            whole -= total(pick(ask, orphans, times))
        return whole / scale

    def avg(ask):
        having = [record for record in events(ask) if record.fields.get(field) is not None]
        return total(having) / scale / len(having) if having else None

    def distinct(ask):
        return float(len({record.fields[field] for record in events(ask) if record.fields.get(field) is not None}))

    def end_of(index):
        def end(ask):
            found = events(ask)
            if not found:
                return None
            return as_value(type_, found[index].fields.get(field)) if field else float(found[index].time)
        return end

    def usual_gap(ask):
        found = events(ask)
        return float(found[-1].time - found[0].time) / (len(found) - 1) if len(found) >= 3 else None

    return {"count": lambda ask: float(len(events(ask))), "sum": sum_, "avg": avg, "distinct": distinct,
            "last": end_of(-1), "first": end_of(0), "did": lambda ask: len(events(ask)) > 0,
            "ever": lambda ask: len(events(ask)) > 0, "usual_gap": usual_gap}[name]
