"""Kills the program 20 times while it sends, against a sink that counts effects and loses some answers: no second send, and
`unknown` only where the other side cannot deduplicate."""

import http.server
import os
import random
import signal
import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone

from harness import Workbench, check, stamp, write_rows

PEOPLE = 600
KILLS = 20

HOOK = """\
connector: hook
type: webhook
auth: {url: env:HOOK, sign: env:SIGN}
timeout: 2s
dedupe: DEDUPE
retry: {for: 24h, first: 1s, most: 1s}
"""


class Sink(http.server.ThreadingHTTPServer):
    """Takes deliveries in.  `remembers`: a key that came before has no second effect.  Loses one answer in 50."""

    daemon_threads = True

    def __init__(self, remembers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.remembers = remembers
        self.effects = Counter()
        self.calls = 0
        self.victim = None  # Killed at the call of this number,
        self.kill_at = 0
        self.kill_before = False  # before its effect or after it, and never answered.
        self.lock = threading.Lock()

    def handle_error(self, request, client_address):
        pass  # The other side was killed.


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # Connections are kept, and an answer can be lost on one that was used before.

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers["Idempotency-Key"]
        with self.server.lock:
            self.server.calls += 1
            lost = self.server.calls % 50 == 0
            kill = self.server.victim is not None and self.server.calls >= self.server.kill_at
            if kill and self.server.kill_before:
                self.server.victim.kill()
            elif not (self.server.remembers and self.server.effects[key]):
                self.server.effects[key] += 1
            if kill:
                self.server.victim.kill()
                self.server.victim = None
        if lost or kill:
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


def bench_with_people(connector):
    bench = Workbench(connector)
    now = datetime.now(timezone.utc)
    long_ago = now - timedelta(days=30)
    write_rows(bench.state / "inbox" / "orders-old.csv", ["order_id", "customer", "time", "amount"],
               [["o-first", "first", stamp(long_ago), "1.00"]])
    bench.run("run")  # The baseline.
    write_rows(bench.state / "inbox" / "people.csv", ["customer", "time", "email", "email_consent"],
               [[f"p{i}", stamp(now), f"p{i}@example.com", "yes"] for i in range(PEOPLE)])
    write_rows(bench.state / "inbox" / "orders-new.csv", ["order_id", "customer", "time", "amount"],
               [[f"n{i}", f"p{i}", stamp(now), "5.00"] for i in range(PEOPLE)])
    return bench


def story(dedupe, seed, kills):
    sink = Sink(remembers=dedupe == "key")
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{sink.server_port}/hook"
    bench = bench_with_people(HOOK.replace("DEDUPE", dedupe))
    chance = random.Random(seed)
    killed = 0
    while killed < kills:
        process = bench.start("run", HOOK=url)
        with sink.lock:
            sink.victim, sink.kill_before = process, chance.random() < 0.5
            sink.kill_at = sink.calls + chance.randrange(1, PEOPLE // kills)
        killed += process.wait() == -signal.SIGKILL
    sink.victim = None
    counts = {}
    for _ in range(50):
        bench.run("run", HOOK=url)
        counts = bench.doctor()["outbox"]
        if counts["waiting"] + counts["running"] == 0:
            break
        time.sleep(0.2)  # Until a retry is due; nothing is measured.
    sink.shutdown()
    print(f"dedupe {dedupe}: killed {killed} times · {sink.calls} calls · {len(sink.effects)} people reached · {counts}")
    check(killed == kills, f"the program was killed {killed} times while it sent")
    check(max(sink.effects.values()) == 1, "nobody was reached twice")
    check(sum(counts.values()) == PEOPLE, "every promise is there once")
    check(counts["accepted"] + counts["unknown"] == PEOPLE, "every promise was kept or is unknown")
    if dedupe == "key":
        check(counts["unknown"] == 0 and len(sink.effects) == PEOPLE, "with a key nothing stays unknown")
    else:
        check(len(sink.effects) >= counts["accepted"], "what was accepted has arrived")


def files(kills):
    bench = bench_with_people("connector: box\ntype: file\npath: outgoing/mail/\n")
    chance = random.Random(3)
    box = bench.state / "outgoing" / "mail"
    box.mkdir(parents=True)
    killed = 0
    for number in range(kills):
        enough = PEOPLE * number // kills + chance.randrange(1, PEOPLE // kills)
        killed += bench.run_and_kill(lambda _: len(os.listdir(box)) >= enough, "run")
    check(killed == kills, f"the program was killed {killed} times while it wrote")
    bench.run("run")
    mails = list(box.glob("*.eml"))
    counts = bench.doctor()["outbox"]
    check(len(mails) == PEOPLE and counts["accepted"] == PEOPLE,
          f"after {killed} kills there are {len(mails)} mails for {PEOPLE} people")


def main():
    story("key", 1, KILLS // 2)
    story("none", 2, KILLS // 2)
    files(5)


if __name__ == "__main__":
    main()
