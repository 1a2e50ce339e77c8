"""Kills the program 20 times while it imports: no row is lost or doubled, and the quarantine file is the same."""

import random
import sys
from datetime import datetime, timedelta, timezone

from harness import Workbench, bytes_written, check, stamp, write_rows

ROWS = 120_000
KILLS = 20
FILES = 24
FILE = "connector: box\ntype: file\npath: outgoing/mail/\n"


def orders(seed):
    """Orders of 5 000 customers, with copies, rows without a customer, and rows that cannot be read."""
    chance = random.Random(seed)
    start = datetime(2025, 1, 1, tzinfo=timezone.utc)
    rows = []
    for number in range(ROWS):
        moment = start + timedelta(seconds=number * 30)
        row = [f"o{number}", f"c{chance.randrange(5000)}", stamp(moment), f"{chance.randrange(100, 99999) / 100:.2f}"]
        kind = chance.random()
        if kind < 0.01:
            row[3] = "a lot"
        elif kind < 0.02:
            row[1] = ""
        elif kind < 0.03:
            row[2] = "2025-02-30"
        rows.append(row)
        if kind > 0.97:
            rows.append(list(row))
    return rows


def main():
    header = ["order_id", "customer", "time", "amount"]
    rows = orders(7)
    files = [rows[start : start + len(rows) // FILES] for start in range(0, len(rows), len(rows) // FILES)]
    calm, stormy = Workbench(FILE), Workbench(FILE)

    def drop(bench, number):
        write_rows(bench.state / "inbox" / f"orders-{number:02}.csv", header, files[number])

    for number in range(len(files)):
        drop(calm, number)
    written = 0

    def watch(process):
        nonlocal written
        written = max(written, bytes_written(process))
        return False

    calm.run_and_kill(watch, "run", "--at", "2026-01-01")
    per_file = written / len(files)
    chance = random.Random(1)
    killed = dropped = in_a_row = 0
    drop(stormy, 0)
    while True:
        # Longer each time that it did not come to its end, so that it will.
        patience = per_file * chance.uniform(0.0, 1.2) * (1 + in_a_row)
        if stormy.run_and_kill(lambda process: bytes_written(process) > patience, "run", "--at", "2026-01-01"):
            killed += 1
            in_a_row += 1
        elif dropped + 1 < len(files):
            in_a_row = 0
            dropped += 1  # It came to its end: the next file arrives.
            drop(stormy, dropped)
        else:
            break
    check(killed >= KILLS, f"the program was killed {killed} times while it imported")
    for bench in (calm, stormy):
        bench.run("run", "--at", "2026-01-03")  # A slot after the last row, for both.
    first, second = calm.doctor(), stormy.doctor()
    check(first["healthy"] and second["healthy"], "columns equal those rebuilt from the ledger")
    check(first["events"] == second["events"], f"the ledgers hold the same events: {first['events']}")
    check(first["columns"] == second["columns"], "the columns are equal to the byte")
    check(first["sources"] == second["sources"], f"rows, anonymous and bad are counted once: {first['sources']}")
    quarantine = [bench.state / "quarantine" / "orders.csv" for bench in (calm, stormy)]
    check(quarantine[0].read_bytes() == quarantine[1].read_bytes(), "the quarantine files are the same")
    people = [bench.run("segments", "--people") for bench in (calm, stormy)]
    check(people[0] == people[1], f"the segments of {people[0].count(chr(10))} customers are the same")


if __name__ == "__main__":
    main()
