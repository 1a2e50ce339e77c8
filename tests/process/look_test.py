"""What people read: one customer by key or address, hostile texts, playbooks that are gone, JSON of every verb, through the real program."""

import csv
import io
import json
import sqlite3
import subprocess

from harness import RULES, Workbench, check

CONNECTOR = "connector: box\ntype: file\npath: outgoing/mail/\n"
ORDERS = "customer,time,order_id,amount\n"
PEOPLE = "customer,time,email,email_consent\n"
AT = "2026-03-09T09:00"


def shop(people, orders, rules=RULES):
    bench = Workbench(CONNECTOR)
    bench.write("rules/rules.yaml", rules)
    inbox = bench.state / "inbox"
    for name, header, rows in (("people.csv", PEOPLE, people), ("orders.csv", ORDERS, orders)):
        with open(inbox / name, "w", newline="") as file:
            file.write(header)
            csv.writer(file).writerows(rows)
    return bench


def person(key, address):
    return [key, "2026-01-01 00:00", address, "yes"]


def order(key, number):
    return [key, "2026-02-01 10:00", f"o{number}", "10"]


def shared_address():
    bench = shop([person("ann", "home@post.example"), person("ben", "HOME@post.example"), person("cleo", "cleo@post.example")],
                 [order("ann", 1), order("ben", 2), order("cleo", 3)])
    bench.run("run", "--at", AT)
    said = bench.fail("customer", "show", "home@post.example")
    check("2 customers have the address home@post.example: name one by its key: ann, ben" in said, f"an address of two names neither: {said}")
    bench.fail("customer", "erase", "home@post.example", "--note", "asked")
    bench.fail("explain", "home@post.example")
    check("ann" in bench.run("customer", "show", "ann"), "nobody was erased by it")
    proof = json.loads(bench.run("customer", "erase", "ann", "--note", "asked", "--json"))
    check(proof["erased"] and proof["cells_with_address"] == 0, f"that a living customer has the same address is no trace: {proof}")
    check("ben" in bench.run("customer", "show", "home@post.example"), "then it is one person's")


def past_a_brake():
    bench = shop([person(f"p{n}", f"p{n}@post.example") for n in range(3)], [order(f"p{n}", n) for n in range(3)])
    bench.run("run", "--at", "2026-03-01T09:00")
    segue = bench.folder / "config/segue.yaml"
    segue.write_text(segue.read_text() + "safety: {max_sends_per_run: 1}\n")
    with open(bench.state / "inbox/orders.csv", "a") as file:
        file.writelines(f"p{n},2026-03-08 10:00,o1{n},10\n" for n in range(3))
    bench.run("run", "--at", AT, codes=(3,))
    proof = json.loads(bench.run("customer", "erase", "p1", "--note", "asked", "--json", "--at", AT))
    check(proof["erased"], f"what a brake holds keeps nobody from being forgotten: {proof}")
    bench.fail("customer", "show", "p1")
    bench.run("run", "--at", AT, codes=(3,))
    said = bench.run("run", "--at", AT, "--past-brake")
    check("2 started" in said and "2 promised" in said, f"what the held cycle did is counted: {said}")


def hostile():
    key = "x\x1b[2J\u202etxt"
    bench = shop([person(key, "x@post.example"), person("ann", "\x1b[31mred@post.example")], [])
    bench.run("run", "--at", "2026-02-01T09:00")
    with open(bench.state / "inbox/orders.csv", "a", newline="") as file:
        csv.writer(file).writerows([[key, "2026-03-08 10:00", "o1", "10"], ["ann", "2026-03-08 10:00", "o2", "10"]])
    bench.run("run", "--at", AT)
    for words in (("customer", "show", key), ("customer", "show", "ann"), ("explain", key), ("why-moved", key), ("outbox",),
                  ("segments", "--people"), ("plan", "--at", "2026-03-10T00:00"), ("outbox", "show", "1")):
        said = bench.run(*words, codes=(0, 2))
        check("\x1b" not in said and "\u202e" not in said, f"{words[0]} writes out what moves a cursor")
    check(r"x\x1b[2J\u202etxt" in bench.run("segments", "--people"), "and it can be read")


