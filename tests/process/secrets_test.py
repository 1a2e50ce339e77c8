"""Secrets are planted in every place that can hold one, and vendors repeat them in their answers in every disguise.  No text
that leaves the program, no file that it writes and no byte of its state may hold one."""

import base64
import http.server
import itertools
import json
import os
import signal
import subprocess
import threading
import time
import urllib.parse
from datetime import datetime, timedelta, timezone
from pathlib import Path

from harness import Workbench, check, stamp, write_rows
from serve_test import Daemon, until

SECRETS = {
    "SIGN": 'sign-K3y/with+every "thing"',
    "TOKEN": "pat-na1-7f3c/9e+d2%41",
    "MAIL_USER": "mailer@shop.example",
    "MAIL_PASSWORD": "pa55w0rd&with=signs?",
    "CRM_TOKEN": "pat-eu1-crm-T0ken",
    "LIST_KEY": "0123456789abcdef0123456789abcdef-us6",
    "DATABASE": "postgresql://reader:db-Pa55word@127.0.0.1:1/shop",
}

CONNECTORS = """\
connector: hook
type: webhook
auth: {{url: env:HOOK, sign: env:TOKEN}}
timeout: 2s
dedupe: key
retry: {{for: 24h, first: 1s, most: 1s}}
---
connector: smtp
type: smtp
server: "127.0.0.1:{smtp}"
auth: {{user: env:MAIL_USER, password: env:MAIL_PASSWORD}}
retry: {{for: 24h, first: 1s, most: 1s}}
---
connector: crm
type: hubspot
auth: {{token: env:CRM_TOKEN, url: env:CRM}}
writes: [segue_size]
retry: {{for: 24h, first: 1s, most: 1s}}
---
connector: list
type: mailchimp
auth: {{token: env:LIST_KEY, url: env:LIST}}
list: customers
writes: [SIZE]
retry: {{for: 24h, first: 1s, most: 1s}}
"""

RULES = """\
---
playbook: tell_tools
purpose: success
on: {model: size, to: [one, some, many]}
do:
  - set: {segue_size: "one"}
limits: {reenter: never}
"""

SQL_SOURCE = """\
---
source: shop_db
type: sql
auth: {url: env:DATABASE}
query: sql/orders.sql
cursor: id
every: 15m
emits: order_placed
time: time
timezone: UTC
currency: GBP
dedupe: order_id
map: {customer_id: customer}
"""


def disguises(secret):
    yield secret
    yield urllib.parse.quote(secret, safe="")
    yield urllib.parse.quote_plus(secret)
    yield urllib.parse.quote(secret, safe="").lower()
    yield base64.b64encode(secret.encode()).decode().rstrip("=")
    yield base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")
    yield json.dumps(secret)[1:-1]


def parts():
    """What must not be seen: each secret as it is and disguised, and the telling parts of addresses."""
    for name, secret in SECRETS.items():
        if name == "DATABASE":
            secret = "db-Pa55word"
        yield from ((name, text) for text in disguises(secret))
    yield from (("HOOK", text) for text in disguises("/in/T0ken+of%25the/path"))


