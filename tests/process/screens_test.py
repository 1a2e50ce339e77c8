"""The screens that a team reads: plan, apply, and explain for the refusal of every gate, as golden files.

UPDATE_GOLDEN=1 writes them anew. The shop below is small enough to check by hand: one customer for each gate.
"""

import http.server
import os
import re
import sqlite3
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

from harness import Workbench, check

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "screens"

CONFIG = """\
workspace: larkfield
timezone: Europe/Lisbon
currency: EUR
sender: {from: "Larkfield Gifts <hello@larkfield.example>", postal: "4 Example Yard, Leeds"}
traits:
  customer: {email: text, email_consent: yes_no, wants_news: yes_no, csm: text, first_name: text}
events:
  order_placed: {order_id: text, amount: money}
  nudged: {nudge_id: text, about: text}
channels: {email: mail_out, task: desk}
assignees: {sales_desk: sales@larkfield.example}
consent:
  email: customer.email_consent
  topics: {news: customer.wants_news}
caps:
  - {purpose: success, channel: email, max: 1 per 2d}
holdout: {share: 99%}
quiet_hours: {from: "21:00", to: "08:00", zone: customer, applies_to: [email]}
safety: {max_data_age: 26h}
SENDING
serve: {url: "https://segue.larkfield.example", sign: env:SIGN}
links: {base: "https://larkfield.example", paths: {shop: /shop}}
"""

SOURCES = """\
source: orders
type: csv
path: inbox/orders*.csv
every: 1h
emits: order_placed
time: time
timezone: UTC
currency: EUR
dedupe: order_id
map: {customer_id: customer}
late_events: 72h
---
source: people
type: csv
path: inbox/people*.csv*
every: 1h
emits: customer
time: time
timezone: UTC
map: {customer_id: customer}
---
source: nudges
type: csv
path: inbox/nudges*.csv
every: 1h
emits: nudged
time: time
timezone: UTC
dedupe: nudge_id
map: {customer_id: customer}
late_events: 72h
"""

CONNECTORS = """\
connector: mail_out
type: file
path: outgoing/mail/
---
connector: desk
type: file
path: outgoing/tasks.jsonl
"""

POLICY = """\
policy: hands_off
when: customer.csm is 'mara'
deny: [send]
why: Mara writes to hers herself
"""

TEMPLATES = """\
layout: default
html: |
  <html><body>{{ body }}<p>{{ sender.postal }} <a href="{{ links.unsubscribe }}">No more</a></p></body></html>
text: |
  {{ body }}

  {{ sender.postal }} {{ links.unsubscribe }}
---
template: place
channel: email
subject: "We kept your place"
body: |
  Hello {{ customer.first_name | default: 'there' }}, see [the shop]({{ links.shop }}).
---
template: news
channel: email
subject: "News"
body: |
  What is new.
---
template: with_code
channel: email
subject: "For you"
body: |
  Your code is {{ offer.code }}, until {{ offer.expires | date: '%-d %B' }}.
---
template: by_name
channel: email
subject: "A word"
body: |
  Dear {{ customer.first_name }}, how are you?
"""

