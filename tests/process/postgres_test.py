"""A real PostgreSQL 15: four writers commit out of order while segue reads and is killed; nothing is missed or doubled.

Then: the session cannot write, a slow query ends, and a database that is away says so without its password."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from harness import SOURCES, WORKSPACE, Workbench, bytes_written, check
from serve_test import Daemon, until

BIN = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "pa55-w0rd/with:signs"
PASSWORD_IN_URL = "pa55-w0rd%2Fwith%3Asigns"
WRITERS = 4
TRANSACTIONS = 400  # Of each writer.
KILLS = 12
FILE = "connector: box\ntype: file\npath: outgoing/mail/\n"

SCHEMA = """
create role segue login password 'PASSWORD';
create table orders (order_no text primary key, customer text, total numeric(12,2), paid boolean not null,
                     updated_at timestamptz not null default now());
create index on orders (updated_at);
create table visits (id bigserial primary key, customer text not null, at timestamp not null default now());
create function meddle() returns bigint language plpgsql as
  $$ begin insert into visits(customer) values ('meddler'); return 1; end $$;
create function unlock() returns bigint language plpgsql as
  $$ begin perform set_config('transaction_read_only', 'off', false); insert into visits(customer) values ('meddler');
     return 1; end $$;
grant select, insert on all tables in schema public to segue;
grant usage on all sequences in schema public to segue;
"""

DATABASE_SOURCES = """\
source: orders
type: sql
auth: {url: env:DATABASE_URL}
query: sql/orders.sql
cursor: updated_at
overlap: OVERLAP
every: 1h
emits: order_placed
time: placed_at
currency: GBP
dedupe: order_id
version: updated_at
map: {customer_id: customer, order_id: order_no, amount: total}
late_events: 72h
---
source: visits
type: sql
auth: {url: env:DATABASE_URL}
query: sql/visits.sql
cursor: id
overlap: COUNT
every: 1h
emits: visit
time: at
timezone: UTC
dedupe: visit_id
map: {customer_id: customer, visit_id: id}
"""

# One order a customer, so that the list of people is the list of orders.
DATABASE_RULES = """\
model: size
of: customer
every: day at 00:00
who: ever(order_placed)
features:
  number: count(order_placed)
  visits: count(visit)
  money: sum(order_placed.amount)
segments:
  - {id: doubled, when: number > 1}
  - {id: large, when: money >= 100 GBP}
  - {id: small, when: otherwise}
