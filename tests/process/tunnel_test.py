"""A PostgreSQL that only an SSH host can reach: the machine's ssh, an SSH server in front of a real database, and every way in which the tunnel can fail."""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Workbench, check, die_with_us, free_port
from postgres_test import PASSWORD, PASSWORD_IN_URL, Server

FILE = "connector: box\ntype: file\npath: outgoing/mail/\n"
SOURCE = """\
source: orders
type: sql
auth: {url: env:DATABASE_URL, tunnel: env:TUNNEL}
query: sql/orders.sql
every: 1h
emits: order_placed
time: placed_at
currency: GBP
dedupe: order_id
map: {customer_id: customer, order_id: order_no, amount: total}
"""
RULES = """\
model: size
every: day at 00:00
who: ever(order_placed)
segments:
  - {id: all, when: otherwise}
"""


# No sshd: installing one opens a port of the machine to the world.
BASTION = """\
import asyncio, socket, sys, warnings
warnings.simplefilter("ignore")
import asyncssh

class Gate(asyncssh.SSHServer):
    def connection_requested(self, host, port, *origin):
        with socket.socket() as probe:
            if probe.connect_ex((host, port)) != 0:
                raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Connection refused")
        return True

async def main(folder, port):
    await asyncssh.listen("127.0.0.1", int(port), server_factory=Gate, server_host_keys=[folder + "/host"],
                          authorized_client_keys=folder + "/authorized")
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


class Bastion:
    """An SSH server of an ordinary user, on a high port."""

    def __init__(self):
        self.user = "reader"
        self.folder = Path(tempfile.mkdtemp(prefix="segue-ssh-"))
        if shutil.which("ssh") is None:
            sys.exit("there is no ssh: the package openssh-client, or scripts/packages test")
        for name in ("host", "other_host", "user", "other_user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", self.folder / name], check=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a phrase", "-f", self.folder / "locked"], check=True)
        keys = [(self.folder / name).read_text() for name in ("user.pub", "locked.pub")]
        (self.folder / "authorized").write_text("".join(keys))
        self.port = free_port()
        self.process = None
        self.start()

    def start(self):
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(["/usr/bin/python3", "-c", BASTION, str(self.folder), str(self.port)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        preexec_fn=die_with_us)
        while True:  # Until it answers.
            if self.process.poll() is not None:
                sys.exit("the SSH server ended:\n" + (self.folder / "log").read_text())
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def secret(self, host="host", user="user", name=None, port=None):
        kind, key = (self.folder / f"{host}.pub").read_text().split()[:2]
        place = port or self.port
        return f"ssh://{name or self.user}@127.0.0.1:{place}\n[127.0.0.1]:{place} {kind} {key}\n{(self.folder / user).read_text()}"


def ssh_children(process):
    """The ssh processes that it started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = path.read_text().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        if name == "ssh" and int(rest.split()[1]) == process:
            found.append(int(path.parent.name))
    return found


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class Case:
    def __init__(self, server, bastion):
        self.bench = Workbench(FILE)
        self.bench.write("config/sources.yaml", SOURCE)
        self.bench.write("config/sql/orders.sql", "select o.*, '2026-01-01'::date as placed_at from orders o")
        self.bench.write("rules/rules.yaml", RULES)
        self.bastion = bastion
        self.temp = Path(tempfile.mkdtemp(prefix="segue-tmp-"))
        self.url = f"postgresql://segue:{PASSWORD_IN_URL}@127.0.0.1:{server.port}/postgres"

    def environment(self, tunnel, url=None, path=None):
        more = {"TUNNEL": tunnel, "DATABASE_URL": url or self.url, "TMPDIR": str(self.temp)}
        return self.bench.environment(**more, **({"PATH": path} if path else {}))

    def orders(self):
        return set(line.split("\t")[1] for line in self.bench.run("segments", "size", "--people").splitlines() if line)

    def says(self, tunnel, *wanted, **more):
        done = subprocess.run(self.bench.command("run", "--at", "2040-01-01"), env=self.environment(tunnel, **more), capture_output=True, text=True)
        check(done.returncode == 0, f"a tunnel that fails does not stop the cycle {done.stderr if done.returncode else ''}")
        lines = [line for line in done.stderr.splitlines() if "source orders" in line]
        check((not wanted and not lines) or (len(lines) == 1 and all(part in lines[0] for part in wanted)), f"says {wanted or 'nothing'}: {lines}")
        keys = [(self.bastion.folder / name).read_text().splitlines()[2] for name in ("user", "other_user")]
        check(not any(secret in done.stdout + done.stderr for secret in (PASSWORD, PASSWORD_IN_URL, *keys)), "and no secret")
        check(list(self.temp.iterdir()) == [], "no file with the key is left")


