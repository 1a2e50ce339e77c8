// A small world for playbooks: one model, a few customers, a clock that is moved by hand, and a
// host whose answers are written down by the test.  What is promised lands in a table of the same
// database, so that it rolls back with the rest.

#pragma once

#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "playbooks/playbooks.h"
#include "support/temp_dir.h"

namespace segue {

constexpr int kEmailTrait = 0, kConsentTrait = 1, kNewsTrait = 2, kCsmTrait = 3, kAdsTrait = 4;
constexpr int kOrder = 0, kVisit = 1;
constexpr SegmentIndex kNew = 0, kLoyal = 1, kAtRisk = 2;

constexpr CustomerIndex kLara = 0, kIvo = 1, kMia = 2;

inline TimePoint At(const std::string& text) {
  return ParseTime(text, Zone()).value();
}

// A condition that is whatever the test says about `name`.
inline Condition Says(const std::string& name) {
  Condition condition;
  condition.text = name;
  condition.expr.op = Op::kLeaf;
  condition.expr.leaf.name = name;
  return condition;
}

class FakeHost final : public PlaybookHost {
 public:
  struct Event {
    CustomerIndex customer;
    int event;
    TimePoint time;
  };

  Database* db = nullptr;
  std::map<std::pair<CustomerIndex, std::string>, bool> truths;
  std::vector<Event> events;  // The ledger: each one's sequence is its place from 1.
  std::map<CustomerIndex, SegmentIndex> settled, raw;
  std::vector<std::string> keys = {"lara", "ivo", "mia"};
  std::map<std::pair<CustomerIndex, int>, std::string> texts;
  std::map<std::pair<CustomerIndex, int>, bool> answers;
  std::map<CustomerIndex, std::string> zones;
  std::map<CustomerIndex, std::string> suppressed;
  std::set<CustomerIndex> dead;
  std::set<CustomerIndex> unrenderable;
  std::set<CustomerIndex> open_tasks;
  std::set<CustomerIndex> flagged;
  std::optional<TimePoint> slot;
  std::optional<Duration> data_age;
  int evaluations = 0;
  std::vector<std::string> lists;  // What ad tools were told.
  std::set<CustomerIndex> forgotten;
  std::vector<std::string> dropped;  // Of which runs nothing more is sent, and why.
  bool delivered = true;
  bool removal_waits = false;           // One that takes them out of the same list.
  std::vector<std::string> worded;      // The variant of each text.
  std::vector<std::string> coded;       // The code of each text that prints one.
  std::vector<std::string> used_codes;  // Since the last cycle.
  std::vector<std::string> superseded;  // What mirrors wrote.

  double Evaluate(const Expr& expr, CustomerIndex customer, TimePoint, std::optional<TimePoint>,
                  Trace* trace) override {
    ++evaluations;
    const auto found = truths.find({customer, expr.leaf.name});
    const bool yes = found != truths.end() && found->second;
    if (trace != nullptr) {
      trace->push_back({0, 0, yes ? "yes" : "no"});
    }
    return yes ? 1.0 : 0.0;
  }

  std::optional<TimePoint> Happened(CustomerIndex customer, int event,
                                    const std::optional<Condition>&, TimePoint after,
                                    TimePoint until) override {
    for (const Event& one : events) {
      if (one.customer == customer && one.event == event && one.time > after && one.time <= until) {
        return one.time;
      }
    }
    return std::nullopt;
  }

  std::vector<segue::Happening> Fresh(int event, const std::optional<Condition>& where,
                                      Sequence after, TimePoint since, TimePoint now) override {
    std::vector<segue::Happening> all;
    for (std::size_t i = 0; i < events.size(); ++i) {
      const Event& one = events[i];
      const bool arrived = i + 1 > after || one.time > since;
      const bool fits = !where || truths[{one.customer, where->text}];
      if (one.event == event && arrived && one.time <= now && fits) {
        all.push_back({one.customer, one.time});
      }
    }
    return all;
  }

  std::vector<std::string> FreshCodes(int, Sequence, TimePoint, TimePoint) override {
    return std::exchange(used_codes, {});
  }

  Sequence LastSequence() override { return events.size(); }

  std::vector<CustomerIndex> Stirred(Sequence after, TimePoint since, TimePoint now) override {
    std::set<CustomerIndex> all;
    for (std::size_t i = 0; i < events.size(); ++i) {
      if ((i + 1 > after || events[i].time > since) && events[i].time <= now) {
        all.insert(events[i].customer);
      }
    }
    return {all.begin(), all.end()};
  }

