"""The HTTP side of the service: what is pushed in counts once whatever happens, and a no holds at once."""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone

from harness import Workbench, check, stamp, write_rows
from serve_test import BOX, Daemon, mails, people, until

PUSHED = """\
source: app
type: http
auth: {token: env:TOKEN}
currency: GBP
---
source: till
type: webhook
auth: {sign: env:TILL}
emits: order_placed
time: at
currency: GBP
dedupe: order_id
"""
SECRETS = {"TOKEN": "letmein", "TILL": "tillkey"}


class Web:
    """One kept connection."""

    def __init__(self, port, context=None):
        self.port, self.context, self.connection = port, context, None

    def ask(self, method, path, body=None, headers=None):
        if self.connection is None:
            if self.context:
                self.connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=self.context)
            else:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            self.connection.request(method, path, body, headers or {})
            reply = self.connection.getresponse()
            return reply.status, reply.read().decode(), dict(reply.getheaders())
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise

    def insist(self, method, path, body=None, headers=None):
        """Like whoever pushes: until there is an answer."""
        while True:
            try:
                status, text, _ = self.ask(method, path, body, headers)
                if status < 500:
                    return status, text
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)  # Nobody listens for a moment.


def token(name="letmein"):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:".encode()).decode(), "Content-Type": "application/json"}


def call(number, person):
    return {"type": "track", "userId": person, "event": "Order Placed", "messageId": f"m{number}",
            "timestamp": "2026-03-01T10:00:00Z", "properties": {"order_id": f"o{number}", "amount": 1.10}}


def start(bench, **more):
    daemon = Daemon(bench, **SECRETS, **more)
    daemon.hears("READY=1")
    return daemon


def bench_with_pushed():
    bench = Workbench(BOX)
    text = (bench.folder / "config/sources.yaml").read_text()
    bench.write("config/sources.yaml", text + "---\n" + PUSHED)
    return bench


def total_orders(bench):
    return json.loads(bench.run("doctor", "--json", **SECRETS))["events"]["order_placed"]


def spooled(bench):
    folder = bench.state / "spool" / "app"
    return sum(path.stat().st_size for path in folder.glob("*")) if folder.exists() else 0


def pushed_in_while_it_is_killed():
    bench = bench_with_pushed()
    sent = 600
    done = threading.Event()

    def push():
        web = Web(bench.port)
        for number in range(0, sent, 3):
            batch = {"batch": [call(n, f"p{n % 40}") for n in range(number, number + 3)]}
            status, text = web.insist("POST", "/v1/batch", json.dumps(batch), token())
            if status != 200:
                check(False, f"a batch is taken, not {status} {text}")
        done.set()

    daemon = start(bench)
    thread = threading.Thread(target=push)
    thread.start()
    kills = 0
    while not done.is_set():
        before = spooled(bench)
        while not done.is_set() and spooled(bench) < before + 6_000:
            time.sleep(0.002)  # Looks again; nothing is measured.
        if not done.is_set():
            daemon.process.kill()
            daemon.process.wait()
            kills += 1
            daemon = start(bench)
    thread.join()
    check(kills >= 5, f"it was killed {kills} times while orders came in")
    until(lambda: total_orders(bench) == sent, f"each of {sent} orders that were answered counts once")
    daemon.end()