# One playbook for each gate that may refuse: its name, its purpose, and what makes it refuse. A word of its own in `about` starts it.
GATES = {
    "status": ("service", "status: paused\n", ""),
    "when": ("service", "", "when: customer.csm is 'otto'\n"),
    "reenter": ("service", "", "limits: {reenter: never}\n"),
    "lane": ("service", "lane: care\n", ""),
    "per_day": ("service", "", "limits: {reenter: always, per_day: 1}\n"),
    "global_holdout": ("product", "", ""),
    "policy": ("success", "", ""),
    "topic_consent": ("success", "topic: news\n", ""),
    "consent": ("success", "", ""),
    "suppression": ("service", "", ""),
    "address": ("service", "", ""),
    "same_address": ("service", "", ""),
    "open_task": ("service", "", "limits: {reenter: always}\n"),
    "cap": ("success", "", "limits: {reenter: always, on_cap: drop}\n"),
    "render": ("service", "", ""),
    "shadow": ("service", "status: shadow\n", ""),
    "held_out": ("success", "", "experiment: {holdout: 99%}\n"),
    "stale": ("service", "", ""),
    "data_age": ("service", "", ""),
    "trigger": ("service", "", ""),
    "experiment": ("success", "", "experiment: {holdout: 99%}\n"),
    "exit": ("service", "", "exit: customer.csm is 'gone'\n"),
    "goal": ("service", "", "goal: {event: order_placed, within: 9d}\n"),
    "cap_held": ("success", "", "limits: {reenter: always, on_cap: wait 4d}\n"),
    "quiet_hours": ("service", "", ""),
    "offer": ("service", "", "offer: all_gone\n"),
    "budget": ("service", "", "offer: too_dear\n"),
}
# What starts those that are not started by a word.
TRIGGERS = {"trigger": "on: {model: rf, to: slipping, for: 3d}\n"}
STEPS = {
    "cap_held": "  - send: place\n  - send: news\n",
    "goal": "  - wait: 1d\n  - send: place\n",
    "offer": "  - send: with_code\n",
    "budget": "  - send: with_code\n",
    "open_task": "  - task: {title: Call them, for: sales_desk, due: 2d, unless_open: yes}\n",
    "cap": "  - send: place\n  - send: news\n",
    "render": "  - send: by_name\n",
    "stale": "  - wait: 2h\n  - send: place\n",
}
# Who has the lane already, and whom the first of the day is for.
OTHERS = """\
playbook: first_in_lane
purpose: service
priority: 90
lane: care
on: {event: nudged, where: about is 'lane'}
do:
  - wait: 3d
  - send: place
limits: {reenter: always}
"""
OFFERS = """\
offer: all_gone
percent: 10
pool: {file: pools/empty.csv}
valid: 14d
per_customer: 1 per 365d
---
offer: too_dear
percent: 10
pool: {generate: "DEAR-{{8}}"}
valid: 14d
per_customer: 1 per 365d
budget: {max: 10 EUR per month, cost: 12 EUR}
---
policy: no_tests
when: customer.csm is 'vip'
deny: [experiment]
why: The best get what is known to work
"""
SEGMENTS = """\
model: rf
title: How lately
every: day at 04:00
who: ever(order_placed)
features:
  recency: since(last(order_placed))
scores:
  r: {from: recency, best: low, cuts: [CUT]}
segments:
  - {id: fresh, when: r is 2}
  - {id: slipping, when: otherwise}
rank: [slipping, fresh]
settle: {hold: 1 run, margin: 5%}
"""
WINBACK = """\
playbook: win_back
title: Re-engage a buyer
purpose: success
on: {model: rf, from: fresh, to: slipping}
when: not did(order_placed, 7d)
do:
  - send: TEMPLATE
  - wait: 6d
  - send: news
goal: {event: order_placed, value: amount, within: 30d}
limits: {reenter: never}
"""


def playbook(name, **change):
    purpose, head, tail = GATES[name]
    head = change.get(name, head)
    tail = tail if "limits" in tail else tail + "limits: {reenter: always}\n"
    on = TRIGGERS.get(name, "on: {event: nudged, where: about is '" + name + "'}\n")
    return f"playbook: {name}\npurpose: {purpose}\n{head}{on}do:\n{STEPS.get(name, '  - send: place' + chr(10))}{tail}"


def person(name, *, address=None, consent="yes", news="", csm="", first=""):
    return [name, "2026-01-01 00:00", f"{name}@post.example" if address is None else address, consent, news, csm, first]


PEOPLE = {
    "policy": person("policy", csm="mara"),
    "topic_consent": person("topic_consent", news="no"),
    "consent": person("consent", consent="no"),
    "address": person("address", address=""),
    "same_address": person("same_address", address="family@post.example"),
    "experiment": person("experiment", csm="vip"),
    "exit": person("exit", csm="gone"),
}


class Shop:
    def __init__(self, sending=""):
        self.bench = Workbench(CONNECTORS.split("---")[0])
        self.bench.write("config/segue.yaml", CONFIG.replace("SENDING\n", sending))
        self.bench.write("config/sources.yaml", SOURCES)
        self.bench.write("config/connectors.yaml", CONNECTORS)
        self.bench.write("templates/templates.yaml", TEMPLATES)

    def rules(self, *documents):
        self.bench.write("rules/rules.yaml", "---\n".join(documents))

    def rows(self, name, header, lines):
        text = header + "\n" + "".join(",".join(line) + "\n" for line in lines)
        (self.bench.state / "inbox" / f"{name}.csv").write_text(text)

    def run(self, *moments):
        for moment in moments:
            self.bench.run("run", "--at", moment)

    def explain(self, who, playbook):
        return self.bench.run("explain", who, playbook, "--at", "2026-03-12T14:00")


