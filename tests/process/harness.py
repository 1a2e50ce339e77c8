"""What the tests of the real program share: a small workspace on disk, customers and orders, and the program itself."""

import csv
import ctypes
import gzip
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

SEGUE = os.environ["SEGUE"]

WORKSPACE = """\
workspace: kill
timezone: UTC
currency: GBP
sender: {from: "Shop <shop@shop.example>", postal: "1 Example Road"}
keys: {customer: customer_id, email: customer.email}
traits:
  customer: {email: text, email_consent: yes_no}
events:
  order_placed: {order_id: text, amount: money}
channels: {email: CONNECTOR}
consent: {email: customer.email_consent}
serve: {listen: "127.0.0.1:PORT", url: "https://shop.example", sign: env:SIGN}
links: {base: "https://shop.example", paths: {shop: /shop}}
"""

SOURCES = """\
source: orders
type: csv
path: inbox/orders*.csv
every: 1h
emits: order_placed
time: time
timezone: UTC
currency: GBP
dedupe: order_id
map: {customer_id: customer}
late_events: 72h
---
source: people
type: csv
path: inbox/people*.csv
every: 1h
emits: customer
time: time
timezone: UTC
map: {customer_id: customer}
"""

RULES = """\
model: size
of: customer
every: day at 00:00
who: ever(order_placed)
features:
  frequency: count(order_placed)
  money: sum(order_placed.amount)
scores:
  f: {from: frequency, best: high, cuts: [2, 4]}
segments:
  - {id: many, when: f is 3}
  - {id: some, when: f is 2}
  - {id: one, when: otherwise}
---
playbook: welcome
purpose: marketing
on: {model: size, to: [one, some, many]}
do:
  - send: hello
limits: {reenter: never}
"""

TEMPLATES = """\
layout: default
html: |
  <html><body>{{ body }}<p>{{ sender.postal }} <a href="{{ links.unsubscribe }}">No more</a></p></body></html>
text: |
  {{ body }}

  {{ sender.postal }} {{ links.unsubscribe }}
---
template: hello
channel: email
subject: "Hello"
body: |
  Welcome to the shop. {{ links.shop }}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_us():
    """In a child before it begins: nothing of a test that was stopped lives on."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Workbench:
    """A workspace and a state in a folder of their own."""

    def __init__(self, connector):
        self.folder = Path(tempfile.mkdtemp(prefix="segue-process-"))
        self.port = free_port()
        self.write("config/segue.yaml", WORKSPACE.replace("CONNECTOR", connector.split()[1]))
        self.write("config/sources.yaml", SOURCES)
        self.write("config/connectors.yaml", connector)
        self.write("rules/rules.yaml", RULES)
        self.write("templates/templates.yaml", TEMPLATES)
        self.state = self.folder / "state"
        (self.state / "inbox").mkdir(parents=True)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("127.0.0.1:PORT", f"127.0.0.1:{self.port}"))

    def command(self, *words):
        if words[0] == "run" and "--at" in words:
            words = (*words, "--ahead")  # The moments of tests are fixed, the machine's clock is not.
        return [SEGUE, *words, "--workspace", str(self.folder), "--state", str(self.state)]

    def environment(self, **more):
        return {**os.environ, "SIGN": "key", "HOOK": more.get("HOOK", "http://127.0.0.1:1/"), **more}

    def run(self, *words, codes=(0,), **more):
        done = subprocess.run(self.command(*words), env=self.environment(**more), capture_output=True, text=True)
        if done.returncode not in codes:
            sys.exit(f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def fail(self, *words, code=1):
        """What it says on standard error when it ends with that code."""
        done = subprocess.run(self.command(*words), env=self.environment(), capture_output=True, text=True)
        check(done.returncode == code, f"{' '.join(words)} ends with {code}" + ("" if done.returncode == code else f", not {done.returncode}"))
        return done.stderr

    def start(self, *words, **more):
        return subprocess.Popen(
            self.command(*words), env=self.environment(**more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=die_with_us,
        )

    def run_and_kill(self, when, *words, **more):
        """Starts the program and kills it as soon as when(process) holds; True when it was still alive then.

        What a program has done, not how long it took, says when: so the kill meets the same place on any machine."""
        process = self.start(*words, **more)
        while process.poll() is None:
            if when(process):
                process.kill()
            time.sleep(0.0005)
        return process.returncode == -signal.SIGKILL

    def doctor(self):
        return json.loads(self.run("doctor", "--json", "--at", "2040-01-01"))


def bytes_written(process):
    """All that the process has handed to the system so far."""
    try:
        words = Path(f"/proc/{process.pid}/io").read_text().split()
        return int(words[words.index("wchar:") + 1])
    except (OSError, ValueError):
        return 0  # It ends at this moment.


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def write_rows(path, header, rows):
    """Writes the file under another name first, as a careful exporter does."""
    draft = path.with_suffix(".draft")
    with open(draft, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(rows)
    draft.rename(path)


def check(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}")
