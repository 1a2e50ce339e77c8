// State: opens every stage over one state file and joins them for the two loops.

#include "segments/state.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "pipeline/host.h"
#include "pipeline/inputs.h"
#include "pipeline/links.h"
#include "pipeline/pipeline.h"
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

// Event kinds and traits that a model looks at, directly or through another model.
struct FactsRead {
  std::set<int> kinds;
  std::set<int> traits;
};

void AddReads(const Expr& expr, const Workspace& workspace, FactsRead& reads,
              std::set<int>& models) {
  ForEachFactRead(expr, workspace.aggregates, [&](bool is_event, int index) {
    (is_event ? reads.kinds : reads.traits).insert(index);
  });
  if (expr.op == Op::kLeaf && expr.leaf.kind == Leaf::Kind::kInsight) {
    for (const Insight::Action& action : workspace.Published(expr.leaf.model)->actions) {
      reads.kinds.insert(action.event);
    }
  } else if (expr.op == Op::kLeaf && expr.leaf.model >= 0) {
    models.insert(expr.leaf.model);
  }
  if (expr.op == Op::kLeaf && workspace.IsOfAccount(expr.leaf) && workspace.account_trait) {
    reads.traits.insert(*workspace.account_trait);
  }
  if (expr.op == Op::kLeaf && expr.leaf.kind == Leaf::Kind::kAccountTrait) {
    reads.traits.insert(workspace.schema.AccountTrait(expr.leaf.index));
  }
  for (const Expr& arg : expr.args) {
    AddReads(arg, workspace, reads, models);
  }
}

FactsRead ReadsOf(int model, const Workspace& workspace) {
  FactsRead reads;
  std::set<int> wanted{model};
  std::set<int> done;
  while (done.size() < wanted.size()) {
    const auto next =
        std::find_if(wanted.begin(), wanted.end(), [&](int m) { return !done.contains(m); });
    done.insert(*next);
    std::set<int> more;
    ForEachExpression(workspace.models[static_cast<std::size_t>(*next)],
                      [&](const Expr& expr) { AddReads(expr, workspace, reads, more); });
    wanted.insert(more.begin(), more.end());
  }
  if (workspace.models[static_cast<std::size_t>(model)].of == Subject::kAccount &&
      workspace.account_trait) {
    reads.traits.insert(*workspace.account_trait);  // Whoever joins brings their events along.
  }
  // What takes an event back changes it too.
  for (std::size_t kind = 0; kind < workspace.schema.events.size(); ++kind) {
    const std::optional<int> reverses = workspace.schema.events[kind].reverses;
    if (reverses && reads.kinds.contains(*reverses)) {
      reads.kinds.insert(static_cast<int>(kind));
    }
  }
  return reads;
}

// Who changed since a model's last slot is asked only when somebody may move.
class LedgerPopulation final : public Population {
 public:
  struct Since {
    Sequence sequence = 0;
    TimePoint time;
  };

  // `before` may be null.
  LedgerPopulation(const Ledger& ledger, const Inputs& inputs, std::unique_ptr<Inputs> before,
                   FactsRead reads, Subject of, Since since, TimePoint now)
      : ledger_(ledger),
        inputs_(inputs),
        account_inputs_(inputs),
        before_(std::move(before)),
        reads_(std::move(reads)),
        base_(of == Subject::kAccount ? kFirstAccount : 0),
        since_(since),
        now_(now) {}

  CustomerIndex count() const override {
    return IsAccount(base_) ? ledger_.account_count() : ledger_.customer_count();
  }

  bool IsAlive(CustomerIndex customer) const override { return ledger_.IsAlive(base_ + customer); }

  bool AllAlive() const override { return IsAccount(base_) || ledger_.AllAlive(); }

  void Prepare() const override { Find(0); }

  const std::string& Key(CustomerIndex customer) const override {
    return ledger_.CustomerKey(base_ + customer);
  }

  const Inputs& inputs() const override {
    return IsAccount(base_) ? static_cast<const Inputs&>(account_inputs_) : inputs_;
  }

  const Inputs* inputs_before() const override { return before_.get(); }

  std::optional<Cause> CauseSince(CustomerIndex customer) const override {
    const Touch* touch = Find(customer);
    if (touch == nullptr) {
      return std::nullopt;
    }
    return touch->merged ? Cause::kMerge : touch->late ? Cause::kImport : Cause::kBehaviour;
  }

  bool FirstFactWasLate(CustomerIndex customer) const override {
    const Touch* touch = Find(customer);
    return touch != nullptr && touch->late;
  }

 private:
  const Touch* Find(CustomerIndex customer) const {
    if (!touched_) {
      Ask();
    }
    const auto found =
        std::lower_bound(touched_->begin(), touched_->end(), base_ + customer,
                         [](const Touch& touch, CustomerIndex c) { return touch.customer < c; });
    return found == touched_->end() || found->customer != base_ + customer ? nullptr : &*found;
  }

