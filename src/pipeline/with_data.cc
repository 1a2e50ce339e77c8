#include "pipeline/with_data.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "pipeline/inputs.h"
#include "pipeline/process_names.h"
#include "pipeline/processes.h"

namespace segue {
namespace {

constexpr std::int64_t kPeopleForLearning = 100;
// Texts are made in earnest, so of many people the first few hundred speak for all.
constexpr std::size_t kTextsTried = 500;
constexpr std::size_t kSeenMax = 10'000;
constexpr std::size_t kNamedMost = 5;

template <typename Visit>
void ForEachStepIn(const std::vector<Step>& steps, const Visit& visit) {
  for (const Step& step : steps) {
    visit(step);
    ForEachStepIn(step.then_steps, visit);
    ForEachStepIn(step.else_steps, visit);
  }
}

class DataLint {
 public:
  DataLint(State& state, TimePoint now) : state_(state), workspace_(state.workspace()), now_(now) {}

  Diagnostics Run() {
    Models();
    Processes();
    Conditions();
    Names();
    Texts();
    Overlaps();
    SetAside();
    return std::move(found_);
  }

 private:
  using People = std::vector<CustomerIndex>;

  void Warn(std::string_view code, const Place& place, std::string message, std::string help) {
    found_.push_back(
        {Severity::kWarning, std::string(code), place, std::move(message), {}, std::move(help)});
  }

  // Everybody whom something is about.
  People All(Subject of) const {
    const Ledger& ledger = state_.ledger();
    const CustomerIndex first = of == Subject::kAccount ? kFirstAccount : 0;
    const CustomerIndex count =
        of == Subject::kAccount ? ledger.account_count() : ledger.customer_count();
    People all;
    for (CustomerIndex i = 0; i < count; ++i) {
      if (ledger.IsAlive(first + i)) {
        all.push_back(first + i);
      }
    }
    return all;
  }

  static std::string_view Whom(Subject of) {
    return of == Subject::kAccount ? "accounts" : "customers";
  }

  // Those of them for whom a condition holds now.
  People Holding(const Expr& expr, const Zone& zone, Subject of) const {
    const Ledger& ledger = state_.ledger();
    const CustomerIndex first = of == Subject::kAccount ? kFirstAccount : 0;
    const CustomerIndex count =
        of == Subject::kAccount ? ledger.account_count() : ledger.customer_count();
    People holding;
    std::vector<double> block(kBlock);
    for (CustomerIndex done = 0; done < count; done += static_cast<CustomerIndex>(kBlock)) {
      const std::span<double> out(block.data(), std::min<std::size_t>(kBlock, count - done));
      ExecuteBlock(expr, state_.inputs(), {now_, zone}, first + done, out);
      for (std::size_t i = 0; i < out.size(); ++i) {
        const CustomerIndex who = first + done + static_cast<CustomerIndex>(i);
        if (IsTrue(out[i]) && ledger.IsAlive(who)) {
          holding.push_back(who);
        }
      }
    }
    return holding;
  }

  // SG013, SG070
  void Models() {
    for (std::size_t i = 0; i < workspace_.models.size(); ++i) {
      const Segments* segments = state_.segments(static_cast<int>(i));
      const Model& model = workspace_.models[i];
      if (segments == nullptr || !segments->last_slot()) {
        continue;  // Who stands where is not known yet.
      }
      const bool learns = std::any_of(model.scores.begin(), model.scores.end(),
                                      [](const Score& score) { return score.learned(); });
      if (const std::int64_t people = segments->lines().people;
          learns && people < kPeopleForLearning) {
        const auto score = std::find_if(model.scores.begin(), model.scores.end(),
                                        [](const Score& one) { return one.learned(); });
        Warn(
            "SG013", score->place,
            fmt::format("the lines of {} were learned from {} {}: with fewer than {}, each new one "
                        "shifts them",
                        model.id, people, Whom(model.of), kPeopleForLearning),
            "write `cuts` until there are more");
      }
      const std::vector<std::int64_t> counts = segments->CountBySegment();
      for (std::size_t segment = 0; segment < counts.size(); ++segment) {
        if (counts[segment] == 0) {
          Warn("SG070", model.segments[segment].place,
               fmt::format("nobody of {} {} is in segment {} of {}", All(model.of).size(),
                           Whom(model.of), model.segments[segment].id, model.id),
               "a playbook that waits for it starts nobody: see `segue segments " + model.id + "`");
        }
      }
    }
  }

