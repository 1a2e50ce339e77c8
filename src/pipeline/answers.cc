#include "pipeline/answers.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "base/text.h"
#include "pipeline/host.h"
#include "pipeline/links.h"
#include "sources/jsonl.h"
#include "sources/reading.h"

namespace segue {
namespace {

constexpr std::int64_t kAnswersPerBatch = 5000;
constexpr std::string_view kAnswersCursor = "answers.cursor";
// A followed link that was read late starts what it would have started.
constexpr Duration kLateClicks = std::chrono::hours(72);

constexpr std::pair<OwnAnswer::Kind, std::string_view> kAnswerNames[] = {
    {OwnAnswer::Kind::kConsent, "consent"},
    {OwnAnswer::Kind::kSuppress, "suppress"},
    {OwnAnswer::Kind::kClick, "click"},
};

std::string TextOr(const boost::json::object& object, std::string_view key) {
  const boost::json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

bool SaysTrue(const boost::json::object& object, std::string_view key) {
  const boost::json::value* value = object.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

// Leaves each line where it can be read with the others.
class AnswerLines final : public JsonLineReader {
 public:
  explicit AnswerLines(std::vector<OwnAnswer>* all) : all_(all) {}

  void Take(std::string_view line, std::int64_t /*number*/, Batch& batch) const override {
    ++batch.rows;
    // Half a line is one that nobody was told of.
    if (std::optional<OwnAnswer> answer = ParseAnswer(line)) {
      all_->push_back(std::move(*answer));
    }
  }

 private:
  std::vector<OwnAnswer>* all_;
};

// The keys of those whom each answer is about.
class Addressees {
 public:
  Addressees(State& state, const std::vector<OwnAnswer>& answers) : state_(state) {
    std::set<std::string> wanted;
    for (const OwnAnswer& answer : answers) {
      if (!answer.address.empty()) {
        wanted.insert(ToLower(answer.address));
      }
    }
    const std::optional<int>& trait = state.workspace().email_trait;
    if (wanted.empty() || !trait) {
      return;
    }
    for (const auto& [address, customer] : state.ledger().CustomersWhoseTextIs(*trait, wanted)) {
      by_address_.emplace(address, state.ledger().CustomerKey(customer));
    }
  }

  std::vector<std::string> Of(const OwnAnswer& answer) const {
    const Ledger& ledger = state_.ledger();
    const auto customer = ledger.FindCustomer(answer.customer);
    if (customer && ledger.IsAlive(*customer)) {
      return {ledger.CustomerKey(*customer)};
    }
    // A state that was restored from a copy has not heard of everybody whom we wrote to.
    if (answer.on_page && !customer) {
      return {answer.customer};
    }
    std::vector<std::string> keys;
    const auto [begin, end] = by_address_.equal_range(ToLower(answer.address));
    std::transform(begin, end, std::back_inserter(keys),
                   [](const auto& one) { return one.second; });
    return keys;
  }

 private:
  State& state_;
  std::multimap<std::string, std::string> by_address_;
};

std::optional<Event> ClickOf(const Schema& schema, const OwnAnswer& answer, std::string customer,
                             TimePoint at) {
  const std::optional<int> kind = schema.FindEvent(kLinkClicked);
  if (!kind) {
    return std::nullopt;
  }
  const EventSpec& spec = schema.events[static_cast<std::size_t>(*kind)];
  Event event;
  event.kind = *kind;
  event.customer = std::move(customer);
  event.time = at;
  event.fields.resize(spec.fields.size());
  const auto put = [&](std::string_view name, const std::string& text) {
    const std::optional<int> field = spec.FindField(name);
    if (field && spec.fields[static_cast<std::size_t>(*field)].type == Type::kText) {
      event.fields[static_cast<std::size_t>(*field)] = text;
    }
  };
  put(kClickedLink, answer.what);
  put(kClickedTemplate, answer.template_id);
  return event;
}

std::optional<int> ConsentTrait(const Workspace& workspace, const OwnAnswer& answer) {
  for (const auto* all : {&workspace.consent, &workspace.topic_consent}) {
    for (const auto& [name, trait] : *all) {
      if (!answer.about.empty() && AboutOf(workspace, trait) == answer.about) {
        return trait;
      }
    }
  }
  const std::optional<int> named = workspace.schema.FindCustomerTrait(answer.what);
  return named && workspace.schema.TraitAt(*named).type == Type::kYesNo ? named : std::nullopt;
}

void Apply(State& state, const std::vector<OwnAnswer>& answers, TimePoint now) {
  const Schema& schema = state.workspace().schema;
  const Addressees people(state, answers);
  std::vector<Fact> facts;
  for (const OwnAnswer& answer : answers) {
    const TimePoint at = std::min(answer.at, now);  // It holds from now on, whatever the clock was.
    if (answer.kind == OwnAnswer::Kind::kSuppress && !answer.address.empty()) {
      state.Suppress(answer.address, answer.what, at);
    }
    for (std::string& key : people.Of(answer)) {
      if (answer.kind == OwnAnswer::Kind::kSuppress) {
        // A mailbox that does not take mail says nothing about the person.
        const bool person = answer.address.empty() || answer.what == kUnsubscribed;
        if (person && !state.ledger().WasErased(key)) {
          state.Suppress(key, answer.what, at);
        }
      } else if (answer.kind == OwnAnswer::Kind::kClick) {
        if (std::optional<Event> click = ClickOf(schema, answer, std::move(key), at)) {
          facts.emplace_back(std::move(*click));
        }
      } else if (const auto trait = ConsentTrait(state.workspace(), answer)) {
        facts.emplace_back(TraitChange{.customer = std::move(key),
                                       .trait = *trait,
                                       .value = std::int64_t{answer.yes ? 1 : 0},
                                       .time = at,
                                       .in_order = answer.on_page});
      }
    }
  }
  if (!facts.empty()) {
    state.ledger().Append(facts, kOwnAnswer, now, kLateClicks);
  }
}

}  // namespace

std::string AboutOf(const Workspace& workspace, int trait) {
  const auto stands = [&](const auto& one) { return one.second == trait; };
  const auto channel = std::find_if(workspace.consent.begin(), workspace.consent.end(), stands);
  if (channel != workspace.consent.end()) {
    return "channel " + channel->first;
  }
  const auto topic =
      std::find_if(workspace.topic_consent.begin(), workspace.topic_consent.end(), stands);
  return topic == workspace.topic_consent.end() ? "" : "topic " + topic->first;
}

std::string FormatAnswer(const OwnAnswer& answer) {
  boost::json::object line{{"at", FormatTime(answer.at)}};
  for (const auto& [kind, name] : kAnswerNames) {
    if (kind == answer.kind) {
      line["kind"] = name;
    }
  }
  const auto put = [&](std::string_view key, const std::string& text) {
    if (!text.empty()) {
      line[key] = text;
    }
  };
  put("customer", answer.customer);
  put("address", answer.address);
  put("what", answer.what);
  put("about", answer.about);
  put("template", answer.template_id);
  if (answer.kind == OwnAnswer::Kind::kConsent) {
    line["yes"] = answer.yes;
  }
  if (answer.on_page) {
    line["page"] = true;
  }
  return boost::json::serialize(line);
}

std::optional<OwnAnswer> ParseAnswer(std::string_view line) {
  boost::json::error_code problem;
  const boost::json::value root = boost::json::parse(line, problem);
  const boost::json::object* object = problem ? nullptr : root.if_object();
  if (object == nullptr) {
    return std::nullopt;
  }
  const std::string kind = TextOr(*object, "kind");
  const auto known = std::find_if(std::begin(kAnswerNames), std::end(kAnswerNames),
                                  [&](const auto& one) { return one.second == kind; });
  const Result<TimePoint> at = ParseTime(TextOr(*object, "at"), Zone());
  if (known == std::end(kAnswerNames) || !at) {
    return std::nullopt;
  }
  return OwnAnswer{.kind = known->first,
                   .at = *at,
                   .customer = TextOr(*object, "customer"),
                   .address = TextOr(*object, "address"),
                   .what = TextOr(*object, "what"),
                   .about = TextOr(*object, "about"),
                   .yes = SaysTrue(*object, "yes"),
                   .template_id = TextOr(*object, "template"),
                   .on_page = SaysTrue(*object, "page")};
}

InForce InForceFor(State& state, std::string_view customer) {
  const Workspace& workspace = state.workspace();
  const Ledger& ledger = state.ledger();
  InForce in_force;
  const std::optional<CustomerIndex> who = ledger.FindCustomer(customer);
  if (!who) {
    return in_force;
  }
  const auto look = [&](int trait) {
    const TraitState* known = ledger.Trait(*who, trait);
    const auto* answer = known == nullptr ? nullptr : std::get_if<std::int64_t>(&known->value);
    if (answer != nullptr) {
      in_force.answers[workspace.schema.TraitAt(trait).name] = *answer == 1;
    }
  };
  for (const auto& [channel, trait] : workspace.consent) {
    look(trait);
  }
  for (const auto& [topic, trait] : workspace.topic_consent) {
    look(trait);
  }
  const TraitState* email =
      workspace.email_trait ? ledger.Trait(*who, *workspace.email_trait) : nullptr;
  const auto* address = email == nullptr ? nullptr : std::get_if<std::string>(&email->value);
  in_force.stopped =
      !Host(state).Suppressed(*who, address == nullptr ? std::string() : *address).empty();
  return in_force;
}

bool TakeAnswers(State& state, FileReader& files, TimePoint now, CycleReport& report) {
  Source stream;
  stream.id = kAnswersStream;
  stream.type = SourceType::kJsonLines;
  stream.path = std::string(kSpoolFolder) + "/" + std::string(kAnswersStream) + "/*.jsonl";
  stream.push_secret = kAnswersStream;  // Nobody may have answered yet.
  Database& db = state.db();
  FileLook look;
  while (true) {
    std::vector<OwnAnswer> answers;
    const AnswerLines lines(&answers);
    const std::string cursor = db.GetSetting(kAnswersCursor).value_or("");
    const Result<Batch> batch =
        PullFiles(stream, state.workspace(), files, &lines, cursor, kAnswersPerBatch, false, look);
    if (!batch) {
      report.warnings.push_back("answers of customers: " + batch.error().message());
      return false;
    }
    // Half a line at the end of a day is no row, and yet lets the next day be read.
    const bool came_forward = batch->cursor != cursor;
    if (came_forward) {
      Transaction work(db);
      Apply(state, answers, now);
      db.SetSetting(kAnswersCursor, batch->cursor);
      work.Commit();
    }
    if (batch->done || !came_forward) {
      return batch->done;
    }
  }
}

}  // namespace segue
