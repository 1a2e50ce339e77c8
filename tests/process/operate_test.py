"""The tools of those who operate: backtest, pause and resume, send-test, through the real program."""

import json
import sqlite3
from datetime import datetime, timezone

from harness import Workbench, check

CONNECTOR = "connector: box\ntype: file\npath: outgoing/mail/\n"
ORDERS = "customer,time,order_id,amount\n"
PEOPLE = "customer,time,email,email_consent\n"


def shop(buyers):
    bench = Workbench(CONNECTOR)
    inbox = bench.state / "inbox"
    (inbox / "people.csv").write_text(PEOPLE + "".join(f"{who},2026-01-01 00:00,{who}@post.example,yes\n" for who in buyers))
    (inbox / "orders.csv").write_text(ORDERS + "".join(f"{who},2026-0{1 + n % 3}-0{1 + n} 10:00,o{n},10\n" for n, who in enumerate(buyers)))
    return bench


def backtest():
    bench = shop(["anna", "bela", "cleo"])
    told = json.loads(bench.run("backtest", "--json"))
    check([one["customer"] for one in told["sends"]] == ["anna", "bela", "cleo"], "backtest names who would have been written to")
    check(told["playbooks"][0]["by_month"] == {"2026-01": 1, "2026-02": 1, "2026-03": 1}, "and how many by month")
    check(not (bench.state / "segue.db").exists() and not (bench.state / "outgoing").exists(), "backtest leaves nothing behind")
    check("no time to live through" in bench.fail("backtest", "--from", "2026-03-01", "--to", "2026-02-01"), "a time that ends before it begins is an error")
    text = bench.run("backtest", "welcome", "--every", "1d", "--people")
    check("2026-02" in text and "bela@post.example" in text and "nothing was sent" in text, "backtest as text")
    check("no playbook" in bench.fail("backtest", "goodbye", code=64), "an unknown playbook is an error")
    bench.run("replay", "--quiet")
    check(len(list((bench.state / "outgoing/mail").iterdir())) == 3, "a replay of the same files writes the same three")


def pause():
    bench = shop(["anna"])
    mail = bench.state / "outgoing/mail"
    bench.run("run")
    bench.run("pause", "welcome", "--note", "a typo in the subject")
    check("playbook welcome" in bench.run("pause"), "what is paused is listed")
    check("paused already" in bench.run("pause", "welcome"), "a second pause changes nothing")
    (bench.state / "inbox/people_2.csv").write_text(PEOPLE + "bela,2026-03-01 00:00,bela@post.example,yes\n")
    (bench.state / "inbox/orders_2.csv").write_text(ORDERS + f"bela,{now()},o7,10\n")
    bench.run("run")
    check(not mail.exists(), "nobody is started by a paused playbook")
    check("by hand since" in bench.run("explain", "bela", "welcome"), "explain says by whose word")
    said = bench.run("resume", "welcome")
    check("1 starts were refused as paused: they are not made up for" in said, f"resume counts what was missed: {said}")
    bench.run("run")
    check(not mail.exists(), "and nothing is caught up with")
    bench.run("pause", "box")
    (bench.state / "inbox/people_3.csv").write_text(PEOPLE + "cleo,2026-03-01 00:00,cleo@post.example,yes\n")
    (bench.state / "inbox/orders_3.csv").write_text(ORDERS + f"cleo,{now()},o8,10\n")
    bench.run("run")
    check(not mail.exists(), "nothing goes to a paused connector")
    said = bench.fail("resume", "box")
    check("1 promises wait" in said and "--send" in said and "--drop" in said, f"resume asks what becomes of what waits: {said}")
    bench.run("run")
    check(not mail.exists(), "until somebody said so it stays paused")
    bench.run("resume", "box", "--send")
    bench.run("run")
    check(len(list(mail.iterdir())) == 1, "with --send it goes out")
    check("is not paused" in bench.fail("resume", "box", code=64), "what is not paused cannot be resumed")
    bench.run("pause", "all")
    check("nothing was missed" in bench.run("resume", "all"), "all of it stops and goes on")


def drop_with_a_code():
    bench = shop(["anna"])
    bench.write("rules/offer.yaml", OFFER)
    bench.run("run")
    bench.run("pause", "box")
    (bench.state / "inbox/orders_2.csv").write_text(ORDERS + f"anna,{now()},o7,10\n")
    bench.run("run")
    with sqlite3.connect(bench.state / "segue.db") as db:
        codes = "SELECT count(*) FROM offer_code WHERE state <> 0"
        check(db.execute(codes).fetchone() == (1,), "a code is kept for what waits")
        check("1 of them were dropped" in bench.run("resume", "box", "--drop"), "what waits is dropped")
        check(db.execute(codes).fetchone() == (0,), "and its code is there for somebody else")