  // SG013
  void Processes() {
    const segue::Processes& processes = state_.processes();
    for (std::size_t i = 0; i < processes.latest().size(); ++i) {
      const PurchaseProcess& process = processes.names().all[i];
      std::int64_t again = 0;
      for (const CustomerIndex customer : All(Subject::kCustomer)) {
        const auto bought = processes.CustomerOf(static_cast<int>(i), -1, customer);
        again += bought && bought->history.repeats > 0 ? 1 : 0;
      }
      if (again < kPeopleForLearning) {
        Warn("SG013", PlaceOfProcess(static_cast<int>(i)),
             fmt::format("{} of {} customers had {} on two days: with fewer than {} nothing is "
                         "learned, and churn_risk, alive and the like have no data",
                         again, All(Subject::kCustomer).size(), process.canonical,
                         kPeopleForLearning),
             "usual_gap is the plain alternative");
      }
    }
  }

  // Where a process is first named.
  Place PlaceOfProcess(int process) const {
    Place place;
    ForEachCondition([&](const Condition& condition, const Zone&, std::optional<Subject>) {
      ForEachLeaf(condition.expr, [&](const Expr& leaf) {
        const auto& calls = state_.processes().names().calls;
        const auto call = leaf.leaf.kind == Leaf::Kind::kPurchaseProcess
                              ? calls.find(leaf.leaf.index)
                              : calls.end();
        if (place.file < 0 && call != calls.end() && call->second.process == process) {
          place = condition.place;
        }
      });
    });
    return place;
  }

  using OnCondition =
      std::function<void(const Condition&, const Zone&, std::optional<Subject> asked_of_all)>;

  // Every condition of the files that are at work.  With a subject: one that nobody fulfils is
  // worth a word, and that can be asked of everybody.
  void ForEachCondition(const OnCondition& visit) const {
    const Zone& zone = workspace_.schema.timezone;
    const auto maybe = [&](const std::optional<Condition>& condition, const Zone& of_zone,
                           std::optional<Subject> of) {
      if (condition) {
        visit(*condition, of_zone, of);
      }
    };
    for (const Model& model : workspace_.models) {
      if (model.draft) {
        continue;
      }
      maybe(model.who, model.timezone, model.of);
      for (const Feature& feature : model.features) {
        visit(feature.value, model.timezone, {});
      }
      for (const Score& score : model.scores) {
        maybe(score.from, model.timezone, {});
        for (const Points& points : score.points) {
          visit(points.when, model.timezone, {});
        }
      }
      for (const Segment& segment : model.segments) {
        maybe(segment.when, model.timezone, {});
      }
      for (const Flag& flag : model.flags) {
        visit(flag.on, model.timezone, {});
      }
    }
    for (const Playbook& playbook : workspace_.playbooks) {
      if (playbook.status == Status::kDraft) {
        continue;
      }
      for (const Condition& when : playbook.when) {
        visit(when, zone, playbook.of);
      }
      maybe(playbook.on.while_holds, zone, playbook.of);
      maybe(playbook.exit, zone, {});
      if (playbook.goal) {
        maybe(playbook.goal->when, zone, {});
      }
      ForEachStepIn(playbook.steps, [&](const Step& step) {
        maybe(step.until, zone, {});
        maybe(step.condition, zone, {});
      });
    }
    for (const Policy& policy : workspace_.policies) {
      for (const Condition& when : policy.when) {
        visit(when, zone, Subject::kCustomer);
      }
    }
  }

  static bool AsksOwn(const Expr& expr) {
    bool own = false;
    ForEachLeaf(expr, [&](const Expr& leaf) {
      own |= leaf.leaf.kind == Leaf::Kind::kOwnFeature || leaf.leaf.kind == Leaf::Kind::kOwnScore;
    });
    return own;
  }

  // SG070
  void Conditions() {
    ForEachCondition([&](const Condition& condition, const Zone& zone, std::optional<Subject> of) {
      if (!of || AsksOwn(condition.expr)) {
        return;
      }
      const std::size_t all = All(*of).size();
      if (all > 0 && Holding(condition.expr, zone, *of).empty()) {
        Warn("SG070", condition.place,
             fmt::format("this matches nobody of {} {} now: {}", all, Whom(*of), condition.text),
             "is it spelled as the data has it? `segue explain CUSTOMER` shows what it sees");
      }
    });
  }