def reading(case, session):
    case.says(case.bastion.secret())
    check(case.orders() == {"o1"}, "rows come through the tunnel")
    session.run("insert into orders(order_no, customer, total, paid) values ('o2', 'o2', 5, true);")
    case.says(case.bastion.secret())
    check(case.orders() == {"o1", "o2"}, "each reading has a tunnel of its own")


def failing(case, server):
    bastion = case.bastion
    case.says(bastion.secret(host="other_host"), "the SSH host does not show the key", "ask who runs it")
    case.says(bastion.secret(user="other_user"), "does not let this user in with this key")
    case.says(bastion.secret(user="locked"), "a key with a passphrase")
    case.says(bastion.secret().replace("-----BEGIN OPENSSH PRIVATE KEY-----\n", "-----BEGIN OPENSSH PRIVATE KEY-----\nx"), "private key in auth.tunnel cannot be read")
    case.says(bastion.secret(port=free_port()), "the SSH tunnel cannot be opened", "Connection refused")
    for wrong in ("", "ssh://a@b", bastion.secret().split("\n", 1)[1], bastion.secret().replace("ssh://", "ssh://-oProxyCommand=x ")):
        case.says(wrong, "auth.tunnel")
    case.says(bastion.secret(), "the SSH host of auth.tunnel cannot reach the database", "Connection refused", url=case.url.replace(str(server.port), str(free_port())))
    case.says(bastion.secret(), "auth.url names the database by host and port", url=server.url())
    case.says(bastion.secret(), "password authentication failed", url=case.url.replace(PASSWORD_IN_URL, "wrong"))
    case.says(bastion.secret(), "needs the program ssh", path=str(case.temp / ".."))


def nothing_is_left(case):
    case.bench.write("config/sql/orders.sql", "select o.*, '2026-01-01'::date as placed_at, pg_sleep(600)::text as nap from orders o")
    process = subprocess.Popen(case.bench.command("run", "--at", "2040-01-02"), env=case.environment(case.bastion.secret()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               preexec_fn=die_with_us)
    while not ssh_children(process.pid) or list(case.temp.iterdir()):
        if process.poll() is not None:
            sys.exit("FAILED: the reading ended before its query did")
        time.sleep(0.005)
    child = ssh_children(process.pid)[0]
    words = Path(f"/proc/{child}/cmdline").read_bytes()
    check(b"127.0.0.1" not in words and b"KEY" not in words, f"nothing of the secret is an argument: {words}")
    process.send_signal(signal.SIGKILL)
    process.wait()
    while not gone(child):
        time.sleep(0.005)
    check(True, "a segue that is killed takes its ssh along")


def main():
    server = Server(port=free_port())
    bastion = Bastion()
    try:
        session = server.connect()
        session.run("insert into orders(order_no, customer, total, paid) values ('o1', 'o1', 5, true);")
        case = Case(server, bastion)
        reading(case, session)
        failing(case, server)
        nothing_is_left(case)
        session.close()
        bastion.stop()
        case.says(bastion.secret(), "the SSH tunnel cannot be opened", "Connection refused")
    finally:
        if bastion.process.poll() is None:
            bastion.stop()
        server.stop()
        for folder in (server.folder, bastion.folder):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
