"""The tools of those who operate: backtest, pause and resume, send-test, through the real program."""

import json
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
    check(len(list((bench.state / "outgoing/mail").iterdir())) == 1, "what is refused sends nothing")


if __name__ == "__main__":
    backtest()
    pause()
    send_test()