  // SG071, at the first place of each name.
  void Names() {
    ForEachCondition([&](const Condition& condition, const Zone&, std::optional<Subject>) {
      ForEachLeaf(condition.expr, [&](const Expr& leaf) { Leafs(leaf, condition.place); });
      Values(condition.expr, condition.place);
    });
  }

  void Leafs(const Expr& leaf, const Place& place) {
    const Schema& schema = workspace_.schema;
    switch (leaf.leaf.kind) {
      case Leaf::Kind::kAggregate:
      case Leaf::Kind::kPurchaseProcess: {
        const Aggregate& aggregate =
            workspace_.aggregates.all()[static_cast<std::size_t>(leaf.leaf.index)];
        if (asked_events_.insert(aggregate.event).second && !Happened(aggregate.event)) {
          Warn("SG071", place,
               fmt::format("no {} ever came",
                           schema.events[static_cast<std::size_t>(aggregate.event)].name),
               "does a source bring it, under this name?");
        }
        for (const Expr& where : aggregate.where) {
          FieldValues(where, aggregate.event, place);
        }
        return;
      }
      case Leaf::Kind::kTrait:
      case Leaf::Kind::kAccountTrait: {
        const bool account = leaf.leaf.kind == Leaf::Kind::kAccountTrait;
        const int trait = account ? schema.AccountTrait(leaf.leaf.index) : leaf.leaf.index;
        if (asked_traits_.insert(trait).second && !IsFilled(trait)) {
          Warn("SG071", place,
               fmt::format("no {} has {}{}", account ? "account" : "customer",
                           account ? "account." : "customer.", schema.TraitAt(trait).name),
               "does a source bring it, under this name?");
        }
        return;
      }
      default:
        return;
    }
  }

  bool Happened(int event) const {
    bool any = false;
    state_.ledger().Scan(event, TimePoint::min(), TimePoint::max(), EventParts(),
                         [&](const StoredEvent&) { any = true; });
    return any;
  }

  bool IsFilled(int trait) const {
    const std::span<const double> column = state_.ledger().TraitColumn(trait);
    return std::any_of(column.begin(), column.end(), [](double value) { return value == value; });
  }

  // `customer.plan is 'pro'`, where nobody's plan ever was.
  void Values(const Expr& expr, const Place& place) {
    for (const Expr& arg : expr.args) {  // A parsed tree: its depth is limited.
      Values(arg, place);
    }
    const bool compares =
        expr.op == Op::kIs || expr.op == Op::kIsNot || expr.op == Op::kIn || expr.op == Op::kNotIn;
    if (!compares || expr.args[0].op != Op::kLeaf) {
      return;
    }
    const Expr& leaf = expr.args[0];
    const bool account = leaf.leaf.kind == Leaf::Kind::kAccountTrait;
    if (!IsText(leaf.type) || (leaf.leaf.kind != Leaf::Kind::kTrait && !account)) {
      return;
    }
    const int trait = account ? workspace_.schema.AccountTrait(leaf.leaf.index) : leaf.leaf.index;
    const std::span<const double> column = state_.ledger().TraitColumn(trait);
    for (std::size_t i = 1; i < expr.args.size(); ++i) {
      if (expr.args[i].op == Op::kLiteral && IsFilled(trait) &&
          std::find(column.begin(), column.end(), expr.args[i].literal) == column.end()) {
        Unseen(leaf.leaf.name, TextOf(expr.args[i]), place);
      }
    }
  }

  static bool IsText(const ExprType& type) {
    return type.type == Type::kText || type.type == Type::kChoice;
  }

  const std::string& TextOf(const Expr& literal) const {
    return workspace_.pool->Text(static_cast<std::uint32_t>(literal.literal));
  }

  void Unseen(const std::string& name, const std::string& text, const Place& place) {
    if (unseen_.emplace(name, text).second) {
      Warn("SG071", place,
           fmt::format("{} is '{}' of nobody, and never was as far as it is kept", name, text),
           "upper and lower case count; look at the values with `segue customer show`");
    }
  }

