"""Playbooks: pending starts, gates, runs, steps and promised sends."""

from collections import Counter
from datetime import timedelta

from expressions import Ask, Scope, read
from models import BEHAVIOUR, TIME, refuse
from texts import Text
from times import MINUTE, local, parse_clock, parse_duration, parse_weekdays, wall, zone_of

PLAYBOOK_KEYS = {"playbook", "title", "tags", "purpose", "topic", "status", "priority", "on", "when", "do", "exit", "goal", "limits"}
STEP_KEYS = {"id", "send", "task", "set", "track", "wait", "until", "met", "unmet", "if", "then", "else", "stop"}
TASK_KEYS = {"title", "for", "due", "priority", "note"}
TEMPLATE_TEXTS = ("subject", "preheader", "reply_to", "body")


class Step:
    """One instruction.  Steps of `then` and `else` stand in the same list; `if` and `jump` say where to go on."""

    def __init__(self, what, name, document):
        self.what, self.name, self.document = what, name, document
        self.target = None
        self.condition = None
        self.texts = []


class Send:
    """One promise.  The label is the template, the task's title, the fields that are set, or the track."""

    __slots__ = ("kind", "run", "playbook", "customer", "step", "label", "created", "not_before", "address", "state", "sent")

    def __init__(self, kind, run, step, label, created, not_before, address):
        self.kind, self.run, self.playbook, self.customer, self.step = kind, run, run.playbook, run.customer, step
        self.label, self.created, self.not_before, self.address = label, created, not_before, address
        self.state, self.sent = "promised", None


class Run:
    __slots__ = ("playbook", "customer", "start", "place", "due", "goal_noted", "goal_was", "end")

    def __init__(self, playbook, customer, start):
        self.playbook, self.customer, self.start = playbook, customer, start
        self.place, self.due, self.end = 0, None, None
        self.goal_noted = self.goal_was = False


class Pending:
    __slots__ = ("playbook", "move", "due")

    def __init__(self, playbook, move, due):
        self.playbook, self.move, self.due = playbook, move, due

    def order(self):
        return -self.playbook.priority, self.playbook.id, self.move.at, self.move.customer.encode()


class Playbook:
    def __init__(self, document, workspace, model_ids):
        refuse(document["playbook"], document, PLAYBOOK_KEYS)
        self.id, self.document, self.workspace, self.model_ids = document["playbook"], document, workspace, model_ids
        self.purpose, self.topic = document["purpose"], document.get("topic")
        self.status = document.get("status", "live")
        if self.status == "paused":
            raise NotImplementedError(f"{self.id}: paused")
        self.priority = int(document.get("priority", "50"))
        self.in_run = Scope(workspace, models=model_ids, in_run=True)
        at_start = Scope(workspace, models=model_ids)
        self.read_trigger(document["on"])
        when = document.get("when", [])
        self.when = [read(text, at_start) for text in ([when] if isinstance(when, str) else when)]
        self.exit = read(document["exit"], self.in_run) if "exit" in document else None
        self.read_goal(document.get("goal"))
        self.reenter = document.get("limits", {}).get("reenter", "never")
        self.steps = []
        self.read_steps(document["do"], "")

    def read_trigger(self, on):
        refuse(f"{self.id}.on", on, {"model", "from", "to", "for"})
        as_set = lambda value: None if value is None else set([value] if isinstance(value, str) else value)
        self.model, self.from_, self.to = on["model"], as_set(on.get("from")), as_set(on.get("to"))
        self.stay = parse_duration(on.get("for", "0d"))

    def read_goal(self, goal):
        self.goal = goal
        if not goal:
            return
        refuse(f"{self.id}.goal", goal, {"event", "where", "when", "value", "within", "ends_run", "expect"})
        self.within = parse_duration(goal["within"])
        self.ends_run = goal.get("ends_run", "yes") == "yes"
        self.goal_when = read(goal["when"], self.in_run) if "when" in goal else None
        self.goal_where = None
        if "where" in goal:
            self.goal_where = read(goal["where"], Scope(self.workspace, event=goal["event"]))

    def read_steps(self, documents, prefix):
        for number, document in enumerate(documents):
            refuse(f"{self.id}.do", document, STEP_KEYS)
            name = document.get("id", f"{prefix}{number}")
            what = next(key for key in ("send", "task", "set", "track", "wait", "if", "stop") if key in document)
            step = Step(what, name, document)
            self.steps.append(step)
            if what == "if":
                self.read_branches(step, f"{prefix}{number}")
            elif what == "wait" and "until" in document:
                step.condition = read(document["until"], self.in_run)
            else:
                step.texts = [Text(text, Scope(self.workspace, models=self.model_ids)) for text in self.texts_of(what, document)]

    def read_branches(self, step, name):
        step.condition = read(step.document["if"], self.in_run)
        self.read_steps(step.document["then"], name + ".then.")
        jump = Step("jump", None, None)
        self.steps.append(jump)
        step.target = len(self.steps)
        self.read_steps(step.document.get("else", []), name + ".else.")
        jump.target = len(self.steps)

    def texts_of(self, what, document):
        if what == "send":
            template = self.workspace.by_kind["template"][document["send"]]
            return [template[key] for key in TEMPLATE_TEXTS if key in template]
        if what == "task":
            refuse(f"{self.id}.task", document["task"], TASK_KEYS)
            return [document["task"][key] for key in ("title", "note") if key in document["task"]]
        return list(document["set"].values()) if what == "set" else []

    def fits(self, move):
        """Does this move start the playbook?"""
        word = lambda segment: "none" if segment is None else segment
        return (move.model == self.model and move.cause in (BEHAVIOUR, TIME)
                and (self.from_ is None or word(move.before) in self.from_)
                and (self.to is None or word(move.to) in self.to))