def explain():
    rules = RULES + """---
playbook: tag
purpose: service
on: {model: size, to: [one, some, many]}
when: [ever(order_placed)]
do:
  - send: hello
limits:
  per_day: 5
  reenter: never
---
playbook: quiet
purpose: service
on: {model: size, to: [many]}
do:
  - send: hello
limits: {reenter: never}
"""
    bench = shop([person("ann", "ann@post.example")], [], rules)
    bench.run("run", "--at", "2026-02-01T09:00")
    (bench.state / "inbox/orders_2.csv").write_text(ORDERS + "ann,2026-03-08 10:00,o1,10\n")
    bench.run("run", "--at", AT)
    said = bench.run("explain", "ann", "quiet")
    check("never asked:" in said and "quiet (no move of size to many that it listens to)" in said, f"a playbook that never asked says so: {said}")
    rows = {one["gate"]: one["where"] for one in json.loads(bench.run("explain", "ann", "tag", "--json"))["decisions"] if one["passed"]}
    lines = (bench.folder / "rules/rules.yaml").read_text().splitlines()
    for gate, text in (("when", "when: [ever"), ("per day", "  per_day: 5"), ("re-entry", "  reenter: never")):
        line = next(n for n, one in enumerate(lines, 1) if one.startswith(text) and n > lines.index("playbook: tag"))
        check(rows[gate].startswith(f"rules/rules.yaml:{line}"), f"{gate} points at line {line}: {rows}")
    told = json.loads(bench.run("explain", "ann", "--json"))
    check({one["playbook"] for one in told["deliveries"]} == {"tag"} and told["deliveries"][0]["what"] == "hello", f"the JSON has deliveries: {told['deliveries']}")
    bench.write("rules/rules.yaml", RULES)
    said = bench.run("explain", "ann")
    check("tag is in no file any more" in said and "→ message" in said, f"what a playbook sent that is gone stays to be seen: {said}")
    check("→ message" in bench.run("explain", "ann", "tag"), "also by its name")
    bench.fail("explain", "ann", "tags", code=64)


def as_json():
    bench = shop([person("ann", "ann@post.example")], [])
    bench.run("run", "--at", "2026-02-01T09:00")
    (bench.state / "inbox/orders_2.csv").write_text(ORDERS + "ann,2026-03-08 10:00,o1,10\n")
    bench.run("run", "--at", AT)
    check(json.loads(bench.run("segments", "--people", "--json")) == {"size": {"ann": "one"}}, "segments --people")
    check(json.loads(bench.run("render", "hello", "--as", "ann", "--json"))["subject"] == "Hello", "render")
    check(json.loads(bench.run("pause", "welcome", "--json"))["paused"], "pause")
    check([one["id"] for one in json.loads(bench.run("pause", "--json"))] == ["welcome"], "what is paused")
    check(json.loads(bench.run("resume", "welcome", "--send", "--json"))["paused"] is False, "resume")
    check(json.loads(bench.run("outbox", "show", "1", "--json"))["id"] == 1, "outbox show")
    check("of delivery" in bench.run("outbox", "show", "1"), "and without --json a table")
    check(json.loads(bench.run("apply", "--json"))["newly"] == [], "apply")
    said = bench.fail("outbox", "--limit", "0", code=64)
    check(len(said) < 300, f"a limit of none is refused in few words: {said}")
    check(json.loads(bench.run("doctor", "--json"))["sources"]["orders"]["rounded"] == 0, "doctor shows what was rounded")
    check("1 model, 1 playbook, 1 template" in bench.run("check"), "one of a thing is one")


def ahead():
    bench = shop([person("ann", "ann@post.example")], [order("ann", 1)])
    done = bench.command("run", "--at", "2199-01-01")
    bench.command = lambda *words: [word for word in done if word != "--ahead"]
    said = bench.fail(code=64)
    check("--at lies ahead of the clock" in said and "--ahead" in said, f"a run ahead of the clock is refused: {said}")