  std::vector<CustomerIndex> Holding(const Condition& condition, TimePoint) override {
    std::vector<CustomerIndex> all;
    for (CustomerIndex customer = 0; customer < keys.size(); ++customer) {
      if (!dead.contains(customer) && truths[{customer, condition.text}]) {
        all.push_back(customer);
      }
    }
    return all;
  }

  std::vector<bool> FlagColumn(int, int) override {
    std::vector<bool> all;
    for (CustomerIndex customer = 0; customer < keys.size(); ++customer) {
      all.push_back(flagged.contains(customer));
    }
    return all;
  }

  std::optional<TimePoint> LastSlot(int) override { return slot; }

  SegmentIndex Settled(int, CustomerIndex customer) override { return settled.at(customer); }

  SegmentIndex RawAnswer(int, CustomerIndex customer) override { return raw.at(customer); }

  const std::string& CustomerKey(CustomerIndex customer) override { return keys.at(customer); }

  bool IsAlive(CustomerIndex customer) override { return !dead.contains(customer); }

  std::string TextTrait(CustomerIndex customer, int trait) override {
    const auto found = texts.find({customer, trait});
    return found == texts.end() ? "" : found->second;
  }

  std::optional<bool> YesNoTrait(CustomerIndex customer, int trait, std::string* since) override {
    const auto found = answers.find({customer, trait});
    if (found == answers.end()) {
      return std::nullopt;
    }
    *since = "2025-11-02 (source: app)";
    return found->second;
  }

  Zone ZoneOf(CustomerIndex customer) override {
    const auto found = zones.find(customer);
    return found == zones.end() ? Zone() : Zone::Find(found->second).value();
  }

  std::string SecretKey() override { return "secret"; }

  std::string Suppressed(CustomerIndex customer, std::string_view) override {
    const auto found = suppressed.find(customer);
    return found == suppressed.end() ? "" : found->second;
  }

  std::optional<Duration> DataAge(TimePoint) override { return data_age; }

  Result<void> Render(const Playbook&, const Step& step, CustomerIndex customer, TimePoint,
                      const Wording& wording, Payload& payload) override {
    worded.push_back(wording.variant);
    if (const auto code = wording.names.find("offer.code"); code != wording.names.end()) {
      coded.push_back(code->second + " " + wording.names.at("offer.expires"));
    }
    if (unrenderable.contains(customer)) {
      return Error("customer.first_name is missing and has no default");
    }
    payload.subject = step.send;
    return {};
  }

  bool AddressHas(std::string_view address, std::string_view template_id, TimePoint now,
                  Duration within) override {
    Statement select =
        db->Prepare("SELECT 1 FROM promised WHERE address = ? AND template = ? AND created >= ?");
    select.Bind(1, address).Bind(2, template_id).Bind(3, ToMicros(now - within));
    return select.Step();
  }

  bool HasOpenTask(std::string_view, std::string_view, CustomerIndex customer) override {
    return open_tasks.contains(customer);
  }

  std::vector<CountedMessage> Messages(CustomerIndex customer, TimePoint after) override {
    std::vector<CountedMessage> all;
    Statement select = db->Prepare(
        "SELECT not_before, purpose, template FROM promised WHERE customer = ? AND kind = "
        "'message' AND not_before > ?");
    select.Bind(1, std::int64_t{customer}).Bind(2, ToMicros(after));
    while (select.Step()) {
      all.push_back({FromMicros(select.Int(0)), select.Text(1),
                     select.Text(2) == "popup" ? "in_app" : "email"});
    }
    return all;
  }

  void Supersede(const Delivery& delivery, TimePoint) override {
    superseded.push_back(delivery.step + " " + delivery.payload.values.begin()->second);
  }

  bool Enqueue(const Delivery& delivery) override {
    Statement insert = db->Prepare(
        "INSERT INTO promised(key, customer, playbook, run, step, kind, connector, purpose, "
        "address, template, assignee, "
        "name, created, not_before, stale_after) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON "
        "CONFLICT DO NOTHING");
    insert.Bind(1, delivery.key)
        .Bind(2, std::int64_t{delivery.customer})
        .Bind(3, delivery.playbook)
        .Bind(4, delivery.run)
        .Bind(5, delivery.step)
        .Bind(6, DeliveryKindName(delivery.kind))
        .Bind(7, delivery.connector)
        .Bind(8, delivery.purpose)
        .Bind(9, delivery.payload.to)
        .Bind(10, delivery.payload.template_id)
        .Bind(11, delivery.payload.assignee)
        .Bind(12, delivery.payload.name)
        .Bind(13, ToMicros(delivery.created))
        .Bind(14, ToMicros(delivery.not_before))
        .Bind(15, ToMicros(delivery.stale_after))
        .Run();
    const bool fresh = db->Changes() == 1;
    const auto action = delivery.payload.values.find("action");
    if (fresh && delivery.kind == DeliveryKind::kAudience) {
      lists.push_back(delivery.customer_key + " " + action->second + " " + delivery.payload.name +
                      " " + delivery.payload.to);
    }
    return fresh;
  }

