"""The tools of those who operate: backtest, pause and resume, send-test, through the real program."""

import json
import shutil
import sqlite3
import subprocess
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
    check("name a delivery's number" in bench.fail("outbox", "show", code=64), "outbox show wants a number")
    check("did you mean pause?" in bench.fail("puase", code=64), "a verb that is mistyped is answered by the nearest")
    said = bench.fail("pause", "welcom", code=64)
    check("did you mean welcome?" in said and "playbook:welcom" in said, f"a slip is answered by what is near: {said}")
    bench.run("pause", "playbook:spring")
    check("nothing was missed" in bench.run("resume", "spring"), "what is paused goes on by its name, also where no file has it")
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


def links_that_lead_nowhere():
    """Rules that are gone because a link is broken stop what they do: nobody may have to find out later."""
    bench = somebody_in_a_list()  # With a run under way, whose version is compiled beside the files.
    (bench.folder / "rules/shared.yaml").symlink_to("/gone/shared.yaml")
    for words in (("check",), ("run",), ("plan",)):
        done = subprocess.run(bench.command(*words), env=bench.environment(), capture_output=True, text=True)
        check(done.returncode == 1 and "rules/shared.yaml: is a link that leads nowhere" in done.stdout + done.stderr,
              f"{words[0]} names a link that leads nowhere: {done.returncode} {done.stderr}")


HOOK = "connector: hook\ntype: webhook\nauth: {url: env:HOOK}\ndedupe: none\n"


def two_who_wait(rules=""):
    """A shop that ran in earnest, and whose mails to bela and cleo wait for a paused connector."""
    bench = Workbench(HOOK)
    bench.write("rules/more.yaml", rules)
    inbox = bench.state / "inbox"
    (inbox / "people.csv").write_text(PEOPLE + "anna,2026-01-01 00:00,anna@post.example,yes\n")
    bench.run("run")
    bench.run("pause", "hook")
    (inbox / "people_2.csv").write_text(PEOPLE + "".join(f"{who},2026-03-01 00:00,{who}@post.example,yes\n" for who in ("bela", "cleo")))
    (inbox / "orders_2.csv").write_text(ORDERS + "".join(f"{who},{now()},o-{who},10\n" for who in ("bela", "cleo")))
    bench.run("run")
    check(json.loads(bench.run("outbox", "--json", "--in", "waiting"))[0]["customer"] == "cleo", "two mails wait")
    return bench


def empty_names():
    bench = two_who_wait()
    for words in (("pause", "playbook:"), ("pause", "connector:"), ("outbox", "drop", "--in", "waiting", "--playbook", "", "--note", "x"),
                  ("outbox", "drop", "--in", "waiting", "--customer", "", "--note", "x")):
        bench.fail(*words, code=64)
    check("2 waiting" in bench.run("outbox"), "an empty name never means all")


def codes_that_are_dropped():
    bench = two_who_wait(OFFER)
    reserved = lambda: json.loads(bench.run("offers", "--json"))[0]["reserved"]
    check(reserved() == 2, "two codes are reserved for what waits")
    bench.run("resume", "hook", "--drop")
    check(reserved() == 0, "what is dropped at a resume gives its codes back")


def orders_of(bench, number, who):
    inbox = bench.state / "inbox"
    (inbox / f"people_{number}.csv").write_text(PEOPLE + "".join(f"{one},2026-03-01 00:00,{one}@post.example,yes\n" for one in who))
    (inbox / f"orders_{number}.csv").write_text(ORDERS + "".join(f"{one},{now()},o-{one},10\n" for one in who))


