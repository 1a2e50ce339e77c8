// segments, render and outbox: the verbs that look at one stage.

#include <algorithm>
#include <limits>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "base/visible.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "connectors/connector.h"

namespace segue {
namespace {

void PrintModel(State& state, int index, boost::json::object* json) {
  const Model& model = state.workspace().models[static_cast<std::size_t>(index)];
  const Segments* segments = state.segments(index);
  if (segments == nullptr) {
    return;
  }
  const std::vector<std::int64_t> counts = segments->CountBySegment();
  std::int64_t all = 0;
  for (const std::int64_t count : counts) {
    all += count;
  }
  if (json != nullptr) {
    boost::json::object one;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      one[model.segments[i].id] = counts[i];
    }
    (*json)[model.id] = std::move(one);
    return;
  }
  const std::string as_of = segments->last_slot()
                                ? "as of " + model.timezone.Format(*segments->last_slot())
                                : "no slot yet";
  const std::string whom = model.of == Subject::kAccount ? "accounts" : "customers";
  fmt::print("{}  {}  ({} {}, {})\n", model.id, model.title, Grouped(all), whom, as_of);
  Table table({"segment", ">" + whom, ">share", ""});
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double share = all == 0 ? 0 : static_cast<double>(counts[i]) / static_cast<double>(all);
    table.Row({model.segments[i].name, Grouped(counts[i]), Percent(share), Bar(share, 30)});
  }
  fmt::print("{}\n", table.Text());
}

void PrintPeople(State& state, int index, boost::json::object* json) {
  const Model& model = state.workspace().models[static_cast<std::size_t>(index)];
  const Segments* segments = state.segments(index);
  if (segments == nullptr) {
    return;
  }
  boost::json::object people;
  const bool accounts = model.of == Subject::kAccount;
  const CustomerIndex first = accounts ? kFirstAccount : 0;
  const CustomerIndex count =
      accounts ? state.ledger().account_count() : state.ledger().customer_count();
  for (CustomerIndex customer = first; customer < first + count; ++customer) {
    const Membership member = segments->Get(customer);
    if (!state.ledger().IsAlive(customer) || member.segment == kNoSegment) {
      continue;
    }
    if (json != nullptr) {
      people[state.ledger().CustomerKey(customer)] = model.segments[member.segment].id;
    } else {
      fmt::print("{}\t{}\t{}\n", model.id, Visible(state.ledger().CustomerKey(customer)),
                 model.segments[member.segment].id);
    }
  }
  if (json != nullptr) {
    (*json)[model.id] = std::move(people);
  }
}

// Also in branches.
bool Sends(const std::vector<Step>& steps, const std::string& message) {
  return std::any_of(steps.begin(), steps.end(), [&](const Step& step) {
    return step.send == message || Sends(step.then_steps, message) ||
           Sends(step.else_steps, message);
  });
}

}  // namespace

void AddSampleOffer(const Workspace& workspace, const Template& message, TimePoint now,
                    RenderContext& context) {
  context.names["offer.code"] = "SAMPLE";
  context.names["offer.expires"] = FormatTime(now + 14 * kDay);
  context.names["offer.terms"] = "SAMPLE";
  for (const Playbook& playbook : workspace.playbooks) {
    const Offer* offer = workspace.FindOffer(playbook.offer);
    if (offer != nullptr && Sends(playbook.steps, message.id)) {
      context.names["offer.expires"] = FormatTime(ValidUntil(offer->valid, now, context.zone));
      context.names["offer.terms"] = offer->terms;
      return;
    }
  }
}

int RunSegments(const Common& common, const SegmentsOptions& options) {
  Opened opened(common);
  const Workspace& workspace = *opened.checked.workspace;
  boost::json::object json;
  bool found = options.model.empty();
  for (std::size_t i = 0; i < workspace.models.size(); ++i) {
    if (!options.model.empty() && workspace.models[i].id != options.model) {
      continue;
    }
    found = true;
    if (options.people) {
      PrintPeople(*opened.state, static_cast<int>(i), common.json ? &json : nullptr);
    } else {
      PrintModel(*opened.state, static_cast<int>(i), common.json ? &json : nullptr);
    }
  }
  if (!found) {
    throw Failure{kUsage, fmt::format("there is no model {}\n", options.model)};
  }
  if (common.json) {
    fmt::print("{}\n", boost::json::serialize(json));
  }
  return kFine;
}

