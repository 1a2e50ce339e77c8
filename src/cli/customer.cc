// why-moved and customer: everything about one person, for a colleague, for the person, and for the
// day on which they want to be forgotten.

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/money.h"
#include "base/text.h"
#include "base/visible.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "pipeline/erasure.h"
#include "pipeline/host.h"
#include "pipeline/report.h"

namespace segue {
namespace {

namespace json = boost::json;

constexpr std::size_t kEventsShown = 10;

// The state of one customer, by the files that ran: an edit that leaves out a trait must not hide
// that it is known.  Without `writes` it is opened to be looked at: nothing of it is ever
// committed.
struct OneCustomer {
  OneCustomer(const Common& common, const std::string& who, bool or_account = false,
              bool writes = false) {
    RequireState(common);
    db = std::make_unique<Database>(Database::Open(StateFile(common)));
    look = writes ? nullptr : std::make_unique<Look>(*db);
    checked = OpenRunning(*db, common);
    now = MomentOf(common, *checked.workspace);
    state = std::make_unique<State>(*db, *checked.workspace, *checked.templates, now,
                                    OptionsFor(*checked.workspace, false));
    now = std::max(now, state->columns().edge());
    customer = or_account ? FindAnybody(*state, who) : FindPerson(*state, who);
    key = state->ledger().CustomerKey(customer);
  }

  const Workspace& workspace() const { return *checked.workspace; }

  std::string Shown(TimePoint time) const { return workspace().schema.timezone.Format(time); }

  Checked checked;
  std::unique_ptr<Database> db;
  std::unique_ptr<Look> look;
  TimePoint now;
  std::unique_ptr<State> state;
  CustomerIndex customer = 0;
  std::string key;
};

std::string ValueText(const FieldSpec& field, const Value& value, const Schema& schema) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    return *text;
  }
  const auto* number = std::get_if<std::int64_t>(&value);
  if (number == nullptr) {
    return "";
  }
  switch (field.type) {
    case Type::kMoney:
      return FormatDecimal(*number, schema.currency_decimals) + " " + schema.currency;
    case Type::kTime:
      return FormatTime(FromMicros(*number));
    case Type::kDuration:
      return FormatDuration(Duration(*number));
    case Type::kYesNo:
      return *number != 0 ? "yes" : "no";
    case Type::kNumber: {
      std::string text = FormatDecimal(*number, kNumberDecimals);
      text.erase(text.find_last_not_of('0') + 1);
      return text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
    }
    case Type::kText:
    case Type::kChoice:
      break;
  }
  return "";
}

json::array EventsJson(const OneCustomer& subject) {
  const Schema& schema = subject.workspace().schema;
  json::array events;
  for (const StoredEvent& event :
       subject.state->ledger().Timeline(subject.customer, -1, TimePoint::min(), TimePoint::max())) {
    const EventSpec& spec = schema.events[static_cast<std::size_t>(event.kind)];
    json::object fields;
    for (std::size_t i = 0; i < spec.fields.size() && i < event.fields.size(); ++i) {
      if (!IsMissing(event.fields[i])) {
        fields[spec.fields[i].name] = ValueText(spec.fields[i], event.fields[i], schema);
      }
    }
    events.push_back({{"event", spec.name}, {"time", FormatTime(event.time)}, {"fields", fields}});
  }
  return events;
}

json::object TraitsJson(const OneCustomer& subject) {
  const Schema& schema = subject.workspace().schema;
  json::object traits;
  for (std::size_t i = 0; i < schema.customer_traits.size(); ++i) {
    const TraitState* trait = subject.state->ledger().Trait(subject.customer, static_cast<int>(i));
    if (trait != nullptr && !IsMissing(trait->value)) {
      const FieldSpec& field = schema.customer_traits[i];
      traits[field.name] = {{"value", ValueText(field, trait->value, schema)},
                            {"since", FormatTime(trait->since)},
                            {"source", trait->source}};
    }
  }
  return traits;
}

json::array MovesJson(const OneCustomer& subject, const std::string& model) {
  json::array moves;
  for (const MoveRow& move : MovesOf(*subject.state, subject.customer)) {
    if (model.empty() || move.model == model) {
      moves.push_back({{"at", FormatTime(move.at)},
                       {"model", move.model},
                       {"from", move.from},
                       {"to", move.to},
                       {"cause", CauseName(move.cause)},
                       {"why", move.why}});
    }
  }
  return moves;
}