def refusals():
    """Everybody is nudged once or twice, and each is refused by another gate."""
    shop = Shop()
    model = SEGMENTS.replace("CUT", "21d")
    every = [playbook(name) for name in GATES] + [OTHERS, POLICY, OFFERS, model]
    shop.rules(*every)
    names = [*GATES, "per_day_first", "same_address_first"]
    family = person("same_address_first", address="family@post.example")
    shop.rows("people", "customer,time,email,email_consent,wants_news,csm,first_name",
              [PEOPLE.get(name) or (family if name == "same_address_first" else person(name)) for name in names])
    header = "customer,time,order_id,amount"
    shop.rows("orders", header, [("trigger", "2026-02-17 00:00", "1-trigger", "40")])
    shop.rows("nudges", "customer,time,nudge_id,about", [])
    (shop.bench.state / "pools").mkdir()
    (shop.bench.state / "pools/empty.csv").write_text("code\n")
    shop.run("2026-03-09T09:00")
    base = sqlite3.connect(shop.bench.state / "segue.db")
    base.execute("INSERT INTO suppression(who, reason, at) VALUES ('suppression@post.example', 'bounced', 0)")
    base.commit()
    base.close()
    later = ("data_age", "per_day", "same_address", "trigger", "quiet_hours")
    first = [(name, "2026-03-09 09:30", f"1-{name}", name) for name in names if name not in later]
    first = [(who, time, key, about.removesuffix("_first")) for who, time, key, about in first]
    second = [(name, "2026-03-09 10:30", f"2-{name}", name) for name in ("reenter", "open_task", "per_day", "same_address")]
    header = "customer,time,nudge_id,about"
    shop.rows("nudges_1", header, first)
    shop.run("2026-03-09T10:00")
    shop.rows("nudges_2", header, second)
    shop.run("2026-03-09T11:00")
    shop.rules(*[playbook(name, stale="status: paused\n") for name in GATES], OTHERS, POLICY, OFFERS, model)
    shop.run("2026-03-09T12:00")
    shop.rules(*every)
    shop.rows("nudges_night", header, [("quiet_hours", "2026-03-09 22:30", "1-quiet_hours", "quiet_hours")])
    shop.rows("orders_night", "customer,time,order_id,amount", [("goal", "2026-03-09 22:00", "1-goal", "40")])
    shop.run("2026-03-09T23:00", "2026-03-11T10:00")
    shop.rows("orders_back", "customer,time,order_id,amount", [("trigger", "2026-03-11 20:00", "2-trigger", "40")])
    # The export of people breaks, and a day later somebody is nudged.
    (shop.bench.state / "inbox" / "people_2.csv.gz").write_bytes(b"this is no gzip")
    shop.rows("nudges_3", header, [("data_age", "2026-03-12 12:30", "3-data_age", "data_age")])
    shop.run("2026-03-12T13:00")
    return {f"refused/{name}": shop.explain(name, name) for name in GATES}


def not_allowed():
    shop = Shop("sending: {allow_only: [team@larkfield.example]}\n")
    shop.rules(playbook("consent"), SEGMENTS.replace("CUT", "21d"))
    shop.rows("people", "customer,time,email,email_consent,wants_news,csm,first_name", [person("vera")])
    shop.rows("orders", "customer,time,order_id,amount", [])
    shop.rows("nudges", "customer,time,nudge_id,about", [])
    shop.run("2026-03-09T09:00")
    shop.rows("nudges_1", "customer,time,nudge_id,about", [("vera", "2026-03-09 09:30", "1", "consent")])
    shop.run("2026-03-09T10:00")
    return {"refused/allow_only": shop.explain("vera", "consent")}


