"""The HTTP side of the service: what is pushed in counts once whatever happens, and a no holds at once."""

import base64
import hashlib
import hmac
import http.client
import json
import re
import socket
import ssl
import subprocess
import threading
import time

from harness import Workbench, check
from serve_test import BOX, Daemon, until

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
    status, page, _ = web.ask("POST", link, "List-Unsubscribe=One-Click",
                              {"Content-Type": "application/x-www-form-urlencoded"})
    check(status == 200 and "Done" in page, "one click says no")
    until(lambda: "own answer" in bench.run("customer", "show", "ann", "--json", **SECRETS), "and the state knows whose no it is")
    check(web.ask("POST", link[:-1] + "x", "")[0] == 404, "a link that was changed says nothing")
    check(web.ask("GET", "/")[0] == 404, "there is nothing else")
    daemon.end()
    log = daemon.log()
    check(not any(secret in log for secret in SECRETS.values()), "no secret is in its log")


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
    daemon.end()
    other = subprocess.run(bench.command("serve"), env=bench.environment(**SECRETS, CERT="none", KEY="none"),
                           capture_output=True, text=True)
    check(other.returncode == 4 and "serve.tls.cert is no certificate" in other.stderr, "a certificate that is none ends with 4")


if __name__ == "__main__":
    takes_and_says_no()
    holds_out_against_nonsense()
    speaks_tls()
    pushed_in_while_it_is_killed()