int RunRender(const Common& common, const RenderOptions& options) {
  Opened opened(common);
  State& state = *opened.state;
  const Workspace& workspace = state.workspace();
  const CustomerIndex customer = FindPerson(state, options.customer);
  const Template* found = workspace.FindTemplate(options.template_id);
  if (found == nullptr) {
    std::vector<std::string> ids;
    for (const Template& one : workspace.templates) {
      ids.push_back(one.id);
    }
    const std::optional<std::string> near = Nearest(options.template_id, ids);
    throw Failure{kUsage, fmt::format("there is no template {}{}\n", options.template_id,
                                      near ? "; did you mean " + *near + "?" : "")};
  }
  RenderContext context = state.ContextOf(customer, opened.now);
  AddSampleOffer(workspace, *found, opened.now, context);
  Result<RenderedMessage> message = state.templates().Render(found->id, context);
  if (!message) {
    throw Failure{kFindings, fmt::format("{} cannot be rendered for {}: {}\n", found->id,
                                         options.customer, message.error().message())};
  }
  if (common.json) {
    const boost::json::object out{{"template", found->id},
                                  {"subject", message->subject},
                                  {"html", message->html},
                                  {"text", message->text}};
    fmt::print("{}\n", boost::json::serialize(out));
  } else if (options.part == "html") {
    fmt::print("{}\n", message->html);
  } else if (options.part == "mail") {
    Delivery delivery;
    delivery.key = "sample";
    delivery.created = opened.now;
    delivery.payload.from = workspace.sender_from;
    delivery.payload.reply_to =
        found->reply_to.text.empty() ? workspace.sender_reply_to : message->reply_to;
    delivery.payload.to = "sample@example.com";
    delivery.payload.subject = message->subject;
    delivery.payload.html = message->html;
    delivery.payload.text = message->text;
    fmt::print("{}", MakeMail(delivery));
  } else {
    fmt::print("Subject: {}\n\n{}\n", message->subject, message->text);
  }
  return kFine;
}

namespace {

std::optional<DeliveryState> StateByName(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(DeliveryState::kDead); ++i) {
    const auto state = static_cast<DeliveryState>(i);
    if (DeliveryStateName(state) == name) {
      return state;
    }
  }
  return std::nullopt;
}

boost::json::object DeliverySummary(const Delivery& delivery) {
  return {{"id", delivery.id},
          {"key", delivery.key},
          {"kind", std::string(DeliveryKindName(delivery.kind))},
          {"state", std::string(DeliveryStateName(delivery.state))},
          {"customer", delivery.customer_key},
          {"playbook", delivery.playbook},
          {"step", delivery.step},
          {"run", delivery.run},
          {"connector", delivery.connector},
          {"template", delivery.payload.template_id},
          {"to", delivery.payload.to},
          {"created", FormatTime(delivery.created)},
          {"not_before", FormatTime(delivery.not_before)},
          {"attempts", delivery.attempts},
          {"detail", delivery.detail}};
}

void PrintCounts(const OutboxCounts& counts) {
  fmt::print(
      "{} waiting · {} running · {} accepted · {} refused · {} suppressed · {} dropped · {} "
      "unknown · {} dead\n",
      Grouped(counts.waiting), Grouped(counts.running), Grouped(counts.accepted),
      Grouped(counts.refused), Grouped(counts.suppressed), Grouped(counts.dropped),
      Grouped(counts.unknown), Grouped(counts.dead));
}

OutboxFilter FilterOf(const OutboxOptions& options) {
  OutboxFilter filter;
  if (!options.state_name.empty()) {
    filter.state = StateByName(options.state_name);
    if (!filter.state) {
      throw Failure{
          kUsage,
          fmt::format("--in {}: the states are waiting running accepted refused suppressed unknown "
                      "dropped dead\n",
                      options.state_name)};
    }
  }
  filter.connector = options.connector;
  filter.playbook = options.playbook;
  filter.customer_key = options.customer;
  filter.limit = options.limit;
  return filter;
}

int ListOutbox(Outbox& outbox, const Zone& zone, const OutboxOptions& options, bool json) {
  const std::vector<Delivery> all = outbox.List(FilterOf(options));
  if (json) {
    boost::json::array list;
    for (const Delivery& delivery : all) {
      list.push_back(DeliverySummary(delivery));
    }
    fmt::print("{}\n", boost::json::serialize(list));
    return kFine;
  }
  PrintCounts(outbox.Count());
  Table table({">id", "state", "kind", "to", "what", "playbook", "due", "words"});
  for (const Delivery& delivery : all) {
    const Payload& payload = delivery.payload;
    const std::string what = !payload.template_id.empty() ? payload.template_id
                             : !payload.title.empty()     ? payload.title
                                                          : payload.name;
    table.Row({std::to_string(delivery.id), std::string(DeliveryStateName(delivery.state)),
               std::string(DeliveryKindName(delivery.kind)), delivery.customer_key, what,
               delivery.playbook, zone.Format(delivery.not_before),
               Shortened(delivery.detail, 60)});
  }
  fmt::print("{}", table.Text());
  if (static_cast<int>(all.size()) == options.limit) {
    fmt::print("(the first {}; --limit shows more)\n", options.limit);
  }
  return kFine;
}