def held_by_a_brake():
    bench = shop(["anna"])
    bench.run("run")
    bench.run("pause", "box")
    orders_of(bench, 2, ["bela"])
    bench.run("run")
    bench.run("resume", "box", "--send")
    segue = bench.folder / "config/segue.yaml"
    segue.write_text(segue.read_text() + "safety: {max_sends_per_run: 1}\n")
    orders_of(bench, 3, ["cleo", "dora"])
    said = bench.fail("run", code=3)
    mails = list((bench.state / "outgoing/mail").iterdir())
    check(len(mails) == 1 and "1 call was made" in said, f"what was promised before a held cycle goes out: {said}")
    check("max_sends_per_run" in bench.fail("run", code=3), "the cycle stays held")
    bench.run("run", "--past-brake")
    check(len(list((bench.state / "outgoing/mail").iterdir())) == 3, "and let pass it does all of its work")


def marks():
    bench = shop(["anna"])
    mark = bench.state / "segue.db.mark"
    bench.run("run", "--at", "2026-03-09T09:00")
    bench.run("adopt", "--note", "to be sure")
    check(not mark.exists(), "adopt leaves no mark of work beside a state that never worked")
    bench.run("run")
    check(mark.exists(), "a run in earnest does")
    copy = bench.folder / "copy"
    copy.mkdir()
    shutil.copy(bench.state / "segue.db", copy)
    bench.state = copy
    bench.fail("run", code=4)
    check(not (copy / "segue.db.mark").exists(), "and a copy that is refused does not")
    bench.run("adopt", "--note", "moved")
    check((copy / "segue.db.mark").exists(), "until it is adopted")
    bench.run("run")


def no_secret():
    bench = shop(["anna"])
    for verb in ("run", "serve"):
        environment = {name: value for name, value in bench.environment().items() if name != "SIGN"}
        done = subprocess.run(bench.command(verb), env=environment, capture_output=True, text=True)
        check(done.returncode == 4 and "SIGN is not set" in done.stderr, f"a secret that is missing is named by {verb}: {done.stderr}")
        check(not (bench.state / "segue.db").exists(), "and no state is begun without it")
        done = subprocess.run(bench.command(verb), env=bench.environment(SIGN=" \n"), capture_output=True, text=True)
        check(done.returncode == 4 and "env:SIGN is empty" in done.stderr, f"one that is empty is refused by {verb}: {done.stderr}")


def applied_for_another_version():
    """What was applied may be an error to a newer program: it says so, and other files can be applied."""
    bench = shop(["anna"])
    bench.run("run")
    bench.run("apply")
    with sqlite3.connect(bench.state / "segue.db") as db:
        db.execute("UPDATE release_file SET text = replace(text, 'of: customer', 'of: everybody')")
    said = bench.fail("run")
    check("of: everybody" in said and "in the files that were applied on" in said and "segue apply" in said, f"run says whose errors they are: {said}")
    bench.write("rules/rules.yaml", (bench.folder / "rules/rules.yaml").read_text().replace("purpose: marketing", "purpose: marketing\npriority: 60"))
    bench.run("plan", "--backfill", "welcome", codes=(0, 2))
    said = bench.run("apply", "--backfill", "welcome")
    check("1 would newly receive" in said, f"other files can be applied: {said}")
    said = bench.run("run")
    check("1 promised" in said, f"and run: {said}")


def stored_names(bench):
    with sqlite3.connect(bench.state / "segue.db") as db:
        return [row[0] for table in ("ledger_kind", "ledger_trait_name") for row in db.execute(f"SELECT name FROM {table} ORDER BY id")]


def every_verb_of_the_night(bench):
    """What an operator may need before the files are as they should be."""
    check("connector hook" in bench.run("pause"), "what is paused can be listed")
    check("is paused" in bench.run("pause", "welcome"), "a playbook can be stopped")
    check("goes on" in bench.run("resume", "welcome", "--send"), "and let go on")
    check("2 waiting" in bench.run("outbox"), "the outbox can be looked at")
    check("dropped" in bench.run("outbox", "drop", "1", "--note", "by phone"), "and changed")
    check("cleo@post.example" in bench.run("customer", "export", "cleo"), "all that is known about somebody can be exported")
    check(bench.doctor()["healthy"], "the state can be examined")
    check("nothing was changed" in bench.run("adopt", "--note", "just to be sure"), "adopt knows its state")
    check(json.loads(bench.run("customer", "erase", "bela", "--note", "asked", "--json"))["erased"], "somebody can be forgotten")
    bench.run("resume", "hook", "--drop")
    check(json.loads(bench.run("outbox", "--json", "--in", "waiting")) == [], "what waits can be dropped")


