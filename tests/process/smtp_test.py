"""Sends through a real SMTP server, and reads back what arrived."""

import email
import email.policy
import socket
from datetime import datetime, timedelta, timezone

from aiosmtpd.controller import Controller

from harness import Workbench, check, stamp, write_rows


class Post:
    """Takes every mail but those to `full@`, which it refuses for now, and to `gone@`, which it refuses for good."""

    def __init__(self):
        self.mails = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("full@"):
            return "452 4.2.2 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 taken"


def main():
    post = Post()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(post, hostname="127.0.0.1", port=port)
    controller.start()
    bench = Workbench(f'connector: smtp\ntype: smtp\nserver: "127.0.0.1:{port}"\n')
    now = datetime.now(timezone.utc)
    write_rows(bench.state / "inbox" / "orders-old.csv", ["order_id", "customer", "time", "amount"],
               [["o-first", "first", stamp(now - timedelta(days=30)), "1.00"]])
    bench.run("run")
    people = ["ann", "full", "gone", "zoe"]
    write_rows(bench.state / "inbox" / "people.csv", ["customer", "time", "email", "email_consent"],
               [[name, stamp(now), f"{name}@example.com", "no" if name == "zoe" else "yes"] for name in people])
    write_rows(bench.state / "inbox" / "orders-new.csv", ["order_id", "customer", "time", "amount"],
               [[f"n-{name}", name, stamp(now), "5.00"] for name in people])
    bench.run("run")
    controller.stop()
    counts = bench.doctor()["outbox"]
    check(len(post.mails) == 1, "one mail arrived")
    sender, to, content = post.mails[0]
    check(sender == "shop@shop.example" and to == ["ann@example.com"], "from the sender to the person, without names")
    mail = email.message_from_bytes(content, policy=email.policy.default)
    check(mail["Subject"] == "Hello" and mail["To"] == "ann@example.com", "subject and To are right")
    check("https://shop.example/unsubscribe/" in mail["List-Unsubscribe"], "one click ends it (RFC 8058)")
    check("https://shop.example/shop" in mail.get_body(("plain",)).get_content(), "the text part has the link")
    check("<a href=" in mail.get_body(("html",)).get_content(), "the HTML part has it too")
    check(counts["accepted"] == 1 and counts["refused"] == 1 and counts["waiting"] == 1,
          f"550 is refused for good, 452 is tried again, no consent promises nothing: {counts}")
    refused = bench.run("outbox", "--in", "refused", "--json")
    check("550 5.1.1 no such mailbox" in refused, f"the server's own words are kept: {refused}")


if __name__ == "__main__":
    main()