  // The same inside `where`.
  void FieldValues(const Expr& expr, int event, const Place& place) {
    for (const Expr& arg : expr.args) {
      FieldValues(arg, event, place);
    }
    const bool compares = expr.op == Op::kIs || expr.op == Op::kIn;
    if (!compares || expr.args[0].op != Op::kLeaf || !IsText(expr.args[0].type) ||
        expr.args[0].leaf.kind != Leaf::Kind::kEventField) {
      return;
    }
    const int field = expr.args[0].leaf.index;
    const std::set<std::string>& seen = Seen(event, field);
    for (std::size_t i = 1; i < expr.args.size(); ++i) {
      const bool literal = expr.args[i].op == Op::kLiteral;
      if (literal && !seen.empty() && seen.size() < kSeenMax &&
          !seen.contains(TextOf(expr.args[i]))) {
        const EventSpec& spec = workspace_.schema.events[static_cast<std::size_t>(event)];
        Unseen(spec.name + "." + spec.fields[static_cast<std::size_t>(field)].name,
               TextOf(expr.args[i]), place);
      }
    }
  }

  const std::set<std::string>& Seen(int event, int field) {
    const auto entry = seen_.try_emplace({event, field});
    std::set<std::string>& texts = entry.first->second;
    if (entry.second) {
      EventParts parts;
      parts.fields = {field};
      state_.ledger().Scan(
          event, TimePoint::min(), TimePoint::max(), parts, [&](const StoredEvent& stored) {
            const auto* text =
                std::get_if<std::string>(&stored.fields[static_cast<std::size_t>(field)]);
            if (text != nullptr && texts.size() < kSeenMax) {
              texts.insert(*text);
            }
          });
    }
    return texts;
  }

  // Those who would start a playbook if they came to it now, as far as the data says.
  People Starting(const Playbook& playbook) const {
    const Trigger& on = playbook.on;
    if (on.kind == Trigger::Kind::kEvery && on.while_holds) {
      return Holding(on.while_holds->expr, workspace_.schema.timezone, playbook.of);
    }
    const Segments* segments = on.model < 0 ? nullptr : state_.segments(on.model);
    People all = All(playbook.of);
    std::erase_if(all, [&](CustomerIndex who) {
      if (segments == nullptr) {
        return false;
      }
      const Membership member = segments->Get(who);
      if (on.kind == Trigger::Kind::kFlag) {
        return !member.flags[static_cast<std::size_t>(on.flag)];
      }
      return member.segment == kNoSegment ||
             (!on.to.empty() &&
              std::find(on.to.begin(), on.to.end(), member.segment) == on.to.end());
    });
    return all;
  }

  // The people of it: of an account its contact.
  People Written(const Playbook& playbook) const {
    People people;
    for (const CustomerIndex who : Starting(playbook)) {
      const auto person =
          IsAccount(who) ? ContactOf(workspace_, state_.ledger(), who) : std::optional(who);
      if (person) {
        people.push_back(*person);
      }
    }
    return people;
  }

  // SG072
  void Texts() {
    std::set<std::string> tried;
    for (const Playbook& playbook : workspace_.playbooks) {
      if (playbook.status == Status::kDraft) {
        continue;
      }
      ForEachStepIn(playbook.steps, [&](const Step& step) {
        const Template* made =
            step.kind == Step::Kind::kSend ? workspace_.FindTemplate(step.send) : nullptr;
        if (made != nullptr && tried.insert(made->id).second) {
          Try(made->place, "template " + made->id, playbook, [&](const RenderContext& context) {
            const Result<RenderedMessage> message = state_.templates().Render(made->id, context);
            return message ? std::string() : message.error().message();
          });
        }
        if (step.kind == Step::Kind::kTask) {
          Try(step.place, "this task", playbook, [&](const RenderContext& context) {
            const Result<std::string> title =
                state_.templates().RenderText(step.title, context, Escape::kHeader);
            return title ? std::string() : title.error().message();
          });
        }
      });
    }
  }

  void Try(const Place& place, const std::string& what, const Playbook& playbook,
           const std::function<std::string(const RenderContext&)>& render) {
    People people = Written(playbook);
    people.resize(std::min(people.size(), kTextsTried));
    std::map<std::string, std::int64_t> failures;
    for (const CustomerIndex who : people) {
      RenderContext context = state_.ContextOf(who, now_);
      for (const char* name : {"offer.code", "offer.terms"}) {
        context.names[name] = "SAMPLE";
      }
      context.names["offer.expires"] = FormatTime(now_);
      if (const std::string failure = render(context); !failure.empty()) {
        ++failures[failure];
      }
    }
    for (const auto& [failure, count] : failures) {
      Warn("SG072", place,
           fmt::format("{} cannot be made for {} of {} people whom {} would reach: {}", what, count,
                       people.size(), playbook.id, failure),
           "give the value a default, or fill it");
    }
  }