class Vendor(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the address names; at /lost it takes what it is given and hangs up."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        word = self.path.strip("/")
        if word == "lost":
            self.close_connection = True
            return
        self.send_response(int(word))
        self.end_headers()
        self.wfile.write(b"no such person here" if word == "422" else b"")

    def log_message(self, *words):
        pass


# Of what was promised: the tool, what it is told to be, and who is written to by it.
TOOLS = {
    "accepted": "type: webhook\nauth: {url: env:HOOK_200}\n",
    "refused": "type: webhook\nauth: {url: env:HOOK_422}\n",
    "retry": "type: webhook\nauth: {url: env:HOOK_503}\n",
    "unknown": "type: webhook\nauth: {url: env:HOOK_LOST}\n",
    "dry_run": "type: webhook\nauth: {url: env:HOOK_200}\ndry_run: yes\n",
    "rate_limit": "type: webhook\nauth: {url: env:HOOK_200}\nrate: 1 per 1h\n",
    "withdrawn": "type: webhook\nauth: {url: env:HOOK_200}\n",
}


def outcomes():
    """What becomes of a promise, by the real clock: so the golden files say <time>."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/"
    hooks = {"HOOK_200": base + "200", "HOOK_422": base + "422", "HOOK_503": base + "503", "HOOK_LOST": base + "lost"}
    shop = Shop()
    shop.bench.write("config/segue.yaml", re.sub(r"quiet_hours.*\n", "", CONFIG).replace("SENDING\n", "").replace("holdout: {share: 99%}\n", ""))
    shop.bench.write("config/connectors.yaml", CONNECTORS + "".join(f"---\nconnector: {name}\n{tool}" for name, tool in TOOLS.items()))
    messages = "".join(f"---\ntemplate: by_{name}\nchannel: email\nvia: {name}\nsubject: A word\nbody: |\n  Hello.\n" for name in TOOLS)
    shop.bench.write("templates/templates.yaml", TEMPLATES + messages)
    shop.rules(SEGMENTS.replace("CUT", "21d"), *[
        f"playbook: {name}\npurpose: success\non: {{event: nudged, where: about is '{name}'}}\n"
        f"do:\n  - send: by_{name}\nlimits: {{reenter: always}}\n" for name in TOOLS])
    now = datetime.now(timezone.utc)
    at = lambda minutes: (now + timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S")
    names = [*TOOLS, "rate_limit_second"]
    people = "customer,time,email,email_consent,wants_news,csm,first_name"
    shop.rows("people", people, [person(name) for name in names])
    shop.rows("orders", "customer,time,order_id,amount", [])
    shop.rows("nudges", "customer,time,nudge_id,about", [])
    shop.run(at(-30).replace(" ", "T"))
    shop.rows("nudges_1", "customer,time,nudge_id,about", [(name, at(-20), name, name.removesuffix("_second")) for name in names])
    shop.run(at(-10).replace(" ", "T"))
    shop.rows("people_2", people, [["withdrawn", at(-5), "withdrawn@post.example", "no", "", "", ""]])
    shop.bench.run("run", **hooks)
    server.shutdown()
    screens = {}
    for name in TOOLS:
        who = "rate_limit_second" if name == "rate_limit" else name
        text = shop.bench.run("explain", who, name, **hooks)
        text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "<time>", text)
        screens[f"outcome/{name}"] = text.replace(base, "http://vendor.example/")
    return screens


# What runs, what is planned in its place, and a third that nobody planned.
RUNNING = [SEGMENTS.replace("CUT", "21d"), WINBACK.replace("TEMPLATE", "place"), POLICY]
PLANNED = [
    RUNNING[0],
    WINBACK.replace("TEMPLATE", "news").replace("7d)\n", "7d) and customer.csm is not 'otto'\n"),
    POLICY.replace("deny: [send]\n", "deny: [send]\nexcept: [win_back]\n"),
]
MOVED_LINE = [SEGMENTS.replace("CUT", "18d"), *RUNNING[1:]]


# It starts where some stand already, in three ways.
FRESH_WORD = """\
playbook: fresh_word
purpose: success
on: {model: rf, to: fresh}
do:
  - send: news
limits: {reenter: never}
---
playbook: fresh_monthly
purpose: success
on: {every: 30d, while: rf is 'fresh'}
do:
  - send: news
limits: {reenter: always}
"""


def plans():
    """Another message, another condition and a milder policy: who would get something else, before it is so."""
    shop = Shop()
    shop.rules(*RUNNING)
    buyers = {"anna": "02-13", "bela": "02-13", "cleo": "02-13", "dora": "02-13", "emil": "02-16", "finn": "03-05", "gina": "02-13"}
    shop.rows("orders", "customer,time,order_id,amount", [(who, f"2026-{day} 12:00", f"1-{who}", "40") for who, day in buyers.items()])
    shop.rows("people", "customer,time,email,email_consent,wants_news,csm,first_name",
              [person("anna", first="Anna"), person("bela", consent="no"), person("cleo", csm="mara"), person("dora", address=""), person("emil"),
               person("finn"), person("gina", csm="otto")])
    shop.rows("nudges", "customer,time,nudge_id,about", [])
    shop.run("2026-03-06T09:00")
    screens = {}
    plan = ["plan", "--at", "2026-03-08T04:00"]
    screens["plan"] = shop.bench.run(*plan, codes=(2,))
    screens["plan_people"] = shop.bench.run(*plan, "--people", "win_back", codes=(2,))
    shop.bench.run("apply", "--at", "2026-03-07T12:00")
    shop.rules(*MOVED_LINE)
    screens["plan_moved_line"] = shop.bench.run(*plan)
    shop.rules(*RUNNING, FRESH_WORD)
    screens["plan_new_playbook"] = shop.bench.run(*plan, codes=(2,))
    screens["plan_backfill"] = shop.bench.run(*plan, "--backfill", "fresh_word", codes=(2,))
    screens["plan_backfill_markdown"] = shop.bench.run(*plan, "--markdown", "--backfill", "fresh_word", codes=(2,))
    shop.rules(*PLANNED)
    file = str(shop.bench.folder / "plan.json")
    screens["plan_edited"] = shop.bench.run(*plan, "-o", file, codes=(2,))
    screens["plan_edited_markdown"] = shop.bench.run(*plan, "--markdown", codes=(2,))
    stale(shop, file)
    screens["apply"] = shop.bench.run("apply", file, "--at", "2026-03-07T12:00")
    check("other files went live" in shop.bench.fail("apply", file, "--at", "2026-03-07T12:00"), "a plan is applied once")
    # The folder says something else again, and what was applied runs.
    shop.rules(*MOVED_LINE)
    shop.run("2026-03-08T04:00")
    screens["explain"] = shop.bench.run("explain", "anna", "win_back", "--at", "2026-03-08T05:00")
    return screens


# A playbook with all that a plan can speak of: arms, a code and its money, a cap, a policy, hours, brakes.
WINBACK_20 = """\
offer: winback_20
percent: 20
pool: {generate: "BACK-{{8}}"}
valid: end of month
per_customer: 1 per 180d
budget: {max: 500 EUR per month, cost: 12 EUR}
---
playbook: hello
purpose: success
on: {event: nudged, where: about is 'hello'}
do:
  - send: news
limits: {reenter: always}
---
playbook: risk_winback
title: A code for those who slip away
purpose: success
on: {model: rf, from: fresh, to: slipping}
offer: winback_20
do:
  - send: with_code
  - wait: 6d
  - send: news
exit: rf is 'fresh'
goal: {event: order_placed, value: amount, within: 30d, expect: 5%..10%}
limits: {reenter: never, on_cap: wait 4d}
experiment: {holdout: 25%}
"""


def full_plan():
    """Thirty buyers, most of whom slip away in one night: first because a line is moved, then by themselves."""
    shop = Shop("  max_sends_per_run: 100\n  max_moved_per_run: 95%\n")
    config = (shop.bench.folder / "config/segue.yaml").read_text()
    config = config.replace("safety: {max_data_age: 26h}\n", "safety:\n  max_data_age: 26h\n").replace("holdout: {share: 99%}\n", "")
    config = config.replace("currency: EUR\n", "currency: EUR\nkeys: {timezone: customer.zone}\n", 1).replace("{email: text,", "{email: text, zone: text,")
    shop.bench.write("config/segue.yaml", config)
    plain = WINBACK_20.replace("  - send: with_code\n", "  - send: place\n").replace("offer: winback_20\ndo", "do")
    names = [f"buyer{number:02}" for number in range(1, 31)]
    rows = []
    for number, name in enumerate(names):
        one = person(name, consent="no" if number % 10 == 3 else "yes", csm="mara" if number % 15 == 4 else "", address="" if number == 6 else None)
        rows.append(one + ["America/Sao_Paulo" if number % 3 == 0 else ""])
    shop.rows("people", "customer,time,email,email_consent,wants_news,csm,first_name,zone", rows)
    shop.rows("orders", "customer,time,order_id,amount", [(name, "2026-02-13 12:00", f"1-{name}", "40") for name in names[:28]])
    shop.rows("nudges", "customer,time,nudge_id,about", [])
    plan = ["plan", "--at", "2026-03-08T04:00"]
    shop.rules(SEGMENTS.replace("CUT", "24d"), plain, POLICY)
    shop.run("2026-03-05T07:00")
    shop.bench.run("apply", "--at", "2026-03-05T08:00")
    shop.rules(SEGMENTS.replace("CUT", "21d"), WINBACK_20, POLICY)
    of_an_edit = shop.bench.run(*plan, codes=(0, 2))
    shop.rules(SEGMENTS.replace("CUT", "21d"), plain, POLICY)
    shop.bench.run("apply", "--at", "2026-03-05T09:00")
    shop.run("2026-03-06T05:00")
    shop.rows("nudges_1", "customer,time,nudge_id,about", [(name, "2026-03-06 09:30", f"1-{name}", "hello") for name in names[9:12]])
    shop.run("2026-03-06T10:00")
    shop.rules(SEGMENTS.replace("CUT", "21d"), WINBACK_20, POLICY)
    return {
        "plan_of_an_edit": of_an_edit,
        "plan_with_codes": shop.bench.run(*plan, codes=(2,)),
        "plan_with_codes_markdown": shop.bench.run(*plan, "--markdown", codes=(2,)),
    }


def stale(shop, file):
    """A plan is refused when the files or the data say something else by now, and not when only a comment came."""
    apply = ["apply", file, "--at", "2026-03-07T12:00"]
    shop.rules(*MOVED_LINE)
    said = shop.bench.fail(*apply)
    check("the files changed since the plan was made: rules/rules.yaml" in said, "a plan of other files is refused")
    shop.rules(*PLANNED, "# a word\n" + RUNNING[2].replace("hands_off", "hands_off_too").replace("mara", "nobody"))
    check("the files changed" in shop.bench.fail(*apply), "a document more is a change")
    shop.rules("# a word\n" + PLANNED[0], *PLANNED[1:])
    state = shop.bench.state / "segue.db"
    before = state.read_bytes()
    shop.rows("orders_2", "customer,time,order_id,amount", [("anna", "2026-03-06 12:00", "2-anna", "10")])
    shop.run("2026-03-06T13:00")
    said = shop.bench.fail(*apply)
    check("1 would no longer receive\n      anna@post.example" in said, "a plan of other data is refused, and names who it is about")
    (shop.bench.state / "inbox/orders_2.csv").unlink()
    for rest in shop.bench.state.glob("segue.db-*"):
        rest.unlink()
    state.write_bytes(before)


# Gates that refuse nothing: they note what was drawn, waited for or ended.
NOTES = {"experiment", "start", "wait", "branch", "end", "outcome", "goal or exit", "unknown"}


def every_gate_has_a_screen(screens):
    """A gate that is added needs a customer here whom it stops, or holds back."""
    source = (Path(__file__).resolve().parents[2] / "src/domain/decision.cc").read_text()
    gates = set(re.findall(r'return "([^"]+)";', source.split("GateName(Gate gate)")[1].split("\n}\n")[0])) - NOTES
    check(len(gates) > 15, f"the gates are read from src/domain/decision.cc: {len(gates)}")
    for gate in sorted(gates):
        shown = [name for name, text in screens.items() if f"✗ {gate}" in text or f"✓ {gate}: held" in text]
        check(shown, f"the gate `{gate}` stops somebody in {', '.join(shown) or 'no screen'}")


def main():
    screens = {**refusals(), **not_allowed(), **outcomes(), **plans(), **full_plan()}
    every_gate_has_a_screen(screens)
    for name, text in screens.items():
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("UPDATE_GOLDEN") == "1":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        same = path.exists() and path.read_text() == text
        check(same, f"tests/golden/screens/{name}.txt" + ("" if same else f" (UPDATE_GOLDEN=1 writes it anew) is now:\n{text}"))


if __name__ == "__main__":
    main()