json::object SegmentsJson(const OneCustomer& subject) {
  json::object all;
  const Workspace& workspace = subject.workspace();
  for (std::size_t i = 0; i < workspace.models.size(); ++i) {
    const auto* segments = subject.state->segments(static_cast<int>(i));
    if (segments == nullptr) {
      continue;
    }
    const auto who = WhoIn(*subject.state, workspace.models[i], subject.customer);
    const Membership member = who ? segments->Get(*who) : Membership();
    if (member.segment != kNoSegment) {
      all[workspace.models[i].id] = {{"segment", workspace.models[i].segments[member.segment].id},
                                     {"since", FormatTime(member.since)}};
    }
  }
  return all;
}

json::array RunsJson(const OneCustomer& subject) {
  json::array runs;
  for (const RunInfo& run : subject.state->playbooks().Runs(subject.customer, "", false)) {
    json::object one{{"playbook", run.playbook}, {"started", FormatTime(run.started)}};
    if (run.ended) {
      one["ended"] = FormatTime(*run.ended);
      one["as"] = run.end_reason;
    }
    runs.push_back(std::move(one));
  }
  return runs;
}

json::array DecisionsJson(const OneCustomer& subject) {
  json::array decisions;
  for (const Decision& one :
       subject.state->playbooks().Decisions(subject.customer, "", TimePoint::min())) {
    decisions.push_back({{"at", FormatTime(one.at)},
                         {"playbook", one.playbook},
                         {"step", one.step},
                         {"gate", GateName(one.gate)},
                         {"passed", one.passed},
                         {"reason", one.reason},
                         {"detail", one.detail}});
  }
  return decisions;
}

json::array DeliveriesJson(const OneCustomer& subject) {
  OutboxFilter filter;
  filter.customer_key = subject.key;
  filter.limit = 1'000'000;
  std::vector<Delivery> list = subject.state->outbox().List(filter);
  std::reverse(list.begin(), list.end());
  json::array deliveries;
  for (const Delivery& one : list) {
    const Payload& payload = one.payload;
    json::object values;
    for (const auto& [name, value] : payload.values) {
      values[name] = value;
    }
    deliveries.push_back({{"kind", DeliveryKindName(one.kind)},
                          {"state", DeliveryStateName(one.state)},
                          {"created", FormatTime(one.created)},
                          {"playbook", one.playbook},
                          {"connector", one.connector},
                          {"template", payload.template_id},
                          {"to", payload.to},
                          {"subject", payload.subject},
                          {"text", payload.text},
                          {"title", payload.title},
                          {"note", payload.note},
                          {"name", payload.name},
                          {"values", values}});
  }
  return deliveries;
}

json::array SuppressionsJson(const OneCustomer& subject) {
  json::array all;
  Statement list =
      subject.state->db().Prepare("SELECT who, reason, at FROM suppression ORDER BY at, who");
  const std::optional<int> email = subject.workspace().email_trait;
  const TraitState* trait =
      email ? subject.state->ledger().Trait(subject.customer, *email) : nullptr;
  const auto* address = trait == nullptr ? nullptr : std::get_if<std::string>(&trait->value);
  std::vector<std::string> names = {SuppressedName(subject.key)};
  if (address != nullptr) {
    names.push_back(SuppressedName(*address));
    names.push_back(HiddenName(subject.state->db(), *address));
  }
  while (list.Step()) {
    const std::string who = list.Text(0);
    if (std::find(names.begin(), names.end(), who) != names.end()) {
      all.push_back(
          {{"who", who}, {"reason", list.Text(1)}, {"at", FormatTime(FromMicros(list.Int(2)))}});
    }
  }
  return all;
}

json::object Everything(const OneCustomer& subject) {
  return {{"customer", subject.key},
          {"as_of", FormatTime(subject.now)},
          {"traits", TraitsJson(subject)},
          {"segments", SegmentsJson(subject)},
          {"events", EventsJson(subject)},
          {"moves", MovesJson(subject, "")},
          {"runs", RunsJson(subject)},
          {"decisions", DecisionsJson(subject)},
          {"deliveries", DeliveriesJson(subject)},
          {"suppressed", SuppressionsJson(subject)}};
}