  void Ask() const {
    const std::vector<int> kinds(reads_.kinds.begin(), reads_.kinds.end());
    const std::vector<int> traits(reads_.traits.begin(), reads_.traits.end());
    touched_ = ledger_.Touched(since_.sequence, since_.time, now_, kinds, traits);
    std::vector<Touch> more;
    for (const Touch& touch : *touched_) {
      if (IsAccount(base_) && !IsAccount(touch.customer)) {
        // What a customer does, their account does; that two of them were one is no news to it.
        if (const auto account = ledger_.AccountOf(touch.customer)) {
          more.push_back({.customer = *account, .late = touch.late});
        }
      } else if (!IsAccount(base_) && IsAccount(touch.customer)) {
        for (const CustomerIndex member : ledger_.MembersOf(touch.customer)) {
          more.push_back({.customer = member, .late = touch.late});
        }
      }
    }
    if (more.empty()) {
      return;
    }
    touched_->insert(touched_->end(), more.begin(), more.end());
    std::stable_sort(touched_->begin(), touched_->end(),
                     [](const Touch& a, const Touch& b) { return a.customer < b.customer; });
    std::vector<Touch> once;
    for (const Touch& touch : *touched_) {
      if (once.empty() || once.back().customer != touch.customer) {
        once.push_back(touch);
      } else {
        once.back().late = once.back().late || touch.late;
        once.back().merged = once.back().merged || touch.merged;
      }
    }
    touched_ = std::move(once);
  }

  const Ledger& ledger_;
  const Inputs& inputs_;
  AccountInputs account_inputs_;
  std::unique_ptr<Inputs> before_;
  FactsRead reads_;
  CustomerIndex base_;  // Number of the first whom the model is about.
  Since since_;
  TimePoint now_;
  mutable std::optional<std::vector<Touch>> touched_;
};

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

}  // namespace

struct State::Inner {
  Inner(Database& db_in, const Workspace& workspace_in, const Templates& templates_in,
        TimePoint now, StateOptions options_in)
      : db(db_in),
        workspace(workspace_in),
        templates(templates_in),
        options(std::move(options_in)),
        ledger(Prepared(db_in), workspace_in.schema, *workspace_in.pool),
        columns(ledger, db_in, workspace_in.schema, *workspace_in.pool, workspace_in.aggregates,
                Begins(db_in, now)),
        processes(db_in, workspace_in, ledger),
        segments(OpenModels(db_in, workspace_in)),
        moments(db_in, workspace_in, ledger),
        inputs(workspace_in, ledger, columns, processes, segments, moments),
        outbox(db_in) {
    SettleRates(db, workspace);
    ledger.SetConsentTraits(ConsentTraits(workspace));
    for (const int trait : TraitsInModels(workspace)) {
      ledger.TraitColumn(trait);  // Models read on several threads, and then it must be there.
    }
    if (workspace.account_trait) {
      ledger.SetAccountTrait(*workspace.account_trait);
    }
    moments.Advance(columns.edge());
    for (std::size_t model = 0; model < workspace.models.size(); ++model) {
      reads.push_back(ReadsOf(static_cast<int>(model), workspace));
    }
  }

  // A cycle that was cut off must find the windows where it left them, not where they are by now.
  static TimePoint Begins(Database& db, TimePoint now) {
    Statement find = db.Prepare("SELECT min(now) FROM cycle WHERE finished = 0");
    return find.Step() && !find.IsNull(0) ? std::min(now, FromMicros(find.Int(0))) : now;
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
  std::vector<FactsRead> reads;  // Per model.
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

std::unique_ptr<Population> State::PopulationOf(int model, TimePoint now) {
  const Model& found = inner_->workspace.models[static_cast<std::size_t>(model)];
  Statement position =
      inner_->db.Prepare("SELECT sequence, now FROM model_position WHERE model = ?");
  position.Bind(1, found.id);
  LedgerPopulation::Since since;
  if (position.Step()) {
    since = {static_cast<Sequence>(position.Int(0)), FromMicros(position.Int(1))};
  }
  position.Reset();
  std::unique_ptr<Inputs> before;
  if (Fits fits = processes().Before(model); !fits.empty()) {
    before = std::make_unique<StateInputs>(inner_->workspace, inner_->ledger, inner_->columns,
                                           inner_->processes, inner_->segments, inner_->moments,
                                           std::move(fits));
  }
  return std::make_unique<LedgerPopulation>(inner_->ledger, inner_->inputs, std::move(before),
                                            inner_->reads[static_cast<std::size_t>(model)],
                                            found.of, since, now);
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
  const Workspace& workspace = inner_->workspace;
  if (!Removes(delivery) && !inner_->ledger.IsAlive(delivery.customer)) {
    return "suppressed";  // An erased one still leaves the lists of the ad tools.
  }
  if (inner_->playbooks->offers().IsOver(delivery.key, now)) {
    return "no_code";
  }
  if (delivery.kind != DeliveryKind::kMessage) {
    return "";
  }
  if (delivery.payload.to.empty()) {
    return "no_address";
  }
  if (!workspace.allow_only.empty() &&
      std::none_of(workspace.allow_only.begin(), workspace.allow_only.end(),
                   [&](const std::string& allowed) {
                     return ToLower(allowed) == ToLower(delivery.payload.to);
                   })) {
    return "not_allowed";
  }
  if (!inner_->host->Suppressed(delivery.customer, delivery.payload.to).empty()) {
    return "suppressed";
  }
  if (now > delivery.stale_after) {
    return "stale";
  }
  if (delivery.purpose == PurposeName(Purpose::kService)) {
    return "";
  }
  const std::optional<int> playbook = workspace.FindPlaybook(delivery.playbook);
  const std::string topic =
      playbook ? workspace.playbooks[static_cast<std::size_t>(*playbook)].topic : std::string();
  if (const auto trait = workspace.topic_consent.find(topic);
      trait != workspace.topic_consent.end()) {
    if (!inner_->host->YesNoTrait(delivery.customer, trait->second, nullptr).value_or(true)) {
      return "no_topic_consent";
    }
  }
  const auto trait = workspace.consent.find(delivery.payload.channel);
  if (trait == workspace.consent.end()) {
    return "";
  }
  return inner_->host->YesNoTrait(delivery.customer, trait->second, nullptr).value_or(false)
             ? ""
             : "no_consent";
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
