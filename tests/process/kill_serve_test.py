"""Kills the service 100 times and more, in the middle of cycles and of deliveries, against a sink that also loses answers
after it accepted: nothing is lost, nothing has a second effect, and `unknown` stands only where the sink cannot deduplicate."""

import random
import signal
import threading
import time
from datetime import datetime, timedelta, timezone

from harness import Workbench, bytes_written, check, stamp, write_rows
from kill_dispatch_test import HOOK, Sink
from serve_test import Daemon, until

KILLS = 52
PEOPLE_PER_ROUND = 12


def drop(bench, name):
    now = datetime.now(timezone.utc)
    names = [f"{name}x{i}" for i in range(PEOPLE_PER_ROUND)]
    write_rows(bench.state / "inbox" / f"people-{name}.csv", ["customer", "time", "email", "email_consent"],
               [[who, stamp(now), f"{who}@example.com", "yes"] for who in names])
    write_rows(bench.state / "inbox" / f"orders-{name}.csv", ["order_id", "customer", "time", "amount"],
               [[f"o-{who}", who, stamp(now), "5.00"] for who in names])


def bench_at_work(dedupe, url):
    bench = Workbench(HOOK.replace("DEDUPE", dedupe))
    long_ago = datetime.now(timezone.utc) - timedelta(days=30)
    write_rows(bench.state / "inbox" / "orders-old.csv", ["order_id", "customer", "time", "amount"],
               [["o-first", "first", stamp(long_ago), "1.00"]])
    bench.run("run", HOOK=url)
    return bench


def life(bench, sink, chance, calm_bytes):
    """One life of the service.  Half of the lives end at a number of bytes written, which lies anywhere in reading, deciding
    and sending; the others at a call, before its effect or after it."""
    by_bytes = calm_bytes > 0 and chance.random() < 0.5
    daemon = Daemon(bench, HOOK=sink.url)
    daemon.hears("READY=1")
    with sink.lock:
        sink.victim, sink.kill_before = daemon.process, chance.random() < 0.5
        sink.kill_at = sink.calls + (10**9 if by_bytes else chance.randrange(1, PEOPLE_PER_ROUND))
    began = bytes_written(daemon.process)
    enough = began + calm_bytes * chance.random()
    daemon.tell(signal.SIGUSR1)
    while daemon.process.poll() is None:
        if by_bytes and bytes_written(daemon.process) >= enough:
            daemon.process.kill()
        time.sleep(0.0005)
    with sink.lock:
        sink.victim = None
    return daemon.process.returncode == -signal.SIGKILL


def calm_life(bench, sink):
    """What a round writes when nobody disturbs it."""
    daemon = Daemon(bench, HOOK=sink.url)
    daemon.hears("READY=1")
    began = bytes_written(daemon.process)
    daemon.tell(signal.SIGUSR1)
    until(lambda: sink.calls >= PEOPLE_PER_ROUND, "a calm round reaches its people")
    written = bytes_written(daemon.process) - began
    check(daemon.end() == 0, "and ends in order")
    return written


def story(dedupe, seed):
    sink = Sink(remembers=dedupe == "key")
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    sink.url = f"http://127.0.0.1:{sink.server_port}/hook"
    bench = bench_at_work(dedupe, sink.url)
    chance = random.Random(seed)
    drop(bench, "calm")
    calm_bytes = calm_life(bench, sink)
    killed = 0
    for number in range(KILLS):
        drop(bench, f"r{number}")
        killed += life(bench, sink, chance, calm_bytes)
    counts = {}
    for _ in range(50):
        bench.run("run", HOOK=sink.url)
        counts = bench.doctor()["outbox"]
        if counts["waiting"] + counts["running"] == 0:
            break
    sink.shutdown()
    people = PEOPLE_PER_ROUND * (KILLS + 1)
    print(f"dedupe {dedupe}: killed {killed} times · {sink.calls} calls · {len(sink.effects)} people reached · {counts}")
    check(killed == KILLS, f"the service was killed {killed} times")
    check(max(sink.effects.values()) == 1, "nobody was reached twice")
    check(sum(counts.values()) == people, "every promise is there once")
    check(counts["accepted"] + counts["unknown"] == people, "every promise was kept or is unknown")
    if dedupe == "key":
        check(counts["unknown"] == 0 and len(sink.effects) == people, "with a key nothing stays unknown, and all were reached")
    else:
        check(len(sink.effects) >= counts["accepted"], "what was accepted has arrived")
    check(bench.doctor()["healthy"], "columns equal those rebuilt from the ledger")


if __name__ == "__main__":
    story("key", 1)
    story("none", 2)
