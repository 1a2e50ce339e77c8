#!/usr/bin/env python3
"""The exports of Mixpanel and Amplitude, played by a server of this test's own: the program fetches them, each event counts once,
a kill in the middle loses nothing, and no secret stands in what it says.
"""

import base64
import gzip
import io
import json
import subprocess
import threading
import zipfile
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from harness import WORKSPACE, Workbench, check
from serve_test import Daemon, until

FILE = "connector: box\ntype: file\npath: outgoing/mail/\n"
MIXPANEL, AMPLITUDE = "segue.1:mixpanel-s3cret", "amplitude-key:amplitude-s3cret"

SOURCES = """\
source: mixpanel
type: mixpanel
auth: {token: env:MIXPANEL, project: env:PROJECT, url: env:URL}
history: 4d
every: 1h
---
source: amplitude
type: amplitude
auth: {token: env:AMPLITUDE, url: env:URL}
history: 3d
every: 1h
"""

RULES = """\
model: size
of: customer
every: day at 00:00
who: ever(order_placed)
features:
  number: count(order_placed)
segments:
  - {id: doubled, when: number > 2}
  - {id: single, when: otherwise}
"""


def mixpanel_day(day):
    """Two hundred orders of as many people, a few of whom did not log in, and what is nothing of ours."""
    start = int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=timezone.utc).timestamp())
    lines = [{"event": "Order Placed", "properties": {"time": start + 10 * n, "distinct_id": f"{'$device:' if n < 5 else ''}m{day}-{n}",
                                                      "$insert_id": f"{day}-{n}", "orderId": f"M{day}-{n}", "amount": 12.5}}
             for n in range(200)]
    lines.append({"event": "$ae_session", "properties": {"time": start, "distinct_id": "x", "$insert_id": "s"}})
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def amplitude_hour(start):
    """One order of each hour; in some of the hours nobody did anything."""
    hour = datetime.strptime(start, "%Y%m%dT%H")
    if hour.hour % 3 == 0:
        return None
    line = {"user_id": f"a{start}", "event_type": "Order Placed", "event_time": hour.strftime("%Y-%m-%d %H:05:00.000000"),
            "$insert_id": start, "event_properties": {"orderId": f"A{start}", "amount": 5}}
    return json.dumps(line).encode() + b"\n"


class Vendor(BaseHTTPRequestHandler):
    """Both vendors."""

    protocol_version = "HTTP/1.1"
    asked, fail, seen = [], None, set()
    gate = threading.Event()
    gate.set()

    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        Vendor.asked.append(self.path)
        Vendor.seen.add(self.headers["Authorization"])
        Vendor.gate.wait()
        if Vendor.fail is not None:
            status, body = Vendor.fail
            own = base64.b64decode(self.headers["Authorization"].split()[1])
            self.answer(status, own if body is None else body, Retry_After="3600")
        elif url.path == "/api/2.0/export":
            body = mixpanel_day(query["from_date"])
            zips = "gzip" in self.headers.get("Accept-Encoding", "")
            self.answer(200, gzip.compress(body) if zips else body, **({"Content_Encoding": "gzip"} if zips else {}))
        else:
            self.amplitude(query)

    def amplitude(self, query):
        hours = [amplitude_hour(hour) for hour in every_hour(query["start"], query["end"])]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, content in enumerate(hours):
                if content:
                    archive.writestr(f"1/1_{query['start']}#{number}.json.gz", gzip.compress(content))
        found = any(hours)
        self.answer(200 if found else 404, packed.getvalue() if found else b"")


