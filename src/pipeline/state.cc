// State: opens every stage over one state file and joins them for the two loops.

#include "segments/state.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "pipeline/host.h"
#include "pipeline/inputs.h"
#include "pipeline/links.h"
#include "pipeline/pipeline.h"
#include "pipeline/population.h"
#include "pipeline/process_names.h"
#include "pipeline/processes.h"
#include "pipeline/rates.h"

namespace segue {
namespace {

constexpr std::string_view kStateTables = R"(
CREATE TABLE IF NOT EXISTS cycle (
  id INTEGER PRIMARY KEY,
  now INTEGER NOT NULL,
  finished INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS model_position (   -- how far each model's last slot had read
  model TEXT PRIMARY KEY,
  sequence INTEGER NOT NULL,
  now INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS missed_slots (
  what TEXT PRIMARY KEY,
  missed INTEGER NOT NULL,
  last INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS source_state (
  source TEXT PRIMARY KEY,
  cursor TEXT NOT NULL DEFAULT '',
  last_slot INTEGER,
  last_ok INTEGER,
  error TEXT NOT NULL DEFAULT '',
  rows INTEGER NOT NULL DEFAULT 0,
  anonymous INTEGER NOT NULL DEFAULT 0,
  rounded INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS bad_row (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  file TEXT NOT NULL,
  line INTEGER NOT NULL,
  column TEXT NOT NULL,
  reason TEXT NOT NULL,
  raw TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS rate_used (   -- days counted from 1970 on the workspace's calendar
  currency TEXT NOT NULL,
  day INTEGER NOT NULL,
  rate TEXT NOT NULL,
  PRIMARY KEY(currency, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS suppression (
  who TEXT PRIMARY KEY,
  reason TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)";

std::set<int> TraitsInModels(const Workspace& workspace) {
  std::set<int> traits;
  for (const Model& model : workspace.models) {
    ForEachExpression(model, [&](const Expr& expr) {
      ForEachLeaf(expr, [&](const Expr& leaf) {
        if (leaf.leaf.kind == Leaf::Kind::kTrait) {
          traits.insert(leaf.leaf.index);
        } else if (leaf.leaf.kind == Leaf::Kind::kAccountTrait) {
          traits.insert(workspace.schema.AccountTrait(leaf.leaf.index));
        }
      });
    });
  }
  return traits;
}

std::vector<int> ConsentTraits(const Workspace& workspace) {
  std::set<int> traits;
  for (const auto& [channel, trait] : workspace.consent) {
    traits.insert(trait);
  }
  for (const auto& [topic, trait] : workspace.topic_consent) {
    traits.insert(trait);
  }
  return {traits.begin(), traits.end()};
}

// What was promised before topics were kept with it goes by what its playbook says today.
std::string TopicOf(const Workspace& workspace, const Delivery& delivery) {
  const std::optional<int> playbook = workspace.FindPlaybook(delivery.playbook);
  return !delivery.payload.topic.empty() || !playbook
             ? delivery.payload.topic
             : workspace.playbooks[static_cast<std::size_t>(*playbook)].topic;
}

}  // namespace

struct State::Inner {
  Inner(Database& db_in, const Workspace& workspace_in, const Templates& templates_in,
        TimePoint now, StateOptions options_in)
      : db(db_in),
        workspace(workspace_in),
        templates(templates_in),
        options(std::move(options_in)),
        ledger(Prepared(db_in), workspace_in.schema, *workspace_in.pool),
        columns(Ruled(ledger, workspace_in), db_in, workspace_in.schema, *workspace_in.pool,
                workspace_in.aggregates, Begins(db_in, now)),
        processes(db_in, workspace_in, ledger),
        segments(OpenModels(db_in, workspace_in)),
        moments(db_in, workspace_in, ledger),
        inputs(workspace_in, ledger, columns, processes, segments, moments),
        outbox(db_in) {
    SettleRates(db, workspace);
    for (const int trait : TraitsInModels(workspace)) {
      ledger.TraitColumn(trait);  // Models read on several threads, and then it must be there.
    }
    moments.Advance(columns.edge());
    for (std::size_t model = 0; model < workspace.models.size(); ++model) {
      reads.push_back(ReadsOf(static_cast<int>(model), workspace));
      models_read.push_back(ModelsRead(workspace.models[model]));
    }
    for (std::size_t model = 0; model < workspace.models.size(); ++model) {
      FollowReads(model);  // Those that a model reads stand before it.
    }
  }

  // By which versions the models that this one reads answer.
  void FollowReads(std::size_t model) const {
    std::string editions;
    for (const int read : models_read[model]) {
      const auto at = static_cast<std::size_t>(read);
      editions += workspace.models[at].id + "=" +
                  (segments[at] == nullptr ? "draft" : segments[at]->edition()) + ";";
    }
    if (segments[model] != nullptr && !editions.empty()) {
      segments[model]->FollowReads(Sha256Hex(editions).substr(0, 8));
    }
  }

  bool AnyLearned(const std::set<int>& models, TimePoint after) const {
    return std::any_of(models.begin(), models.end(), [&](int model) {
      const Segments* one = segments[static_cast<std::size_t>(model)].get();
      return one != nullptr && one->RelearnedSince(after);
    });
  }

  std::unique_ptr<Inputs> InputsWith(Fits fits, std::optional<TimePoint> learned_after) const {
    return std::make_unique<StateInputs>(workspace, ledger, columns, processes, segments, moments,
                                         std::move(fits), learned_after);
  }

  // A cycle that was cut off must find the windows where it left them, not where they are by now.
  static TimePoint Begins(Database& db, TimePoint now) {
    Statement find = db.Prepare("SELECT min(now) FROM cycle WHERE finished = 0");
    return find.Step() && !find.IsNull(0) ? std::min(now, FromMicros(find.Int(0))) : now;
  }

  // The columns take the ledger to a moment, and what takes effect on the way there must find the
  // rules: a person's own no stands against what a source says.
  static Ledger& Ruled(Ledger& ledger, const Workspace& workspace) {
    ledger.SetConsentTraits(ConsentTraits(workspace));
    if (workspace.account_trait) {
      ledger.SetAccountTrait(*workspace.account_trait);
    }
    return ledger;
  }

  static Database& Prepared(Database& db) {
    db.Ensure("pipeline", kStateTables);
    EnsureSegmentTables(db);
    return db;
  }

  static std::vector<std::unique_ptr<Segments>> OpenModels(Database& db,
                                                           const Workspace& workspace) {
    std::vector<std::unique_ptr<Segments>> all;
    for (std::size_t model = 0; model < workspace.models.size(); ++model) {
      all.push_back(workspace.models[model].draft
                        ? nullptr
                        : std::make_unique<Segments>(db, workspace, static_cast<int>(model)));
    }
    return all;
  }

  Database& db;
  const Workspace& workspace;
  const Templates& templates;
  StateOptions options;
  Ledger ledger;
  Columns columns;
  Processes processes;
  std::vector<std::unique_ptr<Segments>> segments;
  Moments moments;
  StateInputs inputs;
  Outbox outbox;
  std::vector<FactsRead> reads;               // Per model.
  std::vector<std::set<int>> models_read;     // Per model, directly.
  std::map<int, ModelPosition> slots_before;  // As of the last PopulationOf.
  std::unique_ptr<Host> host;
  std::unique_ptr<Playbooks> playbooks;
  std::map<std::string, std::string> common_names;  // For what is written to anybody.
};

State::State(Database& db, const Workspace& workspace, const Templates& templates, TimePoint now,
             StateOptions options)
    : inner_(std::make_unique<Inner>(db, workspace, templates, now, std::move(options))) {
  inner_->host = std::make_unique<Host>(*this);
  inner_->playbooks = std::make_unique<Playbooks>(db, workspace, *inner_->host);
  WatchOffers(inner_->outbox, inner_->playbooks->offers());
  for (const auto& [name, path] : workspace.links) {
    inner_->common_names["links." + name] = workspace.links_base + path;
  }
  inner_->common_names["sender.postal"] = workspace.sender_postal;
}

void WatchOffers(Outbox& outbox, Offers& offers) {
  outbox.Watch([&offers](const Delivery& delivery, bool unresolved) {
    offers.Settled(delivery.key, delivery.state, unresolved);
  });
}

State::~State() = default;

Database& State::db() {
  return inner_->db;
}

const Workspace& State::workspace() const {
  return inner_->workspace;
}

const Templates& State::templates() const {
  return inner_->templates;
}

const StateOptions& State::options() const {
  return inner_->options;
}

Ledger& State::ledger() {
  return inner_->ledger;
}

Columns& State::columns() {
  return inner_->columns;
}

Processes& State::processes() {
  inner_->processes.Ready(inner_->columns.edge());
  return inner_->processes;
}

void State::Snapshot() {
  Transaction work(inner_->db);
  inner_->ledger.SnapshotTraits();
  inner_->columns.Snapshot();
  inner_->processes.StoreSums();
  work.Commit();
}

const Inputs& State::inputs() const {
  inner_->processes.Ready(inner_->columns.edge());
  return inner_->inputs;
}

Playbooks& State::playbooks() {
  return *inner_->playbooks;
}

Moments& State::moments() {
  return inner_->moments;
}

Outbox& State::outbox() {
  return inner_->outbox;
}

Segments* State::segments(int model) {
  return inner_->segments[static_cast<std::size_t>(model)].get();
}

void State::WarmUp(TimePoint now) {
  Transaction work(inner_->db);  // Purchase sums of somebody who is gone may go with it.
  inner_->ledger.WarmUp();
  for (std::size_t model = 0; model < inner_->segments.size(); ++model) {
    if (inner_->segments[model] != nullptr) {
      const std::unique_ptr<Population> people = PopulationOf(static_cast<int>(model), now);
      inner_->segments[model]->WarmUp(*people, now);
    }
  }
  work.Commit();
}

std::unique_ptr<Population> State::PopulationOf(int model, TimePoint now) {
  const auto at = static_cast<std::size_t>(model);
  const Workspace& workspace = inner_->workspace;
  inner_->FollowReads(at);
  const std::optional<ModelPosition> position = PositionOf(inner_->db, workspace.models[at].id);
  inner_->slots_before[model] = position.value_or(ModelPosition());
  LedgerPopulation::Learned learned;
  Fits fits = processes().Before(model);
  learned.purchases = !fits.empty();
  const bool lines =
      position.has_value() && inner_->AnyLearned(inner_->models_read[at], position->time);
  if (learned.purchases || lines) {
    learned.before =
        inner_->InputsWith(std::move(fits), lines ? std::optional(position->time) : std::nullopt);
  }
  for (std::size_t reader = 0; reader < inner_->models_read.size(); ++reader) {
    const auto last = inner_->models_read[reader].contains(model) && inner_->segments[reader]
                          ? PositionOf(inner_->db, workspace.models[reader].id)
                          : std::nullopt;
    if (last) {
      learned.readers_since = std::min(learned.readers_since.value_or(last->time), last->time);
    }
  }
  return std::make_unique<LedgerPopulation>(inner_->ledger, inner_->inputs, std::move(learned),
                                            inner_->reads[at], workspace.models[at].of,
                                            position.value_or(ModelPosition()), now);
}

std::unique_ptr<Inputs> State::BeforeLearning(const Expr& expr, TimePoint now) const {
  FactsRead reads;
  std::set<int> models;
  AddReads(expr, inner_->workspace, reads, models);
  Fits fits = inner_->processes.BeforeCycle();
  const TimePoint before = now - Duration(1);
  const bool lines = inner_->AnyLearned(models, before);
  if (fits.empty() && !lines) {
    return nullptr;
  }
  return inner_->InputsWith(std::move(fits), lines ? std::optional(before) : std::nullopt);
}

std::vector<std::unique_ptr<Population>> State::FactsBehind(const Expr& expr, Subject of,
                                                            const ModelPosition& since,
                                                            TimePoint now) const {
  FactsRead reads;
  std::set<int> models;
  AddReads(expr, inner_->workspace, reads, models);
  std::vector<std::unique_ptr<Population>> all;
  const auto add = [&](const FactsRead& of_these, const ModelPosition& from) {
    all.push_back(std::make_unique<LedgerPopulation>(
        inner_->ledger, inner_->inputs, LedgerPopulation::Learned(), of_these, of, from, now));
  };
  add(WithRefunds(std::move(reads), inner_->workspace.schema), since);
  for (const int model : models) {
    const auto at = static_cast<std::size_t>(model);
    const auto last = PositionOf(inner_->db, inner_->workspace.models[at].id);
    const auto before = inner_->slots_before.find(model);
    if (last && last->time == now && before != inner_->slots_before.end()) {
      add(inner_->reads[at], before->second);
    }
  }
  return all;
}

double State::Evaluate(const Expr& expr, CustomerIndex customer, TimePoint now,
                       std::optional<TimePoint> run_started, Trace* trace) const {
  const Workspace& workspace = inner_->workspace;
  const Moment moment{now, workspace.schema.timezone};
  inner_->processes.Ready(inner_->columns.edge());
  if (!run_started) {
    return ExecuteOne(expr, inner_->inputs, moment, customer, workspace.pool.get(),
                      &workspace.schema, trace);
  }
  const RunInputs inputs(inner_->inputs, workspace, inner_->ledger, *run_started, now);
  return ExecuteOne(expr, inputs, moment, customer, workspace.pool.get(), &workspace.schema, trace);
}

Zone State::ZoneOf(CustomerIndex customer) const {
  const Workspace& workspace = inner_->workspace;
  const auto named = [&](CustomerIndex who, int trait) -> std::optional<Zone> {
    const TraitState* state = inner_->ledger.Trait(who, trait);
    const std::string* name = state == nullptr ? nullptr : std::get_if<std::string>(&state->value);
    const Result<Zone> zone = name == nullptr ? Result<Zone>(Error("")) : Zone::Find(*name);
    return zone ? std::optional(*zone) : std::nullopt;
  };
  if (workspace.timezone_trait && !IsAccount(customer)) {
    if (const auto zone = named(customer, *workspace.timezone_trait)) {
      return *zone;
    }
  }
  const std::optional<CustomerIndex> account =
      IsAccount(customer) ? customer : inner_->ledger.AccountOf(customer);
  if (account && workspace.account_timezone_trait) {
    const int trait = workspace.schema.AccountTrait(*workspace.account_timezone_trait);
    if (const auto zone = named(*account, trait)) {
      return *zone;
    }
  }
  return workspace.schema.timezone;
}

RenderContext State::ContextOf(CustomerIndex customer, TimePoint now) const {
  const Workspace& workspace = inner_->workspace;
  RenderContext context;
  context.inputs = &inputs();
  context.schema = &workspace.schema;
  context.pool = workspace.pool.get();
  context.moment = {now, workspace.schema.timezone};
  context.customer = customer;
  context.zone = ZoneOf(customer);
  context.common = &inner_->common_names;
  // Signed for a reader only.
  const std::string& key = inner_->ledger.CustomerKey(customer);
  const std::string who =
      inner_->db.thrown_away() ? key : PersonPath({inner_->options.links_key, workspace.id}, key);
  context.names["links.unsubscribe"] = workspace.serve_url + "/unsubscribe/" + who;
  context.names["links.preferences"] = workspace.serve_url + "/preferences/" + who;
  return context;
}

std::optional<std::string> State::NewAddress(const Delivery& delivery) const {
  const Workspace& workspace = inner_->workspace;
  if (delivery.kind != DeliveryKind::kMessage || delivery.payload.channel != "email" ||
      !workspace.email_trait || !inner_->ledger.IsAlive(delivery.customer)) {
    return std::nullopt;
  }
  std::string address = inner_->host->TextTrait(delivery.customer, *workspace.email_trait);
  return ToLower(address) == ToLower(delivery.payload.to) ? std::nullopt
                                                          : std::optional(std::move(address));
}

std::string State::MayNotSend(const Delivery& delivery, TimePoint now) const {
  if (!Removes(delivery) && !inner_->ledger.IsAlive(delivery.customer)) {
    return "suppressed";  // An erased one still leaves the lists of the ad tools.
  }
  if (inner_->playbooks->offers().IsOver(delivery.key, now)) {
    return "no_code";
  }
  // An ad reaches a person as a message does; tasks, fields and events reach colleagues and tools.
  const bool joins = delivery.kind == DeliveryKind::kAudience && !Removes(delivery);
  if (delivery.kind != DeliveryKind::kMessage && !joins) {
    return "";
  }
  if (!joins && delivery.payload.to.empty()) {
    return "no_address";
  }
  if (!AllowsAddress(inner_->workspace, delivery.payload.to)) {
    return "not_allowed";
  }
  if (!inner_->host->Suppressed(delivery.customer, delivery.payload.to).empty()) {
    return "suppressed";
  }
  if (now > delivery.stale_after) {
    return "stale";
  }
  return WithoutConsent(delivery);
}

std::string State::WithoutConsent(const Delivery& delivery) const {
  const Workspace& workspace = inner_->workspace;
  const bool service = delivery.purpose == PurposeName(Purpose::kService);
  const auto topic = workspace.topic_consent.find(TopicOf(workspace, delivery));
  if (!service && topic != workspace.topic_consent.end() &&
      !inner_->host->YesNoTrait(delivery.customer, topic->second, nullptr).value_or(true)) {
    return "no_topic_consent";
  }
  const auto channel = workspace.consent.find(delivery.payload.channel);
  // A list at an ad tool is advertising, whatever the playbook is for.
  const bool asked = !service || delivery.kind == DeliveryKind::kAudience;
  if (!asked || channel == workspace.consent.end() ||
      inner_->host->YesNoTrait(delivery.customer, channel->second, nullptr).value_or(false)) {
    return "";
  }
  return "no_consent";
}

void State::Suppress(std::string_view address_or_key, std::string_view reason, TimePoint now) {
  const auto add = [&](std::string_view who) {
    Statement insert =
        inner_->db.Prepare("INSERT OR IGNORE INTO suppression(who, reason, at) VALUES (?, ?, ?)");
    insert.Bind(1, SuppressedName(who)).Bind(2, reason).Bind(3, ToMicros(now)).Run();
  };
  add(address_or_key);
  if (const auto customer = inner_->ledger.FindCustomer(address_or_key)) {
    add(inner_->ledger.CustomerKey(*customer));  // The key may be one that was merged away.
  }
}

void State::CarrySuppressions() {
  const Ledger& ledger = inner_->ledger;
  for (const CustomerIndex customer : ledger.departed()) {
    const CustomerIndex survivor = ledger.Survivor(customer);
    if (survivor == customer) {
      continue;
    }
    Statement carry = inner_->db.Prepare(
        "INSERT OR IGNORE INTO suppression(who, reason, at) "
        "SELECT ?, reason, at FROM suppression WHERE who = ?");
    carry.Bind(1, SuppressedName(ledger.CustomerKey(survivor)))
        .Bind(2, SuppressedName(ledger.CustomerKey(customer)))
        .Run();
  }
}

}  // namespace segue