class Echo(http.server.ThreadingHTTPServer):
    """Says every secret in every disguise, with all sorts of status codes, and now and then nothing at all."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), EchoHandler)
        self.number = itertools.count()
        self.calls = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass


class EchoHandler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        number = next(self.server.number)
        self.server.calls += 1
        status = (500, 429, 400, 500, 503, 429, 401, 500, 200, 500, 422, 503, 0, 500, 302, 500, 429)[number % 17]
        if status == 0:
            self.close_connection = True
            self.connection.close()
            return
        everything = list(parts())
        said = " ".join(text for _, text in everything[number % 7 :: 3])
        body = json.dumps({"error": "you sent " + said, "token": SECRETS["TOKEN"]}).encode()
        self.send_response(status)
        self.send_header("Retry-After", "1")
        self.send_header("Location", "https://shop.example/" + urllib.parse.quote(SECRETS["TOKEN"], safe=""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


def workspace(sink):
    bench = Workbench(CONNECTORS.format(smtp=1))
    base = f"http://127.0.0.1:{sink.server_port}"
    environment = {**SECRETS, "CRM": base, "LIST": base, "HOOK": f"http://127.0.0.1:{sink.server_port}/in/T0ken+of%25the/path"}
    bench.environment = lambda **more: {**os.environ, **environment, **more}
    sources = (bench.folder / "config" / "sources.yaml").read_text()
    bench.write("config/sources.yaml", sources + SQL_SOURCE)
    bench.write("config/sql/orders.sql", "SELECT id, order_id, customer, time, amount FROM orders")
    text = (bench.folder / "config" / "segue.yaml").read_text()
    bench.write("config/segue.yaml", text.replace("channels: {", "channels: {profile: crm, by_mail: smtp, by_list: list, "))
    rules = (bench.folder / "rules" / "rules.yaml").read_text()
    bench.write("rules/rules.yaml", rules + RULES)
    return bench


def outputs(bench, sink):
    """Everything that the program says, by what was asked."""
    said = {}

    def ask(*words):
        done = subprocess.run(bench.command(*words), env=bench.environment(), capture_output=True, text=True)
        said["segue " + " ".join(words)] = done.stdout + done.stderr
        return done.stdout

    ask("check")
    ask("check", "--json")
    long_ago = datetime.now(timezone.utc) - timedelta(days=30)
    write_rows(bench.state / "inbox" / "orders-old.csv", ["order_id", "customer", "time", "amount"],
               [["o-first", "first", stamp(long_ago), "1.00"]])
    ask("run")
    now = datetime.now(timezone.utc)
    write_rows(bench.state / "inbox" / "people.csv", ["customer", "time", "email", "email_consent"],
               [[f"p{i}", stamp(now), f"p{i}@example.com", "yes"] for i in range(40)])
    write_rows(bench.state / "inbox" / "orders-new.csv", ["order_id", "customer", "time", "amount"],
               [[f"n{i}", f"p{i}", stamp(now), "5.00"] for i in range(40)])
    ask("plan")
    ask("run")
    daemon = Daemon(bench)
    daemon.hears("READY=1")
    before = sink.calls
    daemon.tell(signal.SIGUSR1)
    until(lambda: sink.calls >= before + 3, "the service speaks to a tool that repeats secrets")
    text = (bench.folder / "config" / "connectors.yaml").read_text()
    bench.write("config/connectors.yaml", text.replace("env:TOKEN", SECRETS["TOKEN"]))
    daemon.tell(signal.SIGHUP)
    daemon.hears("an older version of them is running")
    bench.write("config/connectors.yaml", text)
    check(daemon.end() == 0, "the service ends in order")
    said["the log of the service"] = daemon.log()
    ask("outbox", "list", "--limit", "500")
    listed = json.loads(ask("outbox", "list", "--json", "--limit", "500"))
    for delivery in listed[:12]:
        ask("outbox", "show", str(delivery["id"]))
    for person in ("p0", "p1", "p2", "p3"):
        ask("explain", person)
    ask("doctor")
    ask("segments", "--people")
    ask("render", "hello", "--as", "p1", "--part", "mail")
    return said


def main():
    sink = Echo()
    bench = workspace(sink)
    said = outputs(bench, sink)
    for path in sorted(bench.state.rglob("*")):
        if path.is_file():
            said[f"the file {path.relative_to(bench.state)}"] = path.read_bytes().decode("utf-8", "replace")
    check(sink.calls > 10, f"the tool repeated secrets {sink.calls} times")
    # A secret that stands in a file by mistake is a part of the line that is shown: only its place may be said.
    found = [f"{place}: {name} as {text!r}" for place, words in said.items() for name, text in parts() if text in words]
    for line in found[:20]:
        print(line)
    check(not found, f"no secret stands in {len(said)} outputs and files ({sum(map(len, said.values()))} characters)")


if __name__ == "__main__":
    main()
