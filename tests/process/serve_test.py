"""The service, started for real: ready and status words for systemd, reload, an orderly end, one at a time, copies."""

import http.server
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone

from harness import Workbench, check, die_with_us, stamp, write_rows

HOOK = "connector: hook\ntype: webhook\nauth: {url: env:HOOK, sign: env:SIGN}\ntimeout: 20s\ndedupe: key\n"
BOX = "connector: box\ntype: file\npath: outgoing/mail/\n"


class Sink(http.server.ThreadingHTTPServer):
    """Takes deliveries in; answers each once `gate` is open."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.gate = threading.Event()
        self.came = threading.Event()
        self.taken = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}/hook"

    def handle_error(self, request, client_address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came.set()
        self.server.gate.wait()
        self.server.taken += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


class Daemon:
    """`segue serve` with a socket that hears what it tells systemd."""

    def __init__(self, bench, **more):
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = bench.folder / f"notify-{time.monotonic_ns()}"
        self.notify.bind(str(path))
        self.notify.settimeout(60)
        self.log_path = bench.folder / "serve.log"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                bench.command("serve"), env=bench.environment(NOTIFY_SOCKET=str(path), **more), stderr=log,
                preexec_fn=die_with_us,
            )

    def hears(self, word):
        while True:
            words = self.notify.recv(4096).decode()
            if word in words:
                return words

    def log(self):
        return self.log_path.read_text()

    def tell(self, number):
        self.process.send_signal(number)

    def end(self):
        self.tell(signal.SIGTERM)
        return self.process.wait(timeout=60)


def until(holds, what):
    deadline = time.monotonic() + 60
    while not holds():
        if time.monotonic() > deadline:
            check(False, what)
        time.sleep(0.02)  # Looks again; nothing is measured.
    check(True, what)


def people(bench, name, number):
    now = datetime.now(timezone.utc)
    write_rows(bench.state / "inbox" / f"people-{name}.csv", ["customer", "time", "email", "email_consent"],
               [[f"{name}{i}", stamp(now), f"{name}{i}@example.com", "yes"] for i in range(number)])
    write_rows(bench.state / "inbox" / f"orders-{name}.csv", ["order_id", "customer", "time", "amount"],
               [[f"o-{name}{i}", f"{name}{i}", stamp(now), "5.00"] for i in range(number)])


def bench_with_baseline(connectors):
    bench = Workbench(connectors)
    long_ago = datetime.now(timezone.utc) - timedelta(days=30)
    write_rows(bench.state / "inbox" / "orders-old.csv", ["order_id", "customer", "time", "amount"],
               [["o-first", "first", stamp(long_ago), "1.00"]])
    bench.run("run")
    return bench


def mails(bench):
    return len(list((bench.state / "outgoing" / "mail").glob("*.eml")))


def works_and_reloads():
    bench = bench_with_baseline(BOX)
    people(bench, "a", 5)
    daemon = Daemon(bench)
    daemon.hears("READY=1")
    daemon.tell(signal.SIGUSR1)
    until(lambda: mails(bench) == 5, "five people that arrive get their mail while the service runs")
    check(bench.run("segments").count("one") > 0, "other verbs may look meanwhile")
    second = subprocess.run(bench.command("serve"), env=bench.environment(), capture_output=True, text=True)
    check(second.returncode == 4 and "another segue is at work" in second.stderr, "a second service is refused")

    rules = (bench.folder / "rules" / "rules.yaml").read_text()
    bench.write("rules/rules.yaml", rules.replace("send: hello", "send: helo"))
    daemon.tell(signal.SIGHUP)
    daemon.hears("an older version of them is running")
    check("rules/rules.yaml:" in daemon.log() and "helo" in daemon.log(), "a broken file is named at its line")
    people(bench, "b", 2)
    daemon.tell(signal.SIGUSR1)
    until(lambda: mails(bench) == 7, "with a broken file the last good rules go on")

    bench.write("rules/rules.yaml", rules)
    workspace = (bench.folder / "config" / "segue.yaml").read_text()
    bench.write("config/segue.yaml", workspace.replace("env:SIGN", "env:NOT_SET_ANYWHERE"))
    daemon.tell(signal.SIGHUP)
    daemon.hears("an older version of them is running")
    check("NOT_SET_ANYWHERE" in daemon.log(), "a secret that is not set is named, and the service goes on")
    bench.write("config/segue.yaml", workspace)
    template = (bench.folder / "templates" / "templates.yaml").read_text()
    bench.write("templates/templates.yaml", template.replace('subject: "Hello"', 'subject: "Welcome aboard"'))
    daemon.tell(signal.SIGHUP)
    daemon.hears("READY=1")
    people(bench, "c", 1)
    daemon.tell(signal.SIGUSR1)
    until(lambda: mails(bench) == 8, "after a good reload it goes on")
    subjects = [path.read_text() for path in (bench.state / "outgoing" / "mail").glob("*.eml")]
    check(sum("Welcome aboard" in text for text in subjects) == 1, "and with the new words")
    check(daemon.end() == 0, "SIGTERM ends it with 0")
    check(bench.doctor()["healthy"], "the state is sound afterwards")


def changes_words(bench, daemon, subject):
    template = bench.folder / "templates" / "templates.yaml"
    template.write_text(re.sub("subject: .*", f'subject: "{subject}"', template.read_text()))
    daemon.tell(signal.SIGHUP)


def reload_that_fails():
    """Whatever fails while new files are read or put in force, the last good ones go on, with all of their state."""
    bench = bench_with_baseline(BOX)
    daemon = Daemon(bench)
    daemon.hears("READY=1")
    state = sqlite3.connect(bench.state / "segue.db", isolation_level=None, timeout=60)
    # A disk on which there is no room to note the new files, and a table that is gone when the state is opened with them.
    faults = [("create trigger fault before insert on release begin select raise(abort, 'no room'); end", "drop trigger fault", "no room"),
              ("alter table column_part rename to elsewhere", "alter table elsewhere rename to column_part", "no such table")]
    for number, (fault, mend, words) in enumerate(faults, 1):
        state.execute(fault)
        releases = state.execute("select count(*) from release").fetchall()
        changes_words(bench, daemon, f"Not yet {number}")
        daemon.hears("an older version of them is running")
        check(words in daemon.log(), f"it says what failed: {words}")
        check(state.execute("select count(*) from release").fetchall() == releases, "files that are not in force are not noted as such")
        people(bench, f"old{number}", 1)
        daemon.tell(signal.SIGUSR1)
        until(lambda: mails(bench) == 2 * number - 1, "the last good rules go on")
        state.execute(mend)
        changes_words(bench, daemon, f"In force {number}")
        daemon.hears("READY=1")
        people(bench, f"new{number}", 1)
        daemon.tell(signal.SIGUSR1)
        until(lambda: mails(bench) == 2 * number, "and a later reload takes the new ones")
    subjects = sorted(line for path in (bench.state / "outgoing" / "mail").glob("*.eml")
                      for line in path.read_text().splitlines() if line.startswith("Subject:"))
    check(subjects == ["Subject: Hello", "Subject: In force 1", "Subject: In force 1", "Subject: In force 2"], f"nobody got words that were not in force: {subjects}")
    check(daemon.end() == 0, "SIGTERM ends it with 0")
    check(bench.doctor()["healthy"], "the state is sound afterwards")


def held_by_another():
    """Another process holds the state file: nothing is lost, nothing is done twice, and systemd hears that the service lives."""
    sink = Sink()
    bench = bench_with_baseline(HOOK.replace("dedupe: key\n", ""))
    daemon = Daemon(bench, HOOK=sink.url, WATCHDOG_USEC="900000")
    daemon.hears("READY=1")
    people(bench, "before", 1)
    daemon.tell(signal.SIGUSR1)
    sink.came.wait(60)
    state = sqlite3.connect(bench.state / "segue.db", isolation_level=None, timeout=60)
    state.execute("begin immediate")
    sink.gate.set()  # The answer comes while it cannot be written down.
    people(bench, "meanwhile", 2)
    daemon.tell(signal.SIGUSR1)
    changes_words(bench, daemon, "Meanwhile")
    until(lambda: "another process holds the state file" in daemon.log(), "it says that another process holds the file")
    for _ in range(6):  # Some may have waited in the socket.
        daemon.hears("WATCHDOG=1")
    check(daemon.process.poll() is None, "it lives, and systemd hears so")
    threading.Thread(target=daemon.hears, args=("STOPPING=1",), daemon=True).start()  # A socket that nobody reads fills up.
    state.execute("rollback")
    until(lambda: bench.doctor()["outbox"]["accepted"] == 3, "everybody gets their mail once the file is free")
    counts = bench.doctor()["outbox"]
    check(counts["unknown"] == 0 and counts["running"] == 0 and counts["waiting"] == 0, f"nothing is left in doubt: {counts}")
    check(sink.taken == 3, f"nobody gets it twice: {sink.taken}")
    until(lambda: "the new files are at work" in daemon.log(), "and the reload that was asked for meanwhile takes place")
    state.execute("begin immediate")
    check(daemon.end() == 0, "it ends although the file is held")
    state.execute("rollback")
    check(bench.doctor()["healthy"], "the state is sound afterwards")


def ends_in_order():
    sink = Sink()
    bench = bench_with_baseline(HOOK)
    people(bench, "a", 3)
    daemon = Daemon(bench, HOOK=sink.url)
    daemon.hears("READY=1")
    daemon.tell(signal.SIGUSR1)
    sink.came.wait(60)
    daemon.tell(signal.SIGTERM)
    daemon.hears("STOPPING=1")
    check(daemon.process.poll() is None, "it waits for what is under way")
    sink.gate.set()
    check(daemon.process.wait(timeout=60) == 0, "and ends when the answers are there")
    counts = bench.doctor()["outbox"]
    check(counts["running"] == 0 and counts["unknown"] == 0 and counts["accepted"] > 0,
          f"nothing is left in doubt: {counts}")


def held_by_a_brake():
    """What was promised before a brake goes on, and what is under way is not given up."""
    sink = Sink()
    bench = bench_with_baseline(HOOK.replace("dedupe: key\n", ""))
    workspace = (bench.folder / "config" / "segue.yaml").read_text()
    bench.write("config/segue.yaml", workspace + "safety: {max_sends_per_run: 2}\n")
    daemon = Daemon(bench, HOOK=sink.url)
    daemon.hears("READY=1")
    people(bench, "one", 1)
    daemon.tell(signal.SIGUSR1)
    sink.came.wait(60)
    people(bench, "many", 5)
    daemon.tell(signal.SIGUSR1)
    until(lambda: "brake: 5 messages in one run" in daemon.log(), "a brake holds the next cycle while a call is under way")
    sink.gate.set()
    until(lambda: bench.doctor()["outbox"]["accepted"] == 1, "the answer to that call still counts")
    counts = bench.doctor()["outbox"]
    check(counts["unknown"] == 0 and counts["running"] == 0 and counts["waiting"] == 0, f"nothing is left in doubt, nothing promised: {counts}")
    check(daemon.end() == 0, "it ends with 0")


def dead_vendor():
    """A tool that never answers delays nobody else."""
    sink = Sink()
    bench = bench_with_baseline(HOOK + "---\n" + BOX)
    rules = (bench.folder / "rules" / "rules.yaml").read_text()
    bench.write("rules/rules.yaml", rules + "---\nplaybook: by_mail\npurpose: marketing\n"
                "on: {model: size, to: [one, some, many]}\ndo:\n  - track: seen\n")
    workspace = (bench.folder / "config" / "segue.yaml").read_text()
    bench.write("config/segue.yaml",
                workspace.replace("channels: {", "channels: {analytics: box, ") + "tracks: [seen]\n")
    people(bench, "a", 40)
    daemon = Daemon(bench, HOOK=sink.url)
    daemon.hears("READY=1")
    daemon.tell(signal.SIGUSR1)
    box = bench.state / "outgoing" / "mail"
    until(lambda: box.exists() and len(list(box.glob("*.json"))) == 40,
          "forty changes reach the file box while the other tool holds every call")
    check(bench.doctor()["outbox"]["accepted"] == 40, "the mails still wait")
    sink.gate.set()
    until(lambda: bench.doctor()["outbox"]["accepted"] == 80, "and get through when it answers again")
    check(daemon.end() == 0, "it ends with 0")


def copies():
    bench = bench_with_baseline(BOX)
    copy = bench.state.parent / "copy"
    shutil.copytree(bench.state, copy)
    bench.state = copy
    done = subprocess.run(bench.command("serve"), env=bench.environment(), capture_output=True, text=True)
    check(done.returncode == 4 and "segue adopt" in done.stderr, "a copied state does not send by itself")
    bench.run("adopt", "--note", "the old machine is gone")
    daemon = Daemon(bench)
    daemon.hears("READY=1")
    check(daemon.end() == 0, "after adopt it runs")

    bench = bench_with_baseline(BOX)
    bench.run("pause", "box")
    people(bench, "a", 2)
    bench.run("run")
    copy = bench.state.parent / "copy"
    shutil.copytree(bench.state, copy)
    bench.state = copy
    with sqlite3.connect(copy / "segue.db") as db:
        db.execute("UPDATE outbox SET connector = 'gone'")  # A file that named it was taken away.
    said = bench.run("adopt", "--note", "the old machine is gone")
    check("2 waiting deliveries are unknown" in said, f"what no file names a connector for is in doubt: {said}")

    bench = bench_with_baseline(BOX)
    backup = (bench.state / "segue.db").read_bytes()
    people(bench, "a", 3)
    bench.run("run")
    check(mails(bench) == 3, "three people are written to after the backup")
    with open(bench.state / "segue.db", "r+b") as file:  # As cp does: the same file, an older content.
        file.truncate(0)
        file.write(backup)
    for more in ("segue.db-wal", "segue.db-shm"):
        (bench.state / more).unlink(missing_ok=True)
    done = subprocess.run(bench.command("run"), env=bench.environment(), capture_output=True, text=True)
    check(done.returncode == 4 and "backup" in done.stderr, "a backup that was put back does not send by itself")


if __name__ == "__main__":
    os.environ.pop("NOTIFY_SOCKET", None)
    works_and_reloads()
    reload_that_fails()
    held_by_another()
    ends_in_order()
    held_by_a_brake()
    dead_vendor()
    copies()