def every_hour(start, end):
    first, last = (datetime.strptime(text, "%Y%m%dT%H") for text in (start, end))
    return [(first + timedelta(hours=n)).strftime("%Y%m%dT%H") for n in range(int((last - first).total_seconds()) // 3600 + 1)]


def bench_for(server):
    bench = Workbench(FILE)
    bench.write("config/segue.yaml", WORKSPACE.replace("CONNECTOR", "box"))
    bench.write("config/sources.yaml", SOURCES)
    bench.write("rules/rules.yaml", RULES)
    bench.secrets = {"MIXPANEL": MIXPANEL, "AMPLITUDE": AMPLITUDE, "PROJECT": "77", "URL": f"http://127.0.0.1:{server.server_port}/"}
    return bench


def said(bench):
    """What a run says, in all."""
    done = subprocess.run(bench.command("run", "--at", "2040-01-01"), env=bench.environment(**bench.secrets), capture_output=True, text=True)
    check(done.returncode == 0, f"the cycle comes to its end {done.stderr if done.returncode else ''}")
    words = done.stdout + done.stderr
    check(not any(part in words for secret in (MIXPANEL, AMPLITUDE) for part in secret.split(":")), "and tells no secret")
    return words


def events(bench):
    return bench.doctor()["events"].get("order_placed", 0)


def stopped_meanwhile(server):
    """A vendor that takes its time keeps the service neither from telling systemd that it lives nor from ending."""
    Vendor.fail = None
    Vendor.gate.clear()
    bench = bench_for(server)
    calls = len(Vendor.asked)
    daemon = Daemon(bench, WATCHDOG_USEC="900000", **bench.secrets)
    daemon.hears("READY=1")
    until(lambda: len(Vendor.asked) > calls, "the vendor is asked")
    for _ in range(12):  # More than a socket holds that nobody read.
        daemon.hears("WATCHDOG=1")
    check(len(Vendor.asked) == calls + 1, "systemd hears that the service lives while it waits")
    threading.Thread(target=daemon.hears, args=("STOPPING=1",), daemon=True).start()
    check(daemon.end() == 0, "it ends when it is told to")
    Vendor.gate.set()
    daemon = Daemon(bench, **bench.secrets)
    until(lambda: events(bench) > 0, "what was cut off is fetched at the next start")
    check(daemon.end() == 0, "it ends with 0")


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    server.handle_error = lambda *_: None  # Who was stopped does not wait for its answer.
    threading.Thread(target=server.serve_forever, daemon=True).start()
    bench = bench_for(server)
    Vendor.fail = (429, b"slow down")
    check("takes no more calls before" in said(bench) and len(Vendor.asked) == 2, "a vendor that has enough is asked once")
    check("left alone" in said(bench) and len(Vendor.asked) == 2, "and is left alone for as long as it says")
    Vendor.fail = None
    bench = bench_for(server)
    killed = sum(bench.run_and_kill(lambda one, most=most: len(Vendor.asked) >= most, "run", "--at", "2040-01-01", **bench.secrets)
                 for most in (len(Vendor.asked) + calls for calls in (2, 4, 9)))
    check(killed == 3, "it was killed three times while it fetched")
    words = said(bench)
    mixpanel = [path for path in Vendor.asked if "from_date=" in path]
    days = {parse_qs(urlsplit(path).query)["from_date"][0] for path in mixpanel}
    check(all("project_id=77" in path for path in mixpanel) and len(days) >= 5,
          f"four whole days were fetched, and today as well {words[-200:]}")
    orders = len(days) * 195
    hours = {hour for path in Vendor.asked if "start=" in path
             for hour in every_hour(*(parse_qs(urlsplit(path).query)[key][0] for key in ("start", "end")))}
    orders += sum(amplitude_hour(hour) is not None for hour in hours)
    check(events(bench) == orders, f"every order is there, and once: {events(bench)} of {orders}")
    check(len(Vendor.seen) == 2, "each vendor got its own secret, and always the same")
    said(bench)
    check(events(bench) == orders, "reading the overlap again changes nothing")
    Vendor.fail = (503, None)  # It says what it was called with.
    check("source mixpanel: Mixpanel answers 503" in said(bench), "a vendor that is away is a warning")
    stopped_meanwhile(server)
    server.shutdown()


if __name__ == "__main__":
    main()
