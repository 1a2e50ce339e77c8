#!/usr/bin/python3
"""Compares the whole aha ranking with brute force in another language, on three real data sets.

    AHA_RANKING=build/dev/tests/aha_ranking tests/published/aha_reference.py [DATA]

Every rule is applied to every person by itself: no histograms, no sums from the end. Counts, order and short list must
be the same; figures and intervals agree to 1e-9, probabilities to 1e-8.
"""
import csv
import datetime
import hashlib
import math
import os
import subprocess
import sys
import tempfile

BINARY = os.environ["AHA_RANKING"]
Z = 1.959963984540054
DAY = 24 * 3600 * 1000


def check_part(key):
    """Three of ten are kept back, by a hash of who they are."""
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % 10 < 3


def app_first_day(data):
    people, events = [], []
    with open(data + "/app_first_day/users_ids_0_to_7.csv") as file:
        rows = list(csv.DictReader(file))
    actions = [name for name in rows[0] if name.startswith("cnt_")]
    for row in rows:
        if row["is_enable"] != "1":
            continue
        for i, name in enumerate(actions):
            events += [(len(people), i, 0)] * int(row[name])
        people.append((row["churned"] == "0", check_part(row["user_pseudo_id"])))
    return people, events, len(actions), 6, [DAY]


def sparkify_log(data):
    """Joining is the first event that the log has; staying is any event two to three weeks later."""
    with open(data + "/sparkify_log/events_2018_11.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["user_id"]]
    actions = sorted({row["event"] for row in rows})
    first = {}
    for row in rows:
        first[row["user_id"]] = min(first.get(row["user_id"], 1 << 60), int(row["ts_ms"]))
    users = sorted(first, key=int)
    index = {user: i for i, user in enumerate(users)}
    stayed, events = set(), []
    for row in rows:
        after = int(row["ts_ms"]) - first[row["user_id"]]
        events.append((index[row["user_id"]], actions.index(row["event"]), after))
        if 14 * DAY <= after < 21 * DAY:
            stayed.add(row["user_id"])
    return [(user in stayed, check_part(user)) for user in users], events, len(actions), 6, [DAY, 3 * DAY, 7 * DAY]


def saas_monthly(data):
    """Active months in the first half year, and whether the tenth month is active. The system is an action of its own."""
    with open(data + "/saas_monthly/registrations.csv") as file:
        rows = [row for row in csv.DictReader(file) if int(row["registration_month"]) <= 11]
    systems = sorted({row["operating_system"] for row in rows})
    index = {row["id"]: (i, int(row["registration_month"])) for i, row in enumerate(rows)}
    events = [(i, 1 + systems.index(row["operating_system"]), 0) for i, row in enumerate(rows)]
    stayed = set()
    with open(data + "/saas_monthly/activity.csv") as file:
        for row in csv.DictReader(file):
            if row["id"] in index:
                person, joined = index[row["id"]]
                after = int(row["activity_month"]) - joined
                events.append((person, 0, after))
                if after == 10:
                    stayed.add(row["id"])
    return [(row["id"] in stayed, check_part(row["id"])) for row in rows], events, 1 + len(systems), 6, [1, 2, 3, 6]


def log_choose(n, k):
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def fisher(table):
    a, b, c, d = table
    total = log_choose(a + b + c + d, a + b)
    return min(1.0, sum(math.exp(log_choose(a + c, k) + log_choose(b + d, a + b - k) - total)
                        for k in range(a, min(a + b, a + c) + 1)))


def wilson(part, of):
    p, z2 = part / of, Z * Z
    middle, half = p + z2 / (2 * of), Z * math.sqrt(p * (1 - p) / of + z2 / (4 * of * of))
    return [p, 0 if part == 0 else (middle - half) / (1 + z2 / of), 1 if part == of else (middle + half) / (1 + z2 / of)]


def on_log(value, around, variance):
    return [value, min(value, around * math.exp(-Z * math.sqrt(variance))), max(value, around * math.exp(Z * math.sqrt(variance)))]


def correlation(table):
    a, b, c, d = table
    return (a * d - b * c) / math.sqrt((a + b) * (c + d) * (a + c) * (b + d))


def phi_ends(table):
    """The slopes by the four shares from differences of phi itself, not from a formula."""
    e = [x + 0.5 for x in table] if 0 in table else table
    n, phi = sum(e), correlation(e)
    share, slope = [x / n for x in e], []
    for i in range(4):
        step = 1e-4 * share[i]
        at = lambda times: correlation([x + times * step * (j == i) for j, x in enumerate(share)])
        slope.append((8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step))
    mean = sum(p * g for p, g in zip(share, slope))
    half = Z * math.sqrt((sum(p * g * g for p, g in zip(share, slope)) - mean * mean) / n) / (1 - phi * phi)
    return [min(correlation(table), math.tanh(math.atanh(phi) - half)), max(correlation(table), math.tanh(math.atanh(phi) + half))]


def figures(table):
    a, b, c, d = table
    n, r, s = a + b + c + d, a + b, a + c
    half = max(a, 0.5)
    # The gradient of ln(lift) by the four shares, and its variance under a multinomial.
    shares = [half / n, b / n, c / n, d / n]
    gradient = [n / half - n / r - n / s, -n / r, -n / s, 0]
    variance = (sum(p * g * g for p, g in zip(shares, gradient)) - 1) / n
    lift = on_log((a / r) / (s / n), (half / r) / (s / n), max(variance, 0))
    e = [x + 0.5 for x in table] if 0 in table else table
    ratio = (e[0] * e[3]) / (e[1] * e[2])
    odds = on_log(ratio, ratio, sum(1 / x for x in e))
    return {"lift": lift, "reach": wilson(r, n), "precision": wilson(a, r), "recall": wilson(a, s),
            "phi": [correlation(table)] + phi_ends(table), "odds_ratio": odds}


def table_of(reached, part, stayed):
    return [(reached & part & stayed).bit_count(), (reached & part & ~stayed).bit_count(),
            (~reached & part & stayed).bit_count(), (~reached & part & ~stayed).bit_count()]


def measurable(t):
    return min(t[0] + t[1], t[2] + t[3], t[0] + t[2], t[1] + t[3]) > 0


def brute_force(people, events, actions, times, within, pairs, rank_by):
    stayed = sum(1 << i for i, person in enumerate(people) if person[0])
    kept = sum(1 << i for i, person in enumerate(people) if person[1])
    shown = ((1 << len(people)) - 1) & ~kept
    rules = []
    for w, window in enumerate(within):
        counts = {}
        for person, action, after in events:
            if 0 <= after <= window:
                counts[action, person] = counts.get((action, person), 0) + 1
        followers = {}
        for (action, person), count in counts.items():
            for k in range(1, min(count, times) + 1):
                followers.setdefault((action, k), set()).add(person)
        bits = {key: sum(1 << person for person in who) for key, who in followers.items()}
        singles = [(a, k) for a in range(actions) for k in range(1, times + 1)]
        for a, k in singles:
            rules.append(((w, a, k, -1, 0), bits.get((a, k), 0)))
            if pairs:
                rules += [((w, a, k, b, m), bits.get((a, k), 0) & bits.get((b, m), 0)) for b, m in singles if b > a]
    ranking = []
    for rule, reached in rules:
        table = table_of(reached, shown, stayed)
        if measurable(table):
            ranking.append((rule, table, figures(table), fisher(table), table_of(reached, kept, stayed)))
    ranking.sort(key=lambda row: (-row[2][rank_by][0], -(row[1][0] + row[1][1]), row[0]))
    # Benjamini and Hochberg: the largest p that passes; everything below passes too.
    ps = sorted(row[3] for row in ranking)
    line = max([p for i, p in enumerate(ps) if p * len(ps) / (i + 1) <= 0.05], default=-1)
    short = []
    for place, (_, table, _, p, later) in enumerate(ranking):
        reached, others = table[0] + table[1], table[2] + table[3]
        least = max(20, 0.02 * (reached + others))
        if len(short) < 20 and min(reached, others) >= least and p <= line and measurable(later):
            short.append([place, later, fisher(later)])
    worst = 0
    for i, one in enumerate(sorted(short, key=lambda one: one[2])):
        worst = max(worst, min(1, one[2] * (len(short) - i)))
        one.append(worst)
    return ranking, short


def near(x, y, tolerance):
    return abs(x - y) <= tolerance * max(abs(x), abs(y)) + 1e-300


def compare(name, problem, pairs, rank_by):
    people, events, actions, times, within = problem
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/people", "w") as file:
            file.writelines(f"{int(stayed)} {int(check)}\n" for stayed, check in people)
        with open(folder + "/events", "w") as file:
            file.writelines(f"{p} {a} {after}\n" for p, a, after in events)
        out = subprocess.run([BINARY, folder + "/people", folder + "/events", str(actions), str(times),
                              ",".join(map(str, within)), "pairs" if pairs else "single", rank_by],
                             check=True, capture_output=True, text=True).stdout.splitlines()
    ranking, short = brute_force(people, events, actions, times, within, pairs, rank_by)
    got = [line.split(",")[1:] for line in out if line.startswith("rule,")]
    assert len(got) == len(ranking), f"{name}: {len(got)} rules, brute force has {len(ranking)}"
    for place, (line, (rule, table, expected, p, _)) in enumerate(zip(got, ranking)):
        where = f"{name}, place {place}: {line} against {rule} {table} {expected} {p}"
        assert tuple(map(int, line[:5])) == rule and list(map(int, line[5:9])) == table, where
        numbers = list(map(float, line[9:]))
        flat = [x for key in ("lift", "reach", "precision", "recall", "phi", "odds_ratio") for x in expected[key]]
        assert all(abs(x - y) <= 1e-9 * max(1, abs(y)) for x, y in zip(numbers, flat)), where
        assert near(numbers[-1], p, 1e-8), where
    got = [line.split(",")[1:] for line in out if line.startswith("short,")]
    assert len(got) == len(short), f"{name}: {len(got)} on the short list, brute force has {len(short)}"
    for line, (place, table, p, adjusted) in zip(got, short):
        where = f"{name}, short list: {line} against {place} {table} {p} {adjusted}"
        assert int(line[0]) == place and list(map(int, line[1:5])) == table, where
        assert near(float(line[5]), p, 1e-8) and near(float(line[6]), adjusted, 1e-8), where
        assert int(line[7]) == int(adjusted <= 0.05), where
    print(f"{name}, {'pairs' if pairs else 'single'}, by {rank_by}: {len(people)} people, {len(events)} events: equal; "
          f"{out[-1]}")


def main():
    root = os.path.dirname(os.path.abspath(__file__)) + "/../.."
    data = sys.argv[1] if len(sys.argv) > 1 else root + "/../shared/data"
    for name, read in (("app_first_day", app_first_day), ("sparkify_log", sparkify_log), ("saas_monthly", saas_monthly)):
        problem = read(data)
        for rank_by in ("lift", "reach", "precision", "recall", "phi", "odds_ratio"):
            compare(name, problem, False, rank_by)
        compare(name, problem, True, "lift")
        compare(name, problem, True, "phi")


main()