def half_a_line():
    """A last line without an end, a column that is not there, a folder that is not there, and two rows that contradict each other."""
    bench = shop([person("ann", "ann@post.example")], [order("ann", 1)])
    orders = bench.state / "inbox/orders.csv"
    with open(orders, "a") as file:
        file.write("ann,2026-02-02 10:00,o2,1")
    bench.run("run", "--at", "2026-03-01T09:00")
    with open(orders, "a") as file:
        file.write("50.00\n")
    bench.run("run", "--at", "2026-03-01T10:00")
    events = json.loads(bench.run("customer", "export", "ann"))["events"]
    check([one["fields"]["amount"] for one in events] == ["10.00 GBP", "150.00 GBP"], f"half an amount is never a fact: {events}")
    with open(orders, "a") as file:
        file.write("ann,2026-02-02 10:00,o2,2.00\n")
    bench.run("run", "--at", "2026-03-01T11:00")
    rows = list(csv.DictReader(io.StringIO((bench.state / "quarantine/orders.csv").read_text())))
    check([(row["line"], row["column"]) for row in rows] == [("4", "amount")] and "150.00" in rows[0]["reason"] and "2.00" in rows[0]["reason"],
          f"a conflict is set aside with both values: {rows}")


def looks_change_nothing():
    """What lies ahead takes effect for a look at a later day, and for that look only."""
    bench = shop([person("ann", "ann@post.example"), ["ann", "2026-06-01 00:00", "ann@later.example", "no"]], [order("ann", 1)])
    bench.run("run", "--at", AT)

    def stored():
        tables = ("ledger_position", "ledger_trait", "ledger_waiting_trait", "ledger_touch", "setting")
        with sqlite3.connect(bench.state / "segue.db") as db:
            return {table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}

    before = stored()
    check(len(before["ledger_waiting_trait"]) > 0, "something lies ahead")
    later = ("--at", "2026-07-01T09:00")
    check("ann@later.example" in bench.run("customer", "show", "ann", *later), "a look at a later day shows it")
    # Verbs without --at look at the clock's moment, which is behind that day too.
    for verb in (("why-moved", "ann", *later), ("explain", "ann", *later), ("value", *later), ("doctor", *later), ("plan", *later),
                 ("segments",), ("report",), ("outbox", "list"), ("render", "hello", "--as", "ann")):
        bench.run(*verb, codes=(0, 2))
        check(stored() == before, f"{verb[0]} changes nothing")
    check("ann@post.example" in bench.run("customer", "show", "ann", "--at", AT), "and what holds today still does")


def pager():
    """Who reads slowly keeps nobody from writing: the file is free before the first word is printed."""
    many = 9000  # Some hundred KB, of which a pipe holds 64.
    bench = shop([person(f"somebody-{n}", f"p{n}@post.example") for n in range(many)],
                 [order(f"somebody-{n}", n) for n in range(many)] + [order("somebody-1", many + n) for n in range(many)])
    bench.run("run", "--at", AT)
    for verb in (("segments", "--people"), ("customer", "export", "somebody-1")):
        whole = bench.run(*verb)
        with subprocess.Popen(bench.command(*verb), env=bench.environment(), stdout=subprocess.PIPE, text=True) as slow:
            said = slow.stdout.read(1)
            with sqlite3.connect(bench.state / "segue.db", timeout=0, isolation_level=None) as db:
                free = True
                try:
                    db.execute("begin immediate")
                    db.execute("rollback")
                except sqlite3.OperationalError:
                    free = False
            check(free and slow.poll() is None, f"{verb[0]}: the file can be written while somebody reads")
            said += slow.stdout.read()
        check(len(whole) > 200_000 and len(said) > 200_000 and said[-30:] == whole[-30:], f"{verb[0]}: and they read all of it")


if __name__ == "__main__":
    shared_address()
    past_a_brake()
    hostile()
    explain()
    as_json()
    ahead()
    half_a_line()
    looks_change_nothing()
    pager()