  // Purpose and channels of what a playbook sends.
  std::set<std::string> ChannelsOf(const Playbook& playbook) const {
    std::set<std::string> channels;
    ForEachStepIn(playbook.steps, [&](const Step& step) {
      const Template* made =
          step.kind == Step::Kind::kSend ? workspace_.FindTemplate(step.send) : nullptr;
      if (made != nullptr) {
        channels.insert(made->channel);
      }
    });
    return channels;
  }

  bool Caps(const Cap& cap, const Playbook& playbook) const {
    const std::set<std::string> channels = ChannelsOf(playbook);
    return (!cap.purpose || *cap.purpose == playbook.purpose) && !channels.empty() &&
           (cap.channel.empty() || channels.contains(cap.channel));
  }

  // SG041
  void Overlaps() {
    std::vector<const Playbook*> sending;
    std::vector<People> people;
    for (const Playbook& playbook : workspace_.playbooks) {
      const bool live = playbook.status == Status::kLive || playbook.status == Status::kShadow;
      const bool capped = std::any_of(workspace_.caps.begin(), workspace_.caps.end(),
                                      [&](const Cap& cap) { return Caps(cap, playbook); });
      // Whom an event will start, nobody knows.
      if (live && capped && playbook.on.kind != Trigger::Kind::kEvent) {
        sending.push_back(&playbook);
        people.push_back(Written(playbook));
        std::sort(people.back().begin(), people.back().end());
      }
    }
    for (std::size_t a = 0; a < sending.size(); ++a) {
      std::vector<std::string> others;
      for (std::size_t b = a + 1; b < sending.size(); ++b) {
        const bool together = std::any_of(
            workspace_.caps.begin(), workspace_.caps.end(),
            [&](const Cap& cap) { return Caps(cap, *sending[a]) && Caps(cap, *sending[b]); });
        if (!together || sending[a]->lane == sending[b]->lane) {
          continue;
        }
        People both;
        std::set_intersection(people[a].begin(), people[a].end(), people[b].begin(),
                              people[b].end(), std::back_inserter(both));
        if (!both.empty()) {
          others.push_back(fmt::format("{} ({})", sending[b]->id, both.size()));
        }
      }
      if (others.empty()) {
        continue;
      }
      const std::size_t more = others.size() - std::min(others.size(), kNamedMost);
      others.resize(others.size() - more);
      Warn("SG041", sending[a]->place,
           fmt::format("{} shares people with other lanes under one cap: {}{}", sending[a]->id,
                       Join(others, ", "), more == 0 ? "" : fmt::format(" and {} more", more)),
           "whoever is in two waits as `on_cap` says or gets one of them: put them in one lane, or "
           "set priorities");
    }
  }

  // SG073
  void SetAside() {
    for (const Source& source : workspace_.sources) {
      Statement rows = state_.db().Prepare(
          "SELECT column, min(reason), count(*) FROM bad_row WHERE source = ? GROUP BY column "
          "ORDER BY count(*) DESC, column LIMIT 5");
      rows.Bind(1, source.id);
      while (rows.Step()) {
        Warn("SG073", source.place,
             fmt::format("{} set {} rows aside{}: {}", source.id, rows.Int(2),
                         rows.Text(0).empty() ? "" : " because of `" + rows.Text(0) + "`",
                         rows.Text(1)),
             "mend the file and it is read again, or declare the field as it is");
      }
      Statement cursor = state_.db().Prepare("SELECT cursor FROM source_state WHERE source = ?");
      cursor.Bind(1, source.id);
      for (const std::string& lack : LacksIn(cursor.Step() ? cursor.Text(0) : "")) {
        Warn("SG073", source.place, source.id + ": " + lack,
             "give the rows that column, name another in `map`, or declare no such field");
      }
    }
  }

  State& state_;
  const Workspace& workspace_;
  TimePoint now_;
  Diagnostics found_;
  std::set<int> asked_events_, asked_traits_;
  std::set<std::pair<std::string, std::string>> unseen_;
  std::map<std::pair<int, int>, std::set<std::string>> seen_;
};

}  // namespace

Diagnostics LintWithData(State& state, TimePoint now) {
  return DataLint(state, now).Run();
}

}  // namespace segue