def drop_but_removals():
    bench = shop(["anna"])
    bench.run("run")
    bench.run("pause", "box")
    (bench.state / "inbox/people_2.csv").write_text(PEOPLE + "bela,2026-03-01 00:00,bela@post.example,yes\n")
    (bench.state / "inbox/orders_2.csv").write_text(ORDERS + f"bela,{now()},o7,10\n")
    bench.run("run")
    with sqlite3.connect(bench.state / "segue.db") as db:
        db.execute("UPDATE outbox SET kind = 4, payload = ?", ('{"to":"bela@post.example","name":"Slipping","values":{"action":"remove"}}',))
    said = bench.run("resume", "box", "--drop")
    check("1 of them take somebody out of a list, and still do" in said, f"who is to leave a list still leaves it: {said}")
    check("waiting" in bench.run("outbox", "show", "1"), "however much is dropped")


def retry_by_hand():
    bench = shop(["anna"])
    bench.run("run")
    bench.run("pause", "box")
    (bench.state / "inbox/people_2.csv").write_text(PEOPLE + "bela,2026-03-01 00:00,bela@post.example,yes\n")
    (bench.state / "inbox/orders_2.csv").write_text(ORDERS + f"bela,{now()},o7,10\n")
    bench.run("run")
    with sqlite3.connect(bench.state / "segue.db") as db:  # As after a lost answer of a tool that knows no keys.
        db.execute("UPDATE outbox SET state = 5, unresolved = 1, attempts = 1")
    said = bench.run("outbox", "retry", "--in", "unknown", "--note", "they say nothing came")
    check("1 of unknown outcome: what did arrive may arrive a second time" in said, f"a retry says that it may come twice: {said}")
    with sqlite3.connect(bench.state / "segue.db") as db:
        db.execute("UPDATE outbox SET state = 7, connector = 'gone'")
    said = bench.fail("outbox", "retry", "1", "--note", "once more")
    check("for connector gone, which no file names" in said, f"what nobody would send is not made to wait: {said}")


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M")


def send_test():
    bench = shop(["anna"])
    bench.run("run", "--at", "2026-03-09T09:00")
    said = bench.run("send-test", "hello", "--as", "anna", "--to", "team@shop.example")
    check("marked as a test" in said, "a test is sent")
    mails = [path.read_text() for path in (bench.state / "outgoing/mail").iterdir()]
    check(len(mails) == 1 and "Subject: [TEST] Hello" in mails[0] and "team@shop.example" in mails[0], "marked in its subject")
    check("anna@post.example" not in mails[0] and "List-Unsubscribe" not in mails[0] and "/unsubscribe/anna" not in mails[0],
          "nobody can sign the customer off from it")
    check("team@shop.example" not in bench.run("outbox"), "it stands in no outbox")
    check("never goes to a" in bench.fail("send-test", "hello", "--as", "anna", "--to", "Anna@post.example", code=64), "and never goes to a customer")
    bench.fail("send-test", "hello", "--as", "anna", "--to", "nobody", code=64)
    for spelling in ("Anna <anna@post.example>", " anna@post.example", "anna@post.example.", '"anna"@post.example', "team@shop.example, anna@post.example",
                     "team@shop.example\r\nBcc: anna@post.example", "anna@post.example (team@shop.example)"):
        bench.fail("send-test", "hello", "--as", "anna", "--to", spelling, code=64)
    check(len(list((bench.state / "outgoing/mail").iterdir())) == 1, "what is refused sends nothing")


OFFER = """\
offer: gift
perk: a present
pool: {generate: "GIFT-{{8}}"}
valid: 9d
per_customer: 1 per 90d
---
template: present
channel: email
subject: Your code {{ offer.code }}
reply_to: care@shop.example
body: "{{ offer.terms }} {{ offer.expires | date }}"
---
playbook: give
purpose: marketing
on: {event: order_placed}
offer: gift
do: [{if: ever(order_placed), then: [{send: present}]}]
limits: {reenter: never}
"""