std::string TextOf(const json::object& map, std::string_view key) {
  const json::value* value = map.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

void ShowRows(const json::object& all) {
  Table runs({"playbook", "started", "ended", "as"});
  for (const json::value& run : all.at("runs").as_array()) {
    const json::object& one = run.as_object();
    runs.Row(
        {TextOf(one, "playbook"), TextOf(one, "started"), TextOf(one, "ended"), TextOf(one, "as")});
  }
  Table got({"promised", "kind", "what", "state", "through"});
  for (const json::value& delivery : all.at("deliveries").as_array()) {
    const json::object& one = delivery.as_object();
    const std::string what = TextOf(one, "template") + TextOf(one, "title") + TextOf(one, "name");
    got.Row({TextOf(one, "created"), TextOf(one, "kind"), what, TextOf(one, "state"),
             TextOf(one, "connector")});
  }
  for (const json::value& one : all.at("suppressed").as_array()) {
    fmt::print("suppressed: {} since {}\n", TextOf(one.as_object(), "reason"),
               TextOf(one.as_object(), "at"));
  }
  fmt::print("{}{}{}", all.at("runs").as_array().empty() ? "" : runs.Text() + "\n",
             all.at("deliveries").as_array().empty() ? "" : got.Text() + "\n",
             fmt::format("{} decisions: segue explain {} shows them\n",
                         all.at("decisions").as_array().size(), Visible(TextOf(all, "customer"))));
}

void Show(const OneCustomer& subject) {
  const json::object all = Everything(subject);
  fmt::print("{}   as of {}\n\n", Visible(subject.key), subject.Shown(subject.now));
  Table traits({"trait", "value", "since", "from"});
  for (const auto& trait : all.at("traits").as_object()) {
    const json::object& one = trait.value().as_object();
    traits.Row({std::string(trait.key()), TextOf(one, "value"), TextOf(one, "since"),
                TextOf(one, "source")});
  }
  Table segments({"model", "segment", "since"});
  for (const auto& segment : all.at("segments").as_object()) {
    const json::object& one = segment.value().as_object();
    segments.Row({std::string(segment.key()), TextOf(one, "segment"), TextOf(one, "since")});
  }
  fmt::print("{}\n{}\n", traits.Text(), segments.Text());
  const json::array& events = all.at("events").as_array();
  std::map<std::string, std::int64_t> counts;
  for (const json::value& event : events) {
    ++counts[TextOf(event.as_object(), "event")];
  }
  for (const auto& [name, count] : counts) {
    fmt::print("{} {}\n", Grouped(count), name);
  }
  const std::size_t first = events.size() > kEventsShown ? events.size() - kEventsShown : 0;
  for (std::size_t i = first; i < events.size(); ++i) {
    const json::object& one = events[i].as_object();
    fmt::print("   {}  {} {}\n", TextOf(one, "time"), TextOf(one, "event"),
               Visible(json::serialize(one.at("fields"))));
  }
  fmt::print("\n");
  ShowRows(all);
}

// An ad tool must still be told whom to let go.
std::vector<Delivery> RemovalsThatWait(const OneCustomer& subject,
                                       const std::vector<std::string>& keys) {
  std::vector<Delivery> removals;
  for (const std::string& key : keys) {
    OutboxFilter filter;
    filter.customer_key = key;
    filter.limit = std::numeric_limits<int>::max();
    std::vector<Delivery> all = subject.state->outbox().List(filter);
    std::copy_if(all.begin(), all.end(), std::back_inserter(removals), Removes);
  }
  return removals;
}

int EraseOne(const Common& common, const CustomerOptions& options) {
  if (options.note.empty()) {
    throw Failure{kUsage, "say why with --note; it is kept as proof, without the customer's key\n"};
  }
  RequireState(common);
  const StateLock lock(common.state);
  const OneCustomer subject(common, options.customer, false, true);
  const ErasureProof proof =
      EraseCustomer(*subject.state, subject.customer, options.note, subject.now);
  const bool clean = proof.key_cells == 0 && proof.address_cells == 0 && proof.after.traits == 0 &&
                     proof.after.events == 0;
  const std::vector<Delivery> removals = RemovalsThatWait(subject, proof.keys);
  if (common.json) {
    fmt::print("{}\n", json::serialize(json::object{{"erased", clean},
                                                    {"at", FormatTime(subject.now)},
                                                    {"traits_before", proof.before.traits},
                                                    {"traits_after", proof.after.traits},
                                                    {"events_before", proof.before.events},
                                                    {"events_after", proof.after.events},
                                                    {"tables_searched", proof.tables},
                                                    {"removals_waiting", removals.size()},
                                                    {"cells_with_key", proof.key_cells},
                                                    {"cells_with_address", proof.address_cells}}));
  } else {
    fmt::print("{} at {}\n", clean ? "erased" : "NOT wholly erased", subject.Shown(subject.now));
    fmt::print("  traits {} → {} · events {} → {} · reasons of moves {} → {}\n",
               proof.before.traits, proof.after.traits, proof.before.events, proof.after.events,
               proof.before.moves, proof.after.moves);
    fmt::print("  {} deliveries stay as rows without content, as proof\n", proof.after.deliveries);
    fmt::print("  searched {} tables: the key stands in {} cells, the address in {}\n",
               proof.tables, proof.key_cells, proof.address_cells);
    for (const Delivery& removal : removals) {
      fmt::print(
          "  a promise waits that takes them out of the list {}: delivery {} through {} ({})\n"
          "  it must name them to that tool, and is blanked by the first run after the tool took "
          "it:\n  leave `segue serve` at work or say `segue run`, and `segue outbox show {}` tells "
          "how it stands\n",
          Visible(removal.payload.name), removal.id, removal.connector,
          DeliveryStateName(removal.state), removal.id);
    }
    fmt::print(
        "  kept: a hash of the key, so that nothing about them is taken in again, and the note\n"
        "  not reached: backups, files that connectors wrote, and the tools themselves\n");
  }
  return clean ? kFine : kFindings;
}

}  // namespace

