"""A year of a shop's files, shuffled into arrivals.

    arrivals.py SEED TARGET [SOURCE]

Writes TARGET/inbox with one file per source and six hours.  A row arrives when it happens, one in twenty later (an hour to
twenty days), one in twenty a second time, in the same file or up to five days later.  Rows stand in any order in their file.
The modification time of a file is the moment of its arrival, and its name has the same order.
"""

import csv
import gzip
import io
import os
import random
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

FILES = {"customers": "since", "orders": "time", "refunds": "time"}
ZONE = ZoneInfo("Europe/London")
HOUR = 3600
PERIOD = 6 * HOUR
LATE = DOUBLE = 0.05


def happened(row, column):
    shown = datetime.strptime(row[column], "%Y-%m-%d %H:%M").replace(tzinfo=ZONE)
    return int(shown.timestamp())


def arrivals_of(moment, chance):
    """The moments at which a row arrives: one, or two."""
    first = moment + (chance.randint(HOUR, 20 * 24 * HOUR) if chance.random() < LATE else 0)
    if chance.random() >= DOUBLE:
        return [first]
    return [first, first + (0 if chance.random() < 0.3 else chance.randint(0, 5 * 24 * HOUR))]


def write(path, header, rows, moment):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=6, mtime=0))
    os.utime(path, (moment, moment))


def shuffle(name, column, source, inbox, chance):
    """Spreads one file over many; returns how many rows were late, doubled, and how many files there are."""
    with gzip.open(source / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        header, rows = reader.fieldnames, list(reader)
    periods, late, doubled = {}, 0, 0
    for row in rows:
        moment = happened(row, column)
        moments = arrivals_of(moment, chance)
        late += moments[0] != moment
        doubled += len(moments) == 2
        for arrival in moments:
            periods.setdefault(arrival // PERIOD + 1, []).append(row)
    for period, inside in sorted(periods.items()):
        chance.shuffle(inside)
        end = period * PERIOD
        label = datetime.fromtimestamp(end, timezone.utc).strftime("%Y%m%d-%H%M")
        write(inbox / f"{name}-{label}.csv.gz", header, inside, end)
    return len(rows), late, doubled, len(periods)


def main(seed, target, source):
    inbox = Path(target, "inbox")
    shutil.rmtree(inbox, ignore_errors=True)
    inbox.mkdir(parents=True)
    chance = random.Random(seed)
    for name, column in FILES.items():
        rows, late, doubled, files = shuffle(name, column, Path(source), inbox, chance)
        print(f"seed {seed}: {name}: {rows} rows in {files} files, {late} late, {doubled} twice")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else Path(__file__).parents[1] / "data" / "online_retail")
