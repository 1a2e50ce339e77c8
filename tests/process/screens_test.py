"""The screens that a team reads: plan, apply, and explain for the refusal of every gate, as golden files.

UPDATE_GOLDEN=1 writes them anew. The shop below is small enough to check by hand: one customer for each gate.
"""

import os
import sqlite3
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
}
STEPS = {
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
    on = "on: {event: nudged, where: about is '" + name + "'}\n"
    return f"playbook: {name}\npurpose: {purpose}\n{head}{on}do:\n{STEPS.get(name, '  - send: place' + chr(10))}{tail}"


def person(name, *, address=None, consent="yes", news="", csm="", first=""):
    return [name, "2026-01-01 00:00", f"{name}@post.example" if address is None else address, consent, news, csm, first]


PEOPLE = {
    "policy": person("policy", csm="mara"),
    "topic_consent": person("topic_consent", news="no"),
    "consent": person("consent", consent="no"),
    "address": person("address", address=""),
    "same_address": person("same_address", address="family@post.example"),
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
    every = [playbook(name) for name in GATES] + [OTHERS, POLICY, model]
    shop.rules(*every)
    names = [*GATES, "per_day_first", "same_address_first"]
    family = person("same_address_first", address="family@post.example")
    shop.rows("people", "customer,time,email,email_consent,wants_news,csm,first_name",
              [PEOPLE.get(name) or (family if name == "same_address_first" else person(name)) for name in names])
    shop.rows("orders", "customer,time,order_id,amount", [])
    shop.rows("nudges", "customer,time,nudge_id,about", [])
    shop.run("2026-03-09T09:00")
    base = sqlite3.connect(shop.bench.state / "segue.db")
    base.execute("INSERT INTO suppression(who, reason, at) VALUES ('suppression@post.example', 'bounced', 0)")
    base.commit()
    base.close()
    first = [(name, "2026-03-09 09:30", f"1-{name}", name) for name in names if name not in ("data_age", "per_day", "same_address")]
    first = [(who, time, key, about.removesuffix("_first")) for who, time, key, about in first]
    second = [(name, "2026-03-09 10:30", f"2-{name}", name) for name in ("reenter", "open_task", "per_day", "same_address")]
    header = "customer,time,nudge_id,about"
    shop.rows("nudges_1", header, first)
    shop.run("2026-03-09T10:00")
    shop.rows("nudges_2", header, second)
    shop.run("2026-03-09T11:00")
    shop.rules(*[playbook(name, stale="status: paused\n") for name in GATES], OTHERS, POLICY, model)
    shop.run("2026-03-09T12:00")
    shop.rules(*every)
    shop.run("2026-03-11T10:00")
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


# What runs, what is planned in its place, and a third that nobody planned.
RUNNING = [SEGMENTS.replace("CUT", "21d"), WINBACK.replace("TEMPLATE", "place"), POLICY]
PLANNED = [
    RUNNING[0],
    WINBACK.replace("TEMPLATE", "news").replace("7d)\n", "7d) and customer.csm is not 'otto'\n"),
    POLICY.replace("deny: [send]\n", "deny: [send]\nexcept: [win_back]\n"),
]
MOVED_LINE = [SEGMENTS.replace("CUT", "18d"), *RUNNING[1:]]


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


def main():
    for name, text in {**refusals(), **not_allowed(), **plans()}.items():
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("UPDATE_GOLDEN") == "1":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        same = path.exists() and path.read_text() == text
        check(same, f"tests/golden/screens/{name}.txt" + ("" if same else f" (UPDATE_GOLDEN=1 writes it anew) is now:\n{text}"))


if __name__ == "__main__":
    main()