int RunWhyMoved(const Common& common, const WhyMovedOptions& options) {
  const OneCustomer subject(common, options.customer, true);
  const Workspace& workspace = subject.workspace();
  if (!options.model.empty() && !workspace.FindModel(options.model)) {
    throw Failure{kUsage, fmt::format("there is no model {}\n", options.model)};
  }
  if (common.json) {
    fmt::print("{}\n", json::serialize(json::object{{"customer", subject.key},
                                                    {"segments", SegmentsJson(subject)},
                                                    {"moves", MovesJson(subject, options.model)}}));
    return kFine;
  }
  fmt::print("{}\n\n", Visible(subject.key));
  for (std::size_t i = 0; i < workspace.models.size(); ++i) {
    const Model& model = workspace.models[i];
    const auto* segments = subject.state->segments(static_cast<int>(i));
    const auto who = WhoIn(*subject.state, model, subject.customer);
    if (segments == nullptr || !who || (!options.model.empty() && model.id != options.model)) {
      continue;
    }
    const Membership member = segments->Get(*who);
    const auto name = [&](SegmentIndex segment) {
      return segment == kNoSegment ? std::string("none") : model.segments[segment].id;
    };
    fmt::print("{}: {}{}\n", Coloured(model.id, Colour::kBold, OutputHasColour()),
               name(member.segment),
               member.segment == kNoSegment ? "" : " since " + subject.Shown(member.since));
    if (member.answer != member.segment) {
      fmt::print("   pending: {}, the same in {} of {} runs\n", name(member.answer),
                 member.answer_runs, model.hold.runs);
    }
    for (const MoveRow& move : MovesOf(*subject.state, *who)) {
      if (move.model == model.id) {
        fmt::print("   {}  {} → {}  cause: {}   {}\n", subject.Shown(move.at), move.from, move.to,
                   CauseName(move.cause), Visible(move.why));
      }
    }
    const auto people = subject.state->PopulationOf(static_cast<int>(i), subject.now);
    fmt::print("   now:\n");
    for (const std::string& line : segments->Explain(*people, *who, subject.now, *workspace.pool)) {
      fmt::print("     {}\n", Visible(line));
    }
    fmt::print("\n");
  }
  return kFine;
}

int RunCustomer(const Common& common, const CustomerOptions& options) {
  if (options.action == "erase") {
    return EraseOne(common, options);
  }
  const OneCustomer subject(common, options.customer);
  if (options.action == "export" || common.json) {
    fmt::print("{}\n", json::serialize(Everything(subject)));
  } else {
    Show(subject);
  }
  return kFine;
}

}  // namespace segue