def refused_before_the_first_run():
    """A word that is wrong leaves no state behind that looks as if something had run."""
    bench = shop(["anna"])
    state = bench.state / "segue.db"
    for words, code in ((("apply", "--backfill", "nobody"), 64), (("apply", "/etc/passwd"), 64), (("offers", "load", "none", "codes"), 64),
                        (("approve", "/etc/passwd"), 64), (("replay", "--every", "0h"), 64), (("replay", "--trace", "/proc/nothing"), 4)):
        bench.fail(*words, code=code)
        check(not state.exists(), f"{' '.join(words)} leaves no state")
    bench.state = bench.folder / "config/segue.yaml"
    check("cannot make the folder" in bench.fail("run", code=4), "a folder that cannot be made is named")


def replay_beside_a_state():
    bench = shop(["anna"])
    bench.run("replay", "--quiet")
    check("or remove that file" in bench.fail("replay", code=64), "a replay begins anew")
    bench.state = bench.folder / "real"
    bench.run("run")
    said = bench.fail("replay", code=64)
    check("works in earnest" in said and "remove" not in said, f"nobody is told to remove a state that works in earnest: {said}")


def files_with_an_error():
    bench = two_who_wait()
    bench.write("rules/draft.yaml", "model: half\nof: [\n")
    bench.fail("run")
    every_verb_of_the_night(bench)


def files_that_are_not_done():
    bench = two_who_wait()
    names = stored_names(bench)
    segue = bench.folder / "config/segue.yaml"
    text = segue.read_text()
    segue.write_text(text.replace("events:", "events:\n  order_praised: {stars: number}").replace("email: text", "mail: text, email: number")
                     .replace("email: customer.email}", "email: customer.mail}"))
    bench.run("check")
    every_verb_of_the_night(bench)
    check(stored_names(bench) == names, f"files that never ran leave nothing in the state: {stored_names(bench)}")


def adopted_without_a_connector():
    """A draft leaves out the connector that two mails wait for: who comes back to it must find them in doubt."""
    for draft in (True, False):
        bench = two_who_wait()
        bench.write("config/connectors.yaml", "connector: box\ntype: file\npath: outgoing/mail/\n")
        segue = bench.folder / "config/segue.yaml"
        segue.write_text(segue.read_text().replace("email: hook", "email: box"))
        if not draft:
            bench.run("run")
        copy = bench.folder / "copy"
        shutil.copytree(bench.state, copy)
        bench.state = copy
        bench.fail("run", code=4)
        check("2 waiting deliveries are unknown now" in bench.run("adopt", "--note", "moved"), f"both are in doubt, in a draft: {draft}")


def no_workspace():
    bench = shop(["anna"])
    bench.folder = bench.folder / "elsewhere"
    for words in (("run",), ("plan",), ("explain", "anna")):
        said = bench.fail(*words)
        check(f"there is no folder {bench.folder}" in said and "--workspace" in said and "SG006" not in said, f"{words[0]} says that the folder is not there: {said}")
    bench.folder.mkdir()
    check("holds no workspace" in bench.fail("run") and not (bench.state / "segue.db").exists(), "or that it holds nothing")


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
    links_that_lead_nowhere()
    empty_names()
    codes_that_are_dropped()
    held_by_a_brake()
    no_secret()
    marks()
    applied_for_another_version()
    refused_before_the_first_run()
    replay_beside_a_state()
    files_with_an_error()
    files_that_are_not_done()
    adopted_without_a_connector()
    no_workspace()
    erase_from_a_list()