  void DropUnsent(std::int64_t run, std::string_view why, TimePoint) override {
    dropped.push_back("run " + std::to_string(run) + " " + std::string(why));
  }

  bool AwaitsRemoval(const Delivery&) override { return removal_waits; }

  bool ForgetDeliveries(CustomerIndex customer, TimePoint) override {
    forgotten.insert(customer);
    return delivered;
  }
};

inline Step SendStep(const std::string& id, const std::string& message) {
  Step step;
  step.kind = Step::Kind::kSend;
  step.id = id;
  step.send = message;
  return step;
}

inline Step WaitStep(const std::string& id, Duration wait) {
  Step step;
  step.kind = Step::Kind::kWait;
  step.id = id;
  step.wait = wait;
  return step;
}

inline QuietHours Quiet(int from_minute, int to_minute) {
  QuietHours quiet;
  quiet.from_minute = from_minute;
  quiet.to_minute = to_minute;
  return quiet;
}

struct World {
  TempDir dir;
  std::optional<Database> db;
  Workspace workspace;
  FakeHost host;
  std::optional<Playbooks> playbooks;
  std::vector<Move> moves;  // For the next Run.
  std::int64_t last_move = 0;
  TimePoint now = At("2026-03-26T04:00:00Z");
  PlaybookSummary last;

  World() {
    workspace.id = "demo";
    for (const char* name : {"order_placed", "session_started"}) {
      EventSpec event;
      event.name = name;
      workspace.schema.events.push_back(std::move(event));
    }
    workspace.schema.customer_traits = {{"email", Type::kText, {}},
                                        {"email_consent", Type::kYesNo, {}},
                                        {"news_consent", Type::kYesNo, {}},
                                        {"csm", Type::kText, {}},
                                        {"ads_consent", Type::kYesNo, {}}};
    workspace.email_trait = kEmailTrait;
    workspace.consent = {{"email", kConsentTrait}, {"audience", kAdsTrait}};
    workspace.topic_consent = {{"news", kNewsTrait}};
    workspace.channels = {{"email", {"smtp"}},      {"in_app", {"chat"}},
                          {"task", {"desk"}},       {"profile", {"crm", "crm2"}},
                          {"analytics", {"stats"}}, {"audience", {"ads"}}};
    workspace.audiences = {{"slipping", "Slipping (Segue)"}};
    workspace.assignees = {{"team", "team@example.com"}};
    workspace.files = {{"rules/p.yaml", ""}};
    Model model;
    model.id = "rfv";
    for (const char* id : {"new", "loyal", "at_risk"}) {
      Segment segment;
      segment.id = id;
      model.segments.push_back(std::move(segment));
    }
    model.flags.push_back({"near_limit", {}, {}});
    model.hash = "1";
    workspace.models.push_back(std::move(model));
    for (const auto& [id, channel] :
         {std::pair{"hello", "email"}, {"again", "email"}, {"popup", "in_app"}}) {
      Template message;
      message.id = id;
      message.channel = channel;
      workspace.templates.push_back(std::move(message));
    }
    for (const CustomerIndex customer : {kLara, kIvo, kMia}) {
      host.settled[customer] = host.raw[customer] = kLoyal;
      host.texts[{customer, kEmailTrait}] = host.keys[customer] + "@example.com";
      host.answers[{customer, kConsentTrait}] = true;
    }
  }

  Playbook& Add(const std::string& id, std::vector<Step> steps) {
    Playbook playbook;
    playbook.id = id;
    playbook.lane = id;
    playbook.hash = "1";
    playbook.place = {.file = 0, .line = 10};
    playbook.on.model = 0;
    playbook.on.to = {kAtRisk};
    playbook.on.place = {.file = 0, .line = 12};
    playbook.steps = std::move(steps);
    for (std::size_t i = 0; i < playbook.steps.size(); ++i) {
      playbook.steps[i].place = {.file = 0, .line = static_cast<int>(20 + i)};
    }
    workspace.playbooks.push_back(std::move(playbook));
    return workspace.playbooks.back();
  }