Result<void> ChangeOne(Outbox& outbox, const Workspace& workspace, const OutboxOptions& options,
                       const Delivery& delivery, TimePoint now) {
  if (options.action == "drop") {
    return outbox.DropByHand(delivery.id, options.note, now);
  }
  if (options.action == "mark-sent") {
    return outbox.MarkSent(delivery.id, options.note, now);
  }
  if (workspace.FindConnector(delivery.connector) == nullptr) {
    return Error(fmt::format(
        "delivery {} is for connector {}, which no file names: nobody would send it, so give the "
        "connector back its name first",
        delivery.id, delivery.connector));
  }
  return outbox.RetryByHand(delivery.id, options.note, now);
}

// What nobody knows of may have arrived, and a tool knows a key for as long as it likes.
std::string TwiceText(const OutboxOptions& options, std::int64_t unknown) {
  if (options.action != "retry" || unknown == 0) {
    return "";
  }
  return Grouped(unknown) +
         " of unknown outcome: what did arrive may arrive a second time. While it waits, `segue "
         "outbox drop` stops it.\n";
}

// The same for everything that the filter finds.
int ChangeMany(Outbox& outbox, const Workspace& workspace, const OutboxOptions& options,
               TimePoint now, bool json) {
  if (options.state_name.empty() || options.note.empty()) {
    throw Failure{kUsage,
                  "name a delivery's number, or say with --in which ones, and why with --note\n"};
  }
  std::int64_t changed = 0;
  std::int64_t unknown = 0;
  std::string problem;
  OutboxFilter filter = FilterOf(options);
  filter.limit = std::numeric_limits<int>::max();
  for (const Delivery& delivery : outbox.List(filter)) {
    const Result<void> done = ChangeOne(outbox, workspace, options, delivery, now);
    changed += done ? 1 : 0;
    unknown += done && delivery.state == DeliveryState::kUnknown ? 1 : 0;
    problem = done ? problem : done.error().message();
  }
  if (json) {
    fmt::print("{}\n", boost::json::serialize(
                           boost::json::object{{"action", options.action}, {"changed", changed}}));
  } else {
    fmt::print("{}: {}\n{}", options.action, Counted(changed, "delivery", "deliveries"),
               TwiceText(options, unknown));
  }
  if (!problem.empty()) {
    throw Failure{kFindings, problem + "\n"};
  }
  return kFine;
}

}  // namespace

int RunOutbox(const Common& common, const OutboxOptions& options) {
  RequireState(common);
  Database db = Database::Open(StateFile(common));
  const Checked checked = OpenRunning(db, common);
  // The service may be at work meanwhile: each change is one short transaction of its own, and it
  // keeps nothing of the outbox in memory.
  Outbox outbox(db);
  Offers offers(db, *checked.workspace);
  WatchOffers(outbox, offers);
  const TimePoint now = MomentOf(common, *checked.workspace);
  if (options.action == "list") {
    return ListOutbox(outbox, checked.workspace->schema.timezone, options, common.json);
  }
  if (options.id == 0 && options.action != "show") {
    return ChangeMany(outbox, *checked.workspace, options, now, common.json);
  }
  if (options.id == 0) {
    throw Failure{kUsage, "name a delivery's number: `segue outbox` lists them\n"};
  }
  const std::optional<Delivery> delivery = outbox.Get(options.id);
  if (!delivery) {
    throw Failure{kUsage,
                  fmt::format("there is no delivery {}: `segue outbox` lists them\n", options.id)};
  }
  if (options.action == "show") {
    const boost::json::object summary = DeliverySummary(*delivery);
    if (common.json) {
      fmt::print("{}\n", boost::json::serialize(summary));
      return kFine;
    }
    Table table({"of delivery", std::to_string(options.id)});
    for (const auto& [name, value] : summary) {
      table.Row({std::string(name), value.is_string() ? std::string(value.get_string())
                                                      : boost::json::serialize(value)});
    }
    fmt::print("{}", table.Text());
    return kFine;
  }
  if (options.note.empty()) {
    throw Failure{kUsage, "say why with --note; it is kept with the delivery\n"};
  }
  const Result<void> done = ChangeOne(outbox, *checked.workspace, options, *delivery, now);
  if (!done) {
    throw Failure{kFindings, done.error().message() + "\n"};
  }
  const std::string state(DeliveryStateName(outbox.Get(options.id)->state));
  if (common.json) {
    fmt::print("{}\n",
               boost::json::serialize(boost::json::object{{"id", options.id}, {"state", state}}));
  } else {
    fmt::print("delivery {} is {} now\n{}", options.id, state,
               delivery->state == DeliveryState::kUnknown ? TwiceText(options, 1) : "");
  }
  return kFine;
}

}  // namespace segue