"""


class Server:
    """A PostgreSQL of its own in a temporary folder, reached by its socket there, and by a port where one is named."""

    def __init__(self, port=None):
        self.port = port
        if not (BIN / "initdb").exists():
            sys.exit("PostgreSQL 15 is not installed: the package postgresql-15, or scripts/packages test")
        self.folder = Path(tempfile.mkdtemp(prefix="segue-pg-"))
        self.prefix = []
        if os.getuid() == 0:  # PostgreSQL refuses to be root.
            self.prefix = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
            shutil.chown(self.folder, "nobody", "nogroup")
        self.call("initdb", "-D", "data", "-U", "owner", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        hba = "local all segue scram-sha-256\nlocal all all trust\nhost all segue 127.0.0.1/32 scram-sha-256\n"
        self.call_shell(f"printf '{hba}' > data/pg_hba.conf")
        self.start()
        owner = self.connect()
        owner.run(SCHEMA.replace("PASSWORD", PASSWORD))
        owner.close()

    def call(self, program, *words):
        command = [*self.prefix, BIN / program, *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(f"{program} failed:\n{done.stdout}\n{done.stderr}")

    def call_shell(self, text):
        subprocess.run([*self.prefix, "sh", "-c", text], cwd=self.folder, check=True)

    def start(self):
        listen = f"127.0.0.1 -c port={self.port}" if self.port else ""
        options = f"-c listen_addresses={listen} -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=40"
        # Waits until it answers.
        command = [*self.prefix, BIN / "pg_ctl", "-w", "-D", "data", "-l", "log", "-o", options, "start"]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def stop(self):
        subprocess.run([*self.prefix, BIN / "pg_ctl", "-w", "-D", "data", "-m", "immediate", "stop"],
                       cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def url(self, password=PASSWORD_IN_URL):
        return f"postgresql://segue:{password}@/postgres?host={self.folder}{f'&port={self.port}' if self.port else ''}"

    def connect(self):
        return Session(["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder),
                        "-p", str(self.port or 5432), "-U", "owner", "postgres"])


class Session:
    """One psql, fed statement by statement; each call waits for its answer."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, statements):
        self.process.stdin.write(f"{statements.strip()}\n\\echo __done__\n")
        self.process.stdin.flush()
        rows = []
        for line in self.process.stdout:
            if line == "__done__\n":
                return rows
            rows.append(line.rstrip("\n").split("\t"))
        sys.exit(f"psql ended at: {statements}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def bench_for(server, overlap="30m", count="5000"):
    bench = Workbench(FILE)
    bench.write("config/segue.yaml", WORKSPACE.replace("CONNECTOR", "box").replace(
        "order_placed: {order_id: text, amount: money}",
        "order_placed: {order_id: text, amount: money, paid: yes_no}\n  visit: {visit_id: number}"))
    bench.write("config/sources.yaml", DATABASE_SOURCES.replace("OVERLAP", overlap).replace("COUNT", count))
    bench.write("config/sql/orders.sql",
                "-- What is paid for.\nselect o.*, '2026-01-01'::date as placed_at from orders o where paid or not paid;\n")
    bench.write("config/sql/visits.sql", "select id, customer, at from visits where id >= :since  -- the index serves it")
    bench.write("rules/rules.yaml", DATABASE_RULES)
    os.environ["DATABASE_URL"] = server.url()
    return bench


def people(bench):
    """Customer to segment, as segue has them."""
    return dict(line.split("\t")[1:3] for line in bench.run("segments", "size", "--people").splitlines() if line)


def warnings(bench, *words, **more):
    done = subprocess.run(bench.command(*words), env=bench.environment(**more), capture_output=True, text=True)
    check(done.returncode == 0, f"a source that fails does not stop the cycle {done.stderr if done.returncode else ''}")
    # The moments of this test go back and forth, which a model says in a line of its own.
    said = "".join(line for line in done.stderr.splitlines(True) if "ran for the slot of" not in line)
    return said, done.stdout + done.stderr


def insert(number, total="5.00"):
    return f"insert into orders(order_no, customer, total, paid) values ('o{number}', 'o{number}', {total}, true);"


def commit_out_of_order(server):
    """The first transaction takes the smaller values and commits last."""
    patient, hasty = bench_for(server), bench_for(server, "0m", "0")
    first, second = server.connect(), server.connect()
    first.run(f"begin; {insert('first')} insert into visits(customer) values ('ofirst');")
    second.run(f"begin; {insert('second')} insert into visits(customer) values ('osecond'); commit;")
    for bench in (patient, hasty):
        bench.run("run", "--at", "2040-01-01")
        check(set(people(bench)) == {"osecond"}, "only what is committed is seen")
    first.run("commit;")
    for bench in (patient, hasty):
        bench.run("run", "--at", "2040-01-02")
    check(set(people(patient)) == {"ofirst", "osecond"}, "what was committed later with a smaller value is found")
    check(patient.doctor()["events"] == {"order_placed": 2, "visit": 2}, "also by a number that only grows, each once")
    check(set(people(hasty)) == {"osecond"}, "without an overlap it would have been missed: the test can tell")
    second.run("truncate orders, visits;")
    first.close()
    second.close()


def writer(server, name, barrier, failures):
    """Inserts, changes and visits in transactions that stay open while others commit; a tenth is rolled back."""
    chance = random.Random(name)
    session = server.connect()
    own = []
    try:
        for turn in range(TRANSACTIONS):
            session.run("begin;")
            fresh = []
            for _ in range(chance.randint(1, 4)):
                number = f"{name}x{turn}x{len(fresh)}"
                fresh.append(number)
                session.run(insert(number, f"{chance.randint(1, 20000) / 100:.2f}"))
                session.run(f"insert into visits(customer) values ('o{number}');")
            if own and chance.random() < 0.5:
                session.run(f"update orders set total = {chance.randint(1, 20000) / 100:.2f}, updated_at = now() "
                            f"where order_no = 'o{chance.choice(own)}';")
            if turn % 10 == name:  # Stays open until all have come by.
                barrier.wait()
            if chance.random() < 0.1:
                session.run("rollback;")
            else:
                session.run("commit;")
                own += fresh
            if turn % 10 != name and turn % 10 < WRITERS:
                barrier.wait()
    except BaseException as problem:  # pylint: disable=broad-except
        failures.append(problem)
        barrier.abort()
    finally:
        session.close()


def storm(server):
    bench = bench_for(server)
    bench.run("run", "--at", "2040-01-01")
    barrier, failures = threading.Barrier(WRITERS), []
    writers = [threading.Thread(target=writer, args=(server, name, barrier, failures)) for name in range(WRITERS)]
    for one in writers:
        one.start()
    chance, killed, runs, while_writing = random.Random(5), 0, 0, 0
    while any(one.is_alive() for one in writers) or killed < KILLS:
        while_writing += any(one.is_alive() for one in writers)
        enough = 1000 * 2 ** chance.uniform(0, 8)
        if bench.run_and_kill(lambda one, most=enough: bytes_written(one) >= most, "run", "--at", "2040-01-01"):
            killed += 1
        else:
            runs += 1
        if (killed + runs) % 5 == 4:
            bench.run("run", "--at", "2040-01-01")
            runs += 1
    check(not failures, f"the writers came to their end {failures}")
    check(killed >= KILLS, f"segue was killed {killed} times, and came to its end {runs} times; {while_writing} "
          "of both while they wrote")
    bench.run("run", "--at", "2040-01-03")
    session = server.connect()
    wanted = dict(session.run("select order_no, case when total >= 100 then 'large' else 'small' end from orders;"))
    visits = int(session.run("select count(*) from visits;")[0][0])
    session.close()
    found = people(bench)
    check(found == wanted, f"every committed order is there once, as it was changed last: {len(wanted)}")
    report = bench.doctor()
    check(report["healthy"] and report["events"] == {"order_placed": len(wanted), "visit": visits},
          f"so are the {visits} visits")
    rows = report["sources"]["orders"]["rows"]
    bench.run("run", "--at", "2040-01-04")
    check(people(bench) == wanted and bench.doctor()["events"] == report["events"],
          f"reading the overlap again changes nothing ({rows} rows were read)")
    return bench


def bad_rows(server, bench):
    session = server.connect()
    session.run("insert into orders values ('ohuge', 'ohuge', 1e9, true); "
                "insert into orders values ('ofuture', 'ofuture', 1, true, '2150-01-01');"
                "alter table orders alter total type numeric; update orders set total = 'NaN' where order_no = 'ohuge';")
    for day in (5, 6):
        bench.run("run", "--at", f"2040-01-0{day}")
    lines = (bench.state / "quarantine" / "orders.csv").read_text().splitlines()
    check(len(lines) == 2 and "sql/orders.sql" in lines[1] and "total" in lines[1] and "NaN" in lines[1],
          f"a row that cannot be read is set aside once, however often the overlap brings it: {lines[1:]}")
    session.run(insert("after"))
    bench.run("run", "--at", "2040-01-07")
    check("oafter" in people(bench), "a cursor value of the year 2150 hides nothing that comes after it")
    session.run("update orders set total = 1, updated_at = now() where order_no = 'ohuge';")
    bench.run("run", "--at", "2040-01-08")
    check(people(bench)["ohuge"] == "small", "the mended row is taken in")
    session.close()


def cursor_types(server):
    """Every type that a cursor column may have, with :since and without, each read twice."""
    session = server.connect()
    visits = int(session.run("select count(*) from visits;")[0][0])
    session.close()
    cases = [("id::int2", "5"), ("id::int4", "5"), ("id", "5"), ("id::numeric", "5"), ("at::date", "1d"), ("at", "10m"),
             ("at at time zone 'UTC'", "10m"), ("id::float8", "5"), ("id::float4", "5")]
    for column, overlap in cases:
        bench = bench_for(server)
        sources = (bench.folder / "config/sources.yaml").read_text().split("---\n")[1]
        bench.write("config/sources.yaml", sources.replace("cursor: id", "cursor: Mark").replace("5000", overlap))
        for where in ("", f"where {column} >= :since"):
            bench.write("config/sql/visits.sql", f'select {column} as "Mark", id, customer, at from visits {where}')
            for day in (1, 2):
                words, _ = warnings(bench, "run", "--at", f"2040-01-0{day}")
                check(words == "" and bench.doctor()["events"]["visit"] == visits, f"{column} {where} {words}")


def numbers_without_end(server):
    """NaN and infinity are larger than all that comes later: they are read, and nothing waits behind them."""
    session = server.connect()
    bench = bench_for(server)
    sources = (bench.folder / "config/sources.yaml").read_text().split("---\n")[1]
    for kind in ("numeric", "float8", "float4", "timestamptz", "timestamp", "date"):
        is_time = kind in ("timestamptz", "timestamp", "date")
        overlap = "1d" if kind == "date" else "10m" if is_time else "2"
        readings = [["now", "infinity", "-infinity"], ["now"], ["now"]] if is_time else [
            ["1", "3", "NaN", "Infinity", "-Infinity"], ["1.5", "7"], ["5.5", "8"]]
        session.run(f"create table ends_{kind} (id bigserial, mark {kind} not null); grant select on ends_{kind} to segue;")

        def add(marks):
            session.run(f"insert into ends_{kind} (mark) values " + ", ".join(f"('{mark}')" for mark in marks) + ";")

        bench.state = bench.folder / kind
        bench.state.mkdir()
        bench.write("config/sources.yaml", sources.replace("cursor: id", "cursor: mark").replace("5000", overlap))
        bench.write("config/sql/visits.sql", f"select mark, id, 'x' as customer, '2026-03-01'::date as at from ends_{kind}")
        count = 0
        for day, marks in enumerate(readings, 1):
            add(marks)
            count += len(marks)
            words, _ = warnings(bench, "run", "--at", f"2040-01-0{day}")
            check(words == "" and bench.doctor()["events"]["visit"] == count, f"{kind}: all {count} rows are there {words}")
        if kind in ("numeric", "float8"):  # A state that got stuck at one.
            state = sqlite3.connect(bench.state / "segue.db")
            state.execute("update source_state set cursor = json_set(cursor, '$.value', 'NaN')")
            state.commit()
            state.close()
            add(["6", "9"])
            words, _ = warnings(bench, "run", "--at", "2040-01-04")
            check(words == "" and bench.doctor()["events"]["visit"] == count + 2, f"{kind}: who waited behind NaN is found {words}")
    session.close()


def other_type(server):
    """A column that becomes another type: what was the largest value lies anywhere among the new ones."""
    session = server.connect()
    session.run("create table grown (id bigserial, mark timestamp not null); grant select on grown to segue;"
                "insert into grown (mark) values ('2026-03-01 08:00');")
    bench = bench_for(server)
    sources = (bench.folder / "config/sources.yaml").read_text().split("---\n")[1]
    bench.write("config/sources.yaml", sources.replace("cursor: id", "cursor: mark").replace("5000", "10m"))
    bench.write("config/sql/visits.sql", "select mark, id, 'x' as customer, '2026-03-01'::date as at from grown")
    warnings(bench, "run", "--at", "2040-01-01")
    session.run("alter table grown alter mark type timestamptz using mark at time zone 'Asia/Tokyo';"
                "insert into grown (mark) values ('2026-03-01 08:05+09');")
    words, _ = warnings(bench, "run", "--at", "2040-01-02")
    check(words == "" and bench.doctor()["events"]["visit"] == 2, f"the row behind it is read {words}")
    session.close()


def clock_set_back(server):
    """Times without a zone come a second time when summer time ends."""
    session = server.connect()
    session.run("create table walls (id bigserial, mark timestamp not null); grant select on walls to segue;")
    bench = bench_for(server)
    sources = (bench.folder / "config/sources.yaml").read_text().split("---\n")[1]
    bench.write("config/sources.yaml", sources.replace("cursor: id", "cursor: mark").replace("5000", "10m").replace("timezone: UTC", "timezone: Europe/Berlin"))
    bench.write("config/sql/visits.sql", "select mark, id, 'x' as customer, '2025-10-26'::date as at from walls")
    # At 03:00 it is 02:00 again.
    for number, mark in enumerate(("01:59:50", "02:58:30", "02:00:05", "02:30:00", "02:59:00", "03:20:00"), 1):
        session.run(f"insert into walls (mark) values ('2025-10-26 {mark}');")
        words, _ = warnings(bench, "run", "--at", f"2040-01-0{number}")
        check(words == "" and bench.doctor()["events"]["visit"] == number, f"the row of {mark} is read {words}")
    session.run("insert into walls (mark) values ('2025-10-26 03:09:00'), ('2025-10-26 03:11:00');")
    warnings(bench, "run", "--at", "2040-01-08")
    check(bench.doctor()["events"]["visit"] == 7, "and the overlap is no longer than it is told to be")
    session.close()


def slow_query(server):
    """A query that takes long keeps the service neither from telling systemd that it lives nor from ending, and is no slot lost."""
    session = server.connect()
    bench = bench_for(server)
    bench.write("config/sql/visits.sql", "select 1::bigint as id, 'x' as customer, now() as at from pg_sleep(250)")
    daemon = Daemon(bench, WATCHDOG_USEC="900000")
    daemon.hears("READY=1")
    asks = "select count(*) from pg_stat_activity where application_name = 'segue' and state = 'active' and query like 'FETCH%';"
    until(lambda: session.run(asks) == [["1"]], "the database is at work")
    for _ in range(12):  # More than a socket holds that nobody read.
        daemon.hears("WATCHDOG=1")
    check(session.run(asks) == [["1"]], "systemd hears that the service lives while it waits")
    threading.Thread(target=daemon.hears, args=("STOPPING=1",), daemon=True).start()
    daemon.tell(signal.SIGTERM)
    check(daemon.process.wait(timeout=60) == 0 and "ended" in daemon.log(), "it ends when it is told to")
    until(lambda: session.run(asks) == [["0"]], "and so does the query")
    bench.write("config/sql/visits.sql", "select 1::bigint as id, 'x' as customer, now() as at")
    daemon = Daemon(bench)
    until(lambda: bench.doctor()["events"].get("visit") == 1, "the reading that was cut off is made up for at the next start")
    check(daemon.end() == 0, "it ends with 0")
    session.close()


def guards(server):
    bench = bench_for(server)
    secrets = (PASSWORD, PASSWORD_IN_URL)

    def attempt(query, wanted, **more):
        bench.write("config/sql/visits.sql", query)
        words, everything = warnings(bench, "run", "--at", "2040-01-01", **more)
        check(all(part in words for part in wanted), f"says {wanted}: {words.strip().splitlines()[-1:]}")
        check(not any(secret in everything for secret in secrets), "and no password")

    session = server.connect()
    before = session.run("select count(*) from visits;")
    row = "as id, 'x' as customer, now() as at"
    attempt(f"select meddle() {row}", ["source visits", "read-only transaction"])
    attempt(f"select unlock() {row}", ["source visits", "read-write mode must be set before any query"])
    check(session.run("select count(*) from visits;") == before, "nothing was written by a query that tries")
    check("oafter" in people(bench), "and the other source was read")
    sources = (bench.folder / "config/sources.yaml").read_text()
    bench.write("config/sources.yaml", sources.replace("cursor: id", "cursor: id\ntimeout: 1s"))
    attempt(f"select 1 {row} from pg_sleep(60)", ["source visits", "took too long", "timeout"])
    attempt(f"select 'a'::text {row}", ["source visits", "cursor column id", "neither a time nor a number"])
    attempt("select 1 as idd, 'x' as customer, now() as at", ["source visits", "no column \"id\"", "did you mean \"idd\"?"])
    attempt("select nothing from visits", ["source visits", "column \"nothing\" does not exist"])
    attempt("select * from visits", ["source orders", "password authentication failed"],
            DATABASE_URL=server.url("wrong-" + PASSWORD_IN_URL))
    attempt("select * from visits", ["source orders", "auth.url is not the address"], DATABASE_URL=PASSWORD)
    session.close()
    # An away database, and a file that is there.
    bench.write("config/more.yaml", SOURCES.split("---")[0].replace("source: orders", "source: files")
                .replace("inbox/orders*", "inbox/files*"))
    (bench.state / "inbox/files-1.csv").write_text("order_id,customer,time,amount,paid\nf1,ofile,2026-01-01,1,yes\n")
    server.stop()
    attempt("select * from visits", ["source orders", "source visits", "the database cannot be reached", "auth.url"])
    check("ofile" in people(bench), "the other sources are read")
    check(not any(secret in path.read_bytes().decode("latin-1") for secret in secrets for path in bench.state.rglob("*")
                  if path.is_file()), "no file of the state holds the password")
    bench.state = bench.folder / "other"
    replay = subprocess.run(bench.command("replay"), env=bench.environment(), capture_output=True, text=True)
    check(replay.returncode == 64 and "source orders is a database" in replay.stderr, "a replay refuses databases")


def main():
    server = Server()
    try:
        commit_out_of_order(server)
        bad_rows(server, storm(server))
        cursor_types(server)
        numbers_without_end(server)
        other_type(server)
        clock_set_back(server)
        slow_query(server)
        guards(server)
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