  Playbook& playbook(std::size_t index = 0) { return workspace.playbooks[index]; }

  // What a process that was killed, or that got new files, does.
  void Open() {
    playbooks.reset();
    db.reset();
    db.emplace(Database::Open(dir / "segue.db"));
    db->Execute(
        "CREATE TABLE IF NOT EXISTS promised(id INTEGER PRIMARY KEY, key TEXT UNIQUE, customer "
        "INTEGER, playbook TEXT, "
        "run INTEGER, step TEXT, kind TEXT, connector TEXT, purpose TEXT, address TEXT, template "
        "TEXT, assignee TEXT, "
        "name TEXT, created INTEGER, not_before INTEGER, stale_after INTEGER)");
    host.db = &*db;
    playbooks.emplace(*db, workspace, host);
  }

  void MoveTo(CustomerIndex customer, SegmentIndex to, Cause cause = Cause::kTime) {
    moves.push_back({.id = ++last_move,
                     .model = 0,
                     .customer = customer,
                     .from = host.settled[customer],
                     .to = to,
                     .cause = cause,
                     .at = now,
                     .why = ""});
    host.settled[customer] = host.raw[customer] = to;
  }

  PlaybookSummary Run() {
    if (!playbooks) {
      Open();
    }
    Transaction work(*db);
    last = playbooks->Advance(now, moves);
    work.Commit();
    moves.clear();
    return last;
  }

  PlaybookSummary RunAt(TimePoint at) {
    now = at;
    return Run();
  }

  PlaybookSummary RunAfter(Duration pause) { return RunAt(now + pause); }

  // Starts one run for a customer in the given playbooks.
  void Start(CustomerIndex customer = kLara) {
    MoveTo(customer, kAtRisk);
    Run();
  }

  void Leave(CustomerIndex customer) { MoveTo(customer, kLoyal); }

  // "hello lara 2026-03-26T04:00:00Z" for each promise, in their order.
  std::vector<std::string> Promised() {
    std::vector<std::string> all;
    Statement select =
        db->Prepare("SELECT kind, template, name, customer, not_before FROM promised ORDER BY id");
    while (select.Step()) {
      const std::string what =
          select.Text(0) == "message" ? select.Text(1) : select.Text(0) + select.Text(2);
      all.push_back(what + " " + host.keys[static_cast<std::size_t>(select.Int(3))] + " " +
                    FormatTime(FromMicros(select.Int(4))));
    }
    return all;
  }

  std::string Column(const std::string& column) {
    Statement select = db->Prepare("SELECT " + column + " FROM promised ORDER BY id DESC LIMIT 1");
    return select.Step() ? select.Text(0) : "nothing";
  }

  // "lane NO lane_busy", "start ok": the rows of one customer, newest cycle only unless `all`.
  std::vector<std::string> Rows(CustomerIndex customer = kLara, bool all = false) {
    std::vector<std::string> rows;
    for (const Decision& decision :
         playbooks->Decisions(customer, "", all ? TimePoint{} : now - Duration(1))) {
      rows.push_back(std::string(GateName(decision.gate)) + (decision.passed ? " ok" : " NO") +
                     (decision.reason.empty() ? "" : " " + decision.reason));
    }
    return rows;
  }

  // The last row that this customer got for a gate.
  Decision Row(Gate gate, CustomerIndex customer = kLara) {
    std::optional<Decision> found;
    for (const Decision& decision : playbooks->Decisions(customer, "", TimePoint{})) {
      if (decision.gate == gate) {
        found = decision;
      }
    }
    REQUIRE_MESSAGE(found.has_value(), "no row for gate " << GateName(gate));
    return *found;
  }

  std::size_t CountRows() { return playbooks->Decisions(std::nullopt, "", TimePoint{}).size(); }

  std::vector<RunInfo> Runs() { return playbooks->Runs(std::nullopt, "", false); }

  // How each run ended, or where it stands.
  std::vector<std::string> Ends() {
    std::vector<std::string> all;
    for (const RunInfo& run : Runs()) {
      all.push_back(host.keys[run.customer] + " " +
                    (run.ended ? run.end_reason : "at " + run.step));
    }
    return all;
  }
};

using Lines = std::vector<std::string>;

}  // namespace segue

namespace doctest {

template <>
struct StringMaker<std::vector<std::string>> {
  static String convert(const std::vector<std::string>& lines) {
    std::string text = "\n";
    for (const std::string& line : lines) {
      text += "  " + line + "\n";
    }
    return text.c_str();
  }
};

}  // namespace doctest