def takes_and_says_no():
    bench = bench_with_pushed()
    daemon = start(bench)
    web = Web(bench.port)
    identify = {"type": "identify", "userId": "ann", "timestamp": "2026-03-01T09:00:00Z",
                "traits": {"email": "ann@example.org", "email_consent": True}}
    check(web.ask("POST", "/v1/identify", json.dumps(identify), token())[0] == 200, "an identify call is taken")
    row = json.dumps({"customer_id": "ann", "order_id": "A1", "at": "2026-03-01T10:00:00Z", "amount": "5.00"})
    moment = str(int(time.time()))
    signature = hmac.new(b"tillkey", f"{moment}.{row}".encode(), hashlib.sha256).hexdigest()
    signed = {"Segue-Signature": f"t={moment},v1={signature}"}
    check(web.ask("POST", "/v1/rows/till", row, signed)[0] == 200, "a signed row is taken")
    check(web.ask("POST", "/v1/rows/till", row + " ", signed)[0] == 401, "a row that was changed on its way is not")
    until(lambda: total_orders(bench) == 1, "the order counts soon, without a schedule")
    check(web.ask("GET", "/health")[:2] == (200, "at work\n"), "it says that it is at work")
    metrics = web.ask("GET", "/metrics")[1]
    check("segue_customers 1\n" in metrics and "# TYPE segue_outbox gauge" in metrics, "and counts in Prometheus' format")
    for header in ("X-Forwarded-For", "Via"):
        check(web.ask("GET", "/metrics", headers={header: "198.51.100.7"})[0] == 404, f"not for who comes with {header}")
    rendered = bench.run("render", "hello", "--as", "ann", **SECRETS)
    link = re.search(r"https://shop\.example(/unsubscribe/[^\s\"<>]+)", rendered).group(1)
    status, page, headers = web.ask("GET", link)
    check(status == 200 and '<form method="post">' in page, "the link in a mail opens a page with a button")
    check("default-src 'none'" in headers["Content-Security-Policy"], "on which nothing else runs")
    own = link.replace("/unsubscribe/", "/preferences/")
    check("Now: yes, you get these." in web.ask("GET", own)[1], "the page of preferences shows what is in force")
    status, page, _ = web.ask("POST", link, "List-Unsubscribe=One-Click",
                              {"Content-Type": "application/x-www-form-urlencoded"})
    check(status == 200 and "Done" in page, "one click says no")
    until(lambda: "own answer" in bench.run("customer", "show", "ann", "--json", **SECRETS), "and the state knows whose no it is")
    check("Now: no, you do not get these." in web.ask("GET", own)[1], "and the page shows it")
    check(web.ask("GET", own[:-1] + "x")[0] == 404, "to nobody else")
    check(web.ask("POST", link[:-1] + "x", "")[0] == 404, "a link that was changed says nothing")
    check(web.ask("GET", "/")[0] == 404, "there is nothing else")
    daemon.end()
    log = daemon.log()
    check(not any(secret in log for secret in SECRETS.values()), "no secret is in its log")