def preview_of_an_offer():
    bench = shop(["anna"])
    bench.write("rules/offer.yaml", OFFER)
    bench.run("run", "--at", "2026-03-09T09:00")
    bench.run("send-test", "present", "--as", "anna", "--to", "Team <team@shop.example>")
    mail = next(path.read_text() for path in (bench.state / "outgoing/mail").iterdir() if "[TEST]" in path.read_text())
    check("Your code SAMPLE" in mail and "a present" in mail, "a test of an offer burns no code, and knows its terms from inside a branch")
    check("Reply-To: care@shop.example" in mail, "a test is answered where the template says")
    check("Reply-To: care@shop.example" in bench.run("render", "present", "--as", "anna", "--part", "mail"), "and so is a preview")


ADS = """\
playbook: ads
purpose: marketing
on: {event: order_placed}
do: [{audience: {add: slipping}}, {wait: 30d}]
limits: {reenter: always}
"""


def somebody_in_a_list():
    """A shop whose customer bela has been put into the ad list Slipping by a run that waits."""
    bench = shop([])
    text = (bench.folder / "config/segue.yaml").read_text()
    bench.write("config/segue.yaml", text.replace("{email: box}", "{email: box, audience: box}") + "audiences: {slipping: Slipping}\n")
    bench.write("rules/ads.yaml", ADS)
    bench.run("run")
    (bench.state / "inbox/people_2.csv").write_text(PEOPLE + "bela,2026-03-01 00:00,bela@post.example,yes\n")
    (bench.state / "inbox/orders_2.csv").write_text(ORDERS + f"bela,{now()},o7,10\n")
    bench.run("run")
    return bench


def runs_that_end():
    bench = somebody_in_a_list()
    said = bench.run("plan", "--running", "stop", codes=(0, 2))
    check("ads   1 run" not in said, "whom no edit meets, nobody stops")
    bench.write("rules/ads.yaml", ADS.replace("30d", "40d"))
    said = bench.run("plan", "--running", "stop", codes=(2,))
    check("ads   1 run would end: --running stop" in said and "1 person would leave Slipping" in said, f"a plan counts runs that end: {said}")
    check("1 would newly receive" in said and "ads: leaves Slipping" in said, "and who leaves a list receives that")
    said = bench.run("plan", "--running", "move", codes=(2,))
    check("ads   1 run would go on with the new version" in said, "a plan counts runs that move")
    told = json.loads(bench.run("plan", "--running", "stop", "--json", codes=(2,)))
    check(told["runs"] == {"ads": {"stop": 1}} and told["leaving"][0]["customer"] == "bela", "as JSON too")
    check("would receive the same" in bench.run("plan"), "who finishes is not affected")
    (bench.folder / "rules/ads.yaml").unlink()
    said = bench.run("plan", codes=(2,))
    check("ads   1 run would end: the playbook or the wait is gone" in said, "a plan counts the runs of a playbook that is taken away")
    said = bench.run("apply")
    check("ads   1 run would end" in said and "ads: leaves Slipping" in said, "apply says the same")


def backfill_of_the_same_files():
    bench = shop(["anna"])
    bench.run("run")
    check("1 would newly receive" in bench.run("plan", "--backfill", "welcome", codes=(2,)), "a backfill of the same files is compared")
    said = bench.run("apply", "--backfill", "welcome")
    check("1 would newly receive" in said and "the same" not in said, f"and apply names who receives: {said}")


def lost_state():
    bench = shop(["anna"])
    bench.run("run")
    state, mark = bench.state / "segue.db", bench.state / "segue.db.mark"
    for empty in (False, True):
        for more in bench.state.glob("segue.db*"):
            if more != mark:
                more.unlink()
        if empty:
            state.touch()
        for words in (("run",), ("plan",), ("doctor",), ("outbox",), ("check", "--with-data"), ("apply",), ("serve",)):
            said = bench.fail(*words, code=4)
            check("missing or empty" in said and "backup" in said, f"a state that is gone is told by {words[0]}, empty: {empty}")
        check(state.exists() == empty, "and no new one is made for it")
    state.unlink()
    mark.unlink()
    bench.run("run")


def erase_from_a_list():
    bench = somebody_in_a_list()
    said = bench.run("customer", "erase", "bela", "--note", "asked for it", codes=(1,))
    check("a promise waits that takes them out of the list Slipping" in said and "segue run" in said, f"an erasure says what still names them: {said}")


if __name__ == "__main__":
    backtest()
    pause()
    send_test()
    preview_of_an_offer()
    drop_with_a_code()
    retry_by_hand()
    drop_but_removals()
    runs_that_end()
    backfill_of_the_same_files()
    lost_state()
    erase_from_a_list()