class Playbooks:
    """All playbooks, with their pending starts, their runs, what they promised and what was refused."""

    def __init__(self, world, model_ids):
        self.world, self.workspace = world, world.workspace
        documents = world.workspace.by_kind["playbook"].values()
        self.playbooks = [Playbook(document, world.workspace, model_ids) for document in documents]
        self.playbooks = [playbook for playbook in self.playbooks if playbook.status != "draft"]
        self.pending = {}                 # (playbook id, customer) → Pending
        self.active, self.runs = [], []   # in the order in which they started
        self.lanes = set()                # (playbook id, customer) of active runs
        self.last_start = {}              # (playbook id, customer) → start of the last run
        self.sends, self.open_sends = [], []
        self.by_address = {}              # (template, address) → promised messages
        self.refusals = []                # (now, playbook, customer, step or "" at the start, reason)
        self.ends = Counter()
        self.consent, self.topics = world.workspace.consent_traits()
        self.email_trait = world.workspace.trait_of_key("email", "customer.email")
        self.zone_trait = world.workspace.trait_of_key("timezone", "customer.timezone")
        self.quiet = world.workspace.quiet_hours()

    # one cycle

    def cycle(self, moves, now):
        self.hear(moves)
        for run in [run for run in self.active if run.end is None]:
            self.goal_or_exit(run, now)
        self.goal_or_exit_of_done(now)
        for run in [run for run in self.active if run.end is None]:
            if self.wake(run, now):
                self.go_on(run, now)
        due = sorted((pending for pending in self.pending.values() if pending.due <= now), key=Pending.order)
        for pending in due:
            self.start(pending, now)
        self.active = [run for run in self.active if run.end is None]

    def hear(self, moves):
        """Each settled move makes older pending starts of its customer and model void, and new ones where it fits."""
        for move in moves:
            for playbook in self.playbooks:
                if playbook.model == move.model:
                    self.pending.pop((playbook.id, move.customer), None)
                    if playbook.fits(move):
                        self.pending[playbook.id, move.customer] = Pending(playbook, move, move.at + playbook.stay)

    # asking

    def ask(self, customer, now, run_start=None):
        return Ask(self.world.store.view(customer, now), now, customer, models=self.world.models, run_start=run_start)

    def trait(self, customer, name, now):
        return self.world.store.view(customer, now).traits.get(name)

    def goal_reached(self, run, now):
        playbook, goal = run.playbook, run.playbook.goal
        if playbook.goal_when:
            if now > run.start + playbook.within:
                return False
            was, run.goal_was = run.goal_was, playbook.goal_when.true(self.ask(run.customer, now, run.start))
            return run.goal_was and not was
        records, _ = self.world.store.view(run.customer, now).events(goal["event"])
        for record in records:
            if run.start < record.time <= min(now, run.start + playbook.within):
                ask = self.ask(run.customer, now, run.start)
                ask.event = record
                if playbook.goal_where is None or playbook.goal_where.true(ask):
                    return True
        return False

    def goal_or_exit(self, run, now):
        """True when the run ends here."""
        how = self.what_ends(run, now)
        if how is None:
            return False
        self.drop_messages(run)
        return self.end(run, how)

    def what_ends(self, run, now):
        playbook = run.playbook
        if playbook.goal and not run.goal_noted and self.goal_reached(run, now):
            run.goal_noted = True
            if playbook.ends_run:
                return "goal"
        return "exit" if playbook.exit and playbook.exit.true(self.ask(run.customer, now, run.start)) else None

    def goal_or_exit_of_done(self, now):
        """A run whose steps are all done, while a message of it waits."""
        waiting = {id(send.run): send.run for send in self.open_sends if send.kind == "send" and send.run.end == "done"}
        for run in waiting.values():
            if self.what_ends(run, now):
                self.drop_messages(run)

    def drop_messages(self, run):
        for send in self.open_sends:
            if send.run is run and send.kind == "send":
                send.state = "dropped"
        self.open_sends = [send for send in self.open_sends if send.state == "promised"]

    def end(self, run, how):
        run.end = how
        self.lanes.discard((run.playbook.id, run.customer))
        self.ends[run.playbook.id, how] += 1
        return True

    def refused(self, now, playbook, customer, where, reason):
        self.refusals.append((now, playbook.id, customer, where, reason))

    # starts

    def start(self, pending, now):
        playbook, customer = pending.playbook, pending.move.customer
        person = self.world.models[playbook.model].people[customer]
        if person.result.answer != pending.move.to:
            return                                                       # the latest answer differs: it waits
        del self.pending[playbook.id, customer]
        reason = self.start_gate(playbook, customer, now)
        if reason:
            self.refused(now, playbook, customer, "", reason)
            return
        run = Run(playbook, customer, now)
        if playbook.goal and playbook.goal_when:
            run.goal_was = playbook.goal_when.true(self.ask(customer, now, now))
        self.last_start[playbook.id, customer] = now
        self.active.append(run)
        self.lanes.add((playbook.id, customer))
        self.runs.append(run)
        self.go_on(run, now)

    def start_gate(self, playbook, customer, now):
        """The reason of the first gate that refuses.  The data are never too old: every source is read in every cycle."""
        if not all(line.true(self.ask(customer, now)) for line in playbook.when):
            return "when_false"
        last = self.last_start.get((playbook.id, customer))
        active = (playbook.id, customer) in self.lanes
        if playbook.reenter == "never" and last is not None:
            return "reenter"
        if playbook.reenter.startswith("after"):
            if active or (last is not None and now - last < parse_duration(playbook.reenter.split()[1])):
                return "reenter"
        return "lane_busy" if active else None

    # steps

    def go_on(self, run, now):
        """Takes steps until one waits or the run ends."""
        steps = run.playbook.steps
        while run.end is None:
            if run.place >= len(steps):
                self.end(run, "done")
                return
            step = steps[run.place]
            if step.what == "wait":
                run.due = self.wait_end(step, run, now)
                if not self.wake(run, now):
                    return
                continue
            run.place += 1
            if step.what == "if":
                if not step.condition.true(self.ask(run.customer, now, run.start)):
                    run.place = step.target
            elif step.what == "jump":
                run.place = step.target
            elif step.what == "stop":
                self.end(run, "stopped")
            else:
                self.promise(run, step, now)

    def wait_end(self, step, run, now):
        wait = step.document["wait"]
        if isinstance(wait, str):
            return now + parse_duration(wait)
        zone, clock = self.zone_of_customer(run.customer, now), parse_clock(wait["until_local"])
        days = parse_weekdays(wait["on"]) if "on" in wait else set(range(7))
        day = local(zone, now).date()
        while True:
            moment = wall(zone, day, clock)
            if moment >= now + MINUTE and day.weekday() in days:
                return moment
            day += timedelta(days=1)

    def wake(self, run, now):
        """A waiting run: goes on when its time has come or its `until` is true.  True when the wait is over."""
        step = run.playbook.steps[run.place]
        true = step.condition is not None and step.condition.true(self.ask(run.customer, now, run.start))
        if not true and now < run.due:
            return False
        run.place += 1
        run.due = None
        word = step.document.get("met", "next") if true else "next"
        if not true and step.condition is not None:
            word = step.document.get("unmet", "next")
        if word == "stop":
            self.end(run, "stopped")
        return True

    def promise(self, run, step, now):
        """A send, task, set or track: its gates, then the promise."""
        reason, address = None, ""
        if step.what in ("send", "task"):
            if self.goal_or_exit(run, now):
                return
            address, reason = self.to_whom(run, step, now)
        if reason is None and not all(text.renders(self.ask(run.customer, now, run.start)) for text in step.texts):
            reason = "render_error"
        if reason is None and run.playbook.status == "shadow":
            reason = "shadow"
        if reason:
            self.refused(now, run.playbook, run.customer, step.name, reason)
            return
        not_before = self.after_quiet(run.customer, self.channel(step), now) if step.what == "send" else now
        label = self.label(run, step, now)
        send = Send(step.what, run, step.name, label, now, not_before, address)
        self.sends.append(send)
        self.open_sends.append(send)
        if step.what == "send":
            self.by_address.setdefault((label, address), []).append(send)

    def label(self, run, step, now):
        if step.what in ("send", "track"):
            return step.document[step.what]
        ask = self.ask(run.customer, now, run.start)
        if step.what == "task":
            return step.texts[0].shown(ask)
        return ", ".join(f"{field}={text.shown(ask)}" for field, text in zip(step.document["set"], step.texts))

    def channel(self, step):
        return self.workspace.by_kind["template"][step.document["send"]]["channel"]

    def to_whom(self, run, step, now):
        """(address, None) or (None, the reason why nobody gets it)."""
        if step.what == "task":
            who = step.document["task"]["for"]
            assignee = self.workspace.shop["assignees"].get(who)
            address = self.trait(run.customer, who.removeprefix("customer."), now) if assignee is None else assignee
            return (address, None) if address is not None else (None, "no_address")
        reason = self.no_consent(run, self.channel(step), now)
        if reason:
            return None, reason
        address = self.trait(run.customer, self.email_trait, now) if self.channel(step) == "email" else run.customer
        if address is None:
            return None, "no_address"
        if self.workspace.allow_only and address not in self.workspace.allow_only:
            return None, "not_allowed"
        for earlier in self.by_address.get((step.document["send"], address), []):
            if earlier.state == "promised" or (earlier.state == "accepted" and earlier.sent > now - self.workspace.stale_after):
                return None, "same_address"
        return address, None

    def no_consent(self, run, channel, now):
        playbook = run.playbook
        if playbook.purpose == "service":
            return None
        if playbook.topic in self.topics and self.trait(run.customer, self.topics[playbook.topic], now) is False:
            return "no_topic_consent"
        if channel in self.consent and self.trait(run.customer, self.consent[channel], now) is not True:
            return "no_consent"
        return None

    def zone_of_customer(self, customer, now):
        name = self.trait(customer, self.zone_trait, now)
        return (zone_of(name) if name else None) or self.workspace.zone

    def after_quiet(self, customer, channel, moment):
        """The end of the quiet hours in which this moment lies, or the moment."""
        if self.quiet is None or (self.quiet[3] is not None and channel not in self.quiet[3]):
            return moment
        begin, end, whose, _ = self.quiet
        zone = self.zone_of_customer(customer, moment) if whose == "customer" else self.workspace.zone
        shown = local(zone, moment)
        clock, day = shown.time(), shown.date()
        if begin <= end:
            return max(moment, wall(zone, day, end)) if begin <= clock < end else moment
        if clock >= begin:
            return max(moment, wall(zone, day + timedelta(days=1), end))
        return max(moment, wall(zone, day, end)) if clock < end else moment

    # the dispatcher

    def dispatch(self, now):
        """Gives what is due to the file connectors, which take everything."""
        for send in self.open_sends:
            if send.not_before > now:
                continue
            send.state, send.sent = "accepted", now
            if send.kind == "send":
                self.ask_again(send, now)
        self.open_sends = [send for send in self.open_sends if send.state == "promised"]

    def ask_again(self, send, now):
        """What is asked a second time at the moment of sending."""
        later = self.after_quiet(send.customer, "email", now)
        if now > send.not_before + self.workspace.stale_after:
            send.state = "dropped"
        elif self.no_consent(Run(send.playbook, send.customer, now), "email", now):
            send.state = "suppressed"
        elif later > now:
            send.state = "promised"