class SlowVendor(http.server.ThreadingHTTPServer):
    """A tool whose export takes long: once it is to wait, it answers when `gate` is open."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), SlowExport)
        self.waits, self.asked, self.gate = False, threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class SlowExport(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.server.waits:
            self.server.asked.set()
            self.server.gate.wait()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


def a_no_during_a_long_cycle():
    vendor = SlowVendor()
    bench = Workbench(BOX)
    text = (bench.folder / "config/sources.yaml").read_text()
    bench.write("config/sources.yaml", text + "---\nsource: tool\ntype: mixpanel\nauth: {token: env:TOKEN, url: env:TOOL}\n"
                "every: 1h\nhistory: 2d\ncurrency: GBP\n")
    more = {"TOKEN": "letmein:secret", "TOOL": f"http://127.0.0.1:{vendor.server_port}"}
    now = datetime.now(timezone.utc)
    write_rows(bench.state / "inbox" / "orders-old.csv", ["order_id", "customer", "time", "amount"],
               [["o-first", "first", stamp(now - timedelta(days=30)), "1.00"]])
    write_rows(bench.state / "inbox" / "people-a.csv", ["customer", "time", "email", "email_consent"],
               [[name, stamp(now - timedelta(days=1)), f"{name}@example.com", "yes"] for name in ("ann", "bob")])
    bench.run("run", **more)
    link = re.search(r"https://shop\.example(/unsubscribe/[^\s\"<>]+)", bench.run("render", "hello", "--as", "ann", **more)).group(1)
    daemon = Daemon(bench, **more)
    daemon.hears("READY=1")
    write_rows(bench.state / "inbox" / "orders-new.csv", ["order_id", "customer", "time", "amount"],
               [[f"o-{name}", name, stamp(now), "5.00"] for name in ("ann", "bob")])
    vendor.waits = True
    daemon.tell(signal.SIGUSR1)
    vendor.asked.wait(60)
    check(Web(bench.port).ask("POST", link, "")[0] == 200, "a no is taken while a cycle reads a slow source")
    vendor.gate.set()

    def states():
        return {one["customer"]: one["state"] for one in json.loads(bench.run("outbox", "list", "--json", **more))}

    until(lambda: states().get("bob") == "accepted", "what the cycle promised goes out")
    check(states()["ann"] == "suppressed" and mails(bench) == 1, f"but not to whoever said no meanwhile: {states()}")
    daemon.end()


def a_no_that_is_pushed_while_a_brake_holds():
    bench = bench_with_pushed()
    write_rows(bench.state / "inbox" / "orders-old.csv", ["order_id", "customer", "time", "amount"],
               [["o-first", "first", stamp(datetime.now(timezone.utc) - timedelta(days=30)), "1.00"]])
    text = (bench.folder / "config/segue.yaml").read_text()
    bench.write("config/segue.yaml", text + "safety: {max_sends_per_run: 2}\n")
    bench.run("run", **SECRETS)
    daemon = start(bench)
    people(bench, "many", 5)
    daemon.tell(signal.SIGUSR1)
    until(lambda: "brake: 5 messages in one run" in daemon.log(), "a brake holds a cycle")
    call = {"type": "identify", "userId": "many0", "timestamp": stamp(datetime.now(timezone.utc)), "traits": {"email_consent": False}}
    check(Web(bench.port).ask("POST", "/v1/identify", json.dumps(call), token())[0] == 200, "a no is pushed in")

    def consent():
        return json.loads(bench.run("customer", "show", "many0", "--json", **SECRETS))["traits"]["email_consent"]["value"]

    until(lambda: consent() in (False, "no"), "which holds at once, while the cycle is held")
    check(mails(bench) == 0 and daemon.log().count("brake:") == 1, "and lets nothing pass")
    daemon.end()


def holds_out_against_nonsense():
    bench = bench_with_pushed()
    daemon = start(bench)

    def raw(text):
        with socket.create_connection(("127.0.0.1", bench.port), timeout=60) as link:
            link.sendall(text)
            return link.recv(200).split(b"\r\n")[0]

    check(b" 400 " in raw(b"\x16\x03\x01\x02\x00nonsense\r\n\r\n"), "what is no HTTP is told so")
    check(b" 431 " in raw(b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000 + b"\r\n\r\n"), "a head that is too long too")
    check(b" 413 " in raw(b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"), "and a body of 2 MB")
    deep = "[" * 100_000
    check(Web(bench.port).ask("POST", "/v1/track", deep, token())[0] == 400, "a hundred thousand brackets are no call")
    check(Web(bench.port).ask("GET", "/unsubscribe/%00%ff/" + "0" * 5000)[0] == 404, "nor a link")
    links = [socket.create_connection(("127.0.0.1", bench.port), timeout=60) for _ in range(100)]
    check(Web(bench.port).ask("GET", "/health")[0] == 200, "a hundred silent callers keep nobody out")
    for link in links:
        link.close()
    check(daemon.process.poll() is None, "it is still at work")
    again = Workbench(BOX)
    text = (again.folder / "config/segue.yaml").read_text().replace(str(again.port), str(bench.port))
    again.write("config/segue.yaml", text)
    done = subprocess.run(again.command("serve"), env=again.environment(), capture_output=True, text=True)
    check(done.returncode == 4 and "cannot listen at 127.0.0.1:" in done.stderr, "an address that is taken ends with 4")
    daemon.end()


def a_certificate_that_is_half_renewed():
    bench = bench_with_pushed()
    folder = bench.folder / "credentials"
    folder.mkdir()
    for name in ("old", "new"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(bench.folder / f"{name}.key"), "-out",
                        str(bench.folder / f"{name}.cert"), "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, capture_output=True)

    def put(name, kind):
        (folder / kind).write_bytes((bench.folder / f"{name}.{kind}").read_bytes())

    def greets(name):
        context = ssl.create_default_context(cafile=str(bench.folder / f"{name}.cert"))
        return Web(bench.port, context).ask("GET", "/health")[0] == 200

    put("old", "cert")
    put("old", "key")
    text = (bench.folder / "config/segue.yaml").read_text()
    bench.write("config/segue.yaml", text.replace("serve: {", "serve: {tls: {cert: cred:cert, key: cred:key}, "))
    daemon = start(bench, CREDENTIALS_DIRECTORY=str(folder))
    put("new", "cert")
    daemon.tell(signal.SIGHUP)
    daemon.hears("an older version of them is running")
    check("serve.tls.key is no key in PEM, or not the certificate's" in daemon.log(), "a certificate without its key is named")
    check(greets("old"), "and the old one goes on")
    put("new", "key")
    daemon.tell(signal.SIGHUP)
    daemon.hears("READY=1")
    check(greets("new"), "until both are new")
    daemon.end()


def a_spool_that_cannot_be_written():
    bench = bench_with_pushed()
    text = (bench.folder / "config/segue.yaml").read_text()
    bench.write("config/segue.yaml", text.replace("events:\n", "events:\n  link_clicked: {link: text}\n"))
    bench.run("run", **SECRETS)
    (bench.state / "spool").mkdir()
    (bench.state / "spool/own-answers").write_text("")
    daemon = start(bench)
    parts = "shop/hello/ann"
    proof = hmac.new(b"key", f"link/kill/{parts}".encode(), hashlib.sha256).hexdigest()[:32]
    status, _, headers = Web(bench.port).ask("GET", f"/l/{parts}/{proof}")
    check(status == 302 and headers["Location"] == "https://shop.example/shop", "a link leads on although its click cannot be kept")
    until(lambda: "own-answers cannot be kept" in daemon.log(), "which the log says")
    proof = hmac.new(b"key", b"person/kill/ann", hashlib.sha256).hexdigest()[:32]
    check(Web(bench.port).ask("POST", f"/unsubscribe/ann/{proof}", "")[0] == 503, "a no that cannot be kept is not said to be")
    check(Web(bench.port).ask("POST", "/v1/track", json.dumps(call(1, "ann")), token())[0] == 200, "and other streams are")
    daemon.end()


def a_key_that_changes():
    bench = bench_with_pushed()
    write_rows(bench.state / "inbox" / "people-a.csv", ["customer", "time", "email", "email_consent"],
               [["ann", "2026-03-01T09:00:00Z", "ann@example.org", "yes"]])
    bench.run("run", **SECRETS)

    def link(**more):
        return re.search(r"https://shop\.example(/unsubscribe/[^\s\"<>]+)", bench.run("render", "hello", "--as", "ann", **SECRETS, **more)).group(1)

    both = {"SIGN": "new\nkey\n"}
    daemon = start(bench, **both)
    web = Web(bench.port)
    check(link(**both) == link(SIGN="new") != link(), "the first line of the secret signs")
    check(web.ask("GET", link())[0] == web.ask("GET", link(**both))[0] == 200, "links that were signed before open too")
    check(web.ask("GET", link(SIGN="other"))[0] == 404, "and no others")
    daemon.end()


def speaks_tls():
    bench = bench_with_pushed()
    cert, key = bench.folder / "cert.pem", bench.folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert),
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    text = (bench.folder / "config/segue.yaml").read_text()
    bench.write("config/segue.yaml", text.replace("serve: {", "serve: {tls: {cert: env:CERT, key: env:KEY}, "))
    daemon = start(bench, CERT=cert.read_text(), KEY=key.read_text())
    context = ssl.create_default_context(cafile=str(cert))
    check(Web(bench.port, context).ask("GET", "/health")[0] == 200, "with a certificate it speaks TLS")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(str(cert))
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        Web(bench.port, old).ask("GET", "/health")
        check(False, "old TLS is refused")
    except (OSError, http.client.HTTPException):
        check(True, "old TLS is refused")
    silent = [socket.create_connection(("127.0.0.1", bench.port), timeout=60) for _ in range(64)]
    try:
        Web(bench.port, context).ask("GET", "/health")
        check(False, "who holds 64 connections gets no more of them")
    except (OSError, http.client.HTTPException):
        check(True, "who holds 64 connections gets no more of them")
    elsewhere = http.client.HTTPSConnection("127.0.0.1", bench.port, timeout=60, context=context, source_address=("127.0.0.2", 0))
    elsewhere.request("GET", "/health")
    check(elsewhere.getresponse().status == 200, "and keeps nobody else out")
    for link in silent:
        link.close()
    daemon.end()
    other = subprocess.run(bench.command("serve"), env=bench.environment(**SECRETS, CERT="none", KEY="none"),
                           capture_output=True, text=True)
    check(other.returncode == 4 and "serve.tls.cert is no certificate" in other.stderr, "a certificate that is none ends with 4")


if __name__ == "__main__":
    takes_and_says_no()
    a_no_during_a_long_cycle()
    a_no_that_is_pushed_while_a_brake_holds()
    holds_out_against_nonsense()
    speaks_tls()
    a_key_that_changes()
    a_certificate_that_is_half_renewed()
    a_spool_that_cannot_be_written()
    pushed_in_while_it_is_killed()
