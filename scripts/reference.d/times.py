"""Moments, walls and schedules.

A moment is a whole number of microseconds since 1970-01-01 UTC.  A wall time that does not exist moves to the first instant
after the gap; one that exists twice means the first.
"""

import re
from datetime import date, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s*(Z|[+-]\d\d:\d\d)?")


@lru_cache(maxsize=None)
def zone_of(name):
    """The zone of that name, or None when there is no such zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def micros(moment):
    """An aware datetime as microseconds; exact."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def local(zone, moment):
    """The wall time that a clock in this zone shows at a moment."""
    return (EPOCH + timedelta(microseconds=moment)).astimezone(zone)


def wall(zone, day, clock):
    """The moment at which a clock in this zone shows that time of that day."""
    shown = datetime.combine(day, clock, tzinfo=zone)
    first = micros(shown.replace(fold=0))
    if local(zone, first).replace(tzinfo=None) == shown.replace(tzinfo=None):
        return first
    low, high = micros(shown.replace(fold=1)), first     # in a gap: low lies before it, high at or after its end
    before = local(zone, low).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if local(zone, middle).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def parse_moment(text, zone):
    """A time as sources write it; ValueError when it is none."""
    match = MOMENT.fullmatch(text.strip())
    if not match:
        raise ValueError(f"not a time: {text!r}")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    rest = int(((fraction or "") + "000000")[:6])
    clock = time(int(hour or 0), int(minute or 0), int(second or 0))
    if offset is None:
        return wall(zone, date(int(year), int(month), int(day)), clock) + rest
    shift = timedelta(0)
    if offset != "Z":
        shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6])) * (-1 if offset[0] == "-" else 1)
    return micros(datetime(int(year), int(month), int(day), clock.hour, clock.minute, clock.second, tzinfo=timezone(shift))) + rest


def parse_duration(text):
    """`90m`, `6h`, `3d`, `2w` in microseconds."""
    match = re.fullmatch(r"(\d+)([smhdw])", text.strip())
    if not match:
        raise ValueError(f"not a duration: {text!r}")
    return int(match.group(1)) * UNITS[match.group(2)]


def parse_clock(text):
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


def parse_weekdays(words):
    """`[mon, wed..fri]` as a set of 0 (Monday) to 6."""
    days = set()
    for word in words if isinstance(words, list) else [words]:
        first, _, last = word.partition("..")
        start, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        days.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return days


def round_away(number):
    """A Decimal to the nearest whole number, halves away from zero."""
    return int(number.quantize(Decimal(1), rounding=ROUND_HALF_UP))


class Schedule:
    """`15m`, `day at 04:00`, `week on mon at 05:30`, `month on 1 at 06:00` on the wall of a zone."""

    def __init__(self, text, zone):
        self.zone = zone
        self.every = self.weekday = self.monthday = None
        self.clock = time(0, 0)
        words = text.split()
        if len(words) == 1:
            self.every = parse_duration(text)
            return
        self.clock = parse_clock(words[-1])
        if words[0] == "week":
            self.weekday = WEEKDAYS.index(words[2])
        elif words[0] == "month":
            self.monthday = int(words[2])

    def slot_of(self, day, now):
        """The last slot of this local day at or before now, or None."""
        if self.weekday is not None and day.weekday() != self.weekday:
            return None
        if self.monthday is not None and day.day != self.monthday:
            return None
        start = wall(self.zone, day, self.clock)
        if start > now:
            return None
        if self.every is None:
            return start
        end = min(now, wall(self.zone, day + timedelta(days=1), self.clock) - 1)
        return start + (end - start) // self.every * self.every

    def latest(self, now):
        """The latest slot at or before now."""
        day = local(self.zone, now).date()
        while True:
            slot = self.slot_of(day, now)
            if slot is not None:
                return slot
            day -= timedelta(days=1)
