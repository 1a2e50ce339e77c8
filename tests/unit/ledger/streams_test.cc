// The heart of the proof that columns are right: random streams of facts, taken in in random
// batches with seals, restarts and snapshots between them; columns that followed step by step equal
// columns built anew, and both equal a reference that keeps the plain list of facts and computes
// everything again from docs/meaning.md each time.

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "base/hash.h"
#include "expression/execute.h"
#include "support/temp_dir.h"
#include "support/thorough.h"
#include "unit/ledger/reference.h"
#include "unit/ledger/small_world.h"

namespace segue {
namespace {

using Random = std::mt19937_64;

// One of `count`, the first more often.
std::uint64_t Pick(Random& random, std::uint64_t count) {
  return random() % count;
}

struct Asked {
  const char* text;
  Question question;
};

bool BigAmount(const std::vector<Value>& fields) {
  const auto* amount = std::get_if<std::int64_t>(&fields[kAmount]);
  return amount != nullptr && *amount > 300;
}

bool TeamPlan(const std::vector<Value>& fields) {
  return fields[kPlan] == Value(std::string("team"));
}

bool NotTeamPlan(const std::vector<Value>& fields) {
  return !TeamPlan(fields);
}

bool SmallOrNegative(const std::vector<Value>& fields) {
  const auto* amount = std::get_if<std::int64_t>(&fields[kAmount]);
  return amount != nullptr && *amount < 100;
}

const std::vector<Asked>& Questions() {
  using enum AggregateOp;
  static const std::vector<Asked> kQuestions = {
      {"count(order)", {kCount, kOrder}},
      {"count(order, 2d)", {kCount, kOrder, -1, 2 * kDay}},
      {"count(order, 1d, before 2d)", {kCount, kOrder, -1, kDay, 2 * kDay}},
      {"count(order, before 36h)", {kCount, kOrder, -1, Duration(0), 36 * kHour}},
      {"count(order where amount > 3.00 EUR, 3d)",
       {kCount, kOrder, -1, 3 * kDay, Duration(0), BigAmount}},
      {"count(refund, 2d)", {kCount, kRefund, -1, 2 * kDay}},
      {"count(session, 5h)", {kCount, kSession, -1, 5 * kHour}},
      {"sum(order.amount)", {kSum, kOrder, kAmount}},
      {"sum(order.amount, 2d)", {kSum, kOrder, kAmount, 2 * kDay}},
      {"sum(order.tax, 4d, before 1d)", {kSum, kOrder, kTax, 4 * kDay, kDay}},
      {"sum(order.items)", {kSum, kOrder, kItems}},
      {"sum(order.amount where plan is 'team')",
       {kSum, kOrder, kAmount, Duration(0), Duration(0), TeamPlan}},
      {"sum(order.amount where plan is not 'team', 3d)",
       {kSum, kOrder, kAmount, 3 * kDay, Duration(0), NotTeamPlan}},
      {"sum(order.amount where amount < 1.00 EUR)",
       {kSum, kOrder, kAmount, Duration(0), Duration(0), SmallOrNegative}},
      {"sum(refund.amount, 2d)", {kSum, kRefund, kRefundAmount, 2 * kDay}},
      {"avg(order.amount)", {kAvg, kOrder, kAmount}},
      {"avg(order.items, 2d)", {kAvg, kOrder, kItems, 2 * kDay}},
      {"distinct(order.plan)", {kDistinct, kOrder, kPlan}},
      {"distinct(order.amount, 3d)", {kDistinct, kOrder, kAmount, 3 * kDay}},
      {"distinct(session.page, 12h, before 12h)",
       {kDistinct, kSession, kPage, 12 * kHour, 12 * kHour}},
      {"last(order)", {kLast, kOrder}},
      {"first(order)", {kFirst, kOrder}},
      {"last(order)", {kLast, kOrder, -1, 2 * kDay}},
      {"first(order)", {kFirst, kOrder, -1, 2 * kDay}},
      {"last(session)", {kLast, kSession, -1, 3 * kHour, 2 * kHour}},
      {"last(order.plan)", {kLastOf, kOrder, kPlan}},
      {"first(order.amount)", {kFirstOf, kOrder, kAmount}},
      {"last(order.amount)", {kLastOf, kOrder, kAmount, 2 * kDay}},
      {"first(session.page)", {kFirstOf, kSession, kPage, 8 * kHour}},
      {"last(refund.reason)", {kLastOf, kRefund, kRefundReason}},
  };
  return kQuestions;
}

// Makes up facts; few customers, ids and moments, so that they meet often.
class Stream {
 public:
  explicit Stream(std::uint64_t seed) : random_(seed) {}

  Random& random() { return random_; }

  Fact Next(double now) {
    const std::uint64_t dice = Pick(random_, 100);
    if (dice < 42) {
      return MakeOrder(now);
    }
    if (dice < 62) {
      return MakeRefund(now);
    }
    if (dice < 80) {
      Event session = Session(Customer(), Moment(now), Text("page"));
      if (Pick(random_, 5) == 0) {
        session.fields[kPage] = Value();
      }
      return session;
    }
    if (dice < 93) {
      return MakeTrait(now);
    }
    if (dice < 97) {
      return Merge{.customer = Customer(), .other = Customer(), .time = Hour(now)};
    }
    return Erase{.customer = Customer(), .time = Hour(now)};
  }

 private:
  std::string Customer() { return "c" + std::to_string(Pick(random_, 9)); }

  std::string Text(const std::string& kind) { return kind + std::to_string(Pick(random_, 3)); }

  // Whole hours, so that moments coincide with each other and with edges of windows; a few lie
  // ahead, a few far back.
  double Moment(double now) {
    const std::uint64_t dice = Pick(random_, 10);
    const double whole = std::floor(now);
    if (dice < 5) {
      return whole - static_cast<double>(Pick(random_, 6));
    }
    if (dice < 8) {
      return whole - static_cast<double>(Pick(random_, 120));
    }
    return whole + static_cast<double>(Pick(random_, 60));
  }

  Value Money() {
    return Pick(random_, 8) == 0 ? Value()
                                 : Value(static_cast<std::int64_t>(Pick(random_, 7) * 100));
  }

  std::optional<std::int64_t> Version() {
    return Pick(random_, 5) == 0 ? std::nullopt
                                 : std::optional(static_cast<std::int64_t>(Pick(random_, 6)));
  }

  Event MakeOrder(double now) {
    const std::string id = "o" + std::to_string(Pick(random_, 25));
    Event order = Order(Customer(), id, Moment(now), 0, Version());
    order.fields[kAmount] = Money();
    order.fields[kTax] = Money();
    order.fields[kPlan] =
        Pick(random_, 6) == 0 ? Value() : Value(Pick(random_, 2) == 0 ? "team" : Text("plan"));
    order.fields[kItems] = Pick(random_, 4) == 0
                               ? Value()
                               : Value(static_cast<std::int64_t>(Pick(random_, 5) * 500'000));
    if (Pick(random_, 12) == 0) {
      // Named otherwise than its dedupe text says, or not at all.
      order.fields[kOrderId] =
          Pick(random_, 3) == 0 ? Value() : Value("o" + std::to_string(Pick(random_, 25)));
    }
    if (Pick(random_, 15) == 0) {
      order.dedupe.clear();
    }
    return order;
  }

  Event MakeRefund(double now) {
    const std::string id = "r" + std::to_string(Pick(random_, 12));
    const std::string order = "o" + std::to_string(Pick(random_, 25));
    Event refund = Refund(Customer(), id, order, Moment(now), 0, Version());
    refund.fields[kRefundAmount] = Money();
    refund.fields[kRefundTax] = Money();
    refund.fields[kRefundReason] = Pick(random_, 3) == 0 ? Value() : Value(Text("reason"));
    if (Pick(random_, 10) == 0) {
      refund.fields[kRefundOf] = Value();
    }
    return refund;
  }

  TraitChange MakeTrait(double now) {
    TraitChange change;
    change.customer = Customer();
    change.trait = static_cast<int>(Pick(random_, 3));
    change.time = Hour(Moment(now));
    if (change.trait == kPlanTrait) {
      change.value = Text("plan");
    } else {
      change.value = static_cast<std::int64_t>(Pick(random_, 2));
    }
    if (Pick(random_, 7) == 0) {
      change.value = Value();
    }
    return change;
  }

  Random random_;
};

// One stream, and the three who follow it.
class Play {
 public:
  Play(std::uint64_t seed, const std::string& path)
      : stream_(seed), home_(path), eager_(seed % 4 == 0) {
    if (seed % 3 == 0) {
      // Batches of this many facts go past the journal.
      home_.db->SetSetting("ledger.bulk_min", std::to_string(1 + seed % 7));
      home_.db->SetSetting("ledger.keys_per_block", std::to_string(1 + seed % 5));
      home_.Open();
    }
    OpenColumns();
  }

  void Run() {
    Random& random = stream_.random();
    const std::uint64_t steps = 4 + Pick(random, eager_ ? 12 : 5);
    for (std::uint64_t step = 0; step < steps; ++step) {
      now_ += static_cast<double>(Pick(random, 5) == 0 ? Pick(random, 100) : Pick(random, 8)) +
              static_cast<double>(Pick(random, 2)) * 0.5;
      for (std::uint64_t batches = Pick(random, 4); batches > 0; --batches) {
        AppendBatch();
        // Some streams seal all the time, so that chunks are many and are merged.
        if (eager_ || Pick(random, 4) == 0) {
          home_.ledger->Seal();
        }
        if (Pick(random, 4) == 0) {
          columns_->Follow();
        }
      }
      if (Pick(random, 8) == 0) {
        Restart();
      }
      columns_->Advance(Hour(now_));
      reference_.AdvanceTo(ToMicros(Hour(now_)));
      if (Pick(random, 3) == 0) {
        // What arrives between the step and the snapshot is not in the columns yet.
        if (Pick(random, 2) == 0) {
          AppendBatch();
        }
        columns_->Snapshot();
        home_.ledger->SnapshotTraits();
      }
      const bool last = step + 1 == steps;
      if (Pick(random, 5) == 0) {
        Restart();
      }
      if (Pick(random, 3) == 0 || last) {
        columns_->Advance(Hour(now_));
        Compare();
      }
    }
  }

 private:
  void OpenColumns() {
    catalog_ = AggregateCatalog();
    for (std::size_t i = 0; i < Questions().size(); ++i) {
      if (i % 3 != left_out_) {
        const Question& question = Questions()[i].question;
        Aggregate aggregate = Compile(home_.schema, *home_.pool, Questions()[i].text);
        // The language gives `last` and `first` no window; the columns can.
        if (aggregate.window != question.window || aggregate.before != question.before) {
          aggregate.window = question.window;
          aggregate.before = question.before;
          aggregate.canonical += " in " + FormatDuration(question.window) + " before " +
                                 FormatDuration(question.before);
        }
        catalog_.Intern(std::move(aggregate));
      }
    }
    columns_.emplace(*home_.ledger, *home_.db, home_.schema, *home_.pool, catalog_, Hour(now_));
    // Opening the columns is a moment too: what waited until now takes effect.
    reference_.AdvanceTo(ToMicros(Hour(now_)));
  }

  void Restart() {
    columns_.reset();
    // Other files: some columns are new, some are not asked for any more.
    left_out_ = Pick(stream_.random(), 4);
    home_.Open();
    OpenColumns();
  }

  void AppendBatch() {
    std::vector<Fact> facts;
    for (std::uint64_t left = Pick(stream_.random(), 12); left > 0; --left) {
      facts.push_back(stream_.Next(now_));
      if (Pick(stream_.random(), 4) == 0) {
        facts.push_back(facts[Pick(stream_.random(), facts.size())]);
      }
    }
    std::vector<Intake> got;
    if (Pick(stream_.random(), 2) == 0) {
      got = home_.ledger->Append(facts, "test", Hour(now_), kDay);
    } else {
      got = AppendRows(facts);
    }
    for (std::size_t i = 0; i < facts.size(); ++i) {
      REQUIRE(got[i] == reference_.Take(facts[i], ToMicros(Hour(now_))));
    }
  }

  // Neighbours that can stand together in columns go in as such.
  std::vector<Intake> AppendRows(const std::vector<Fact>& facts) {
    std::vector<Intake> all;
    for (std::size_t begin = 0; begin < facts.size();) {
      auto rows = std::make_shared<EventRows>();
      std::size_t end = begin;
      while (end < facts.size() && AddRow(facts[end], home_.schema, *rows)) {
        ++end;
      }
      std::vector<Intake> some;
      if (end > begin) {
        some = home_.ledger->Append(rows, "test", Hour(now_), kDay);
      } else {
        some = home_.ledger->Append(std::span(&facts[end++], 1), "test", Hour(now_), kDay);
      }
      all.insert(all.end(), some.begin(), some.end());
      begin = end;
    }
    return all;
  }

  void Compare() {
    const std::string followed = columns_->Fingerprint();
    CompareReads();
    columns_->Rebuild();
    REQUIRE(followed == columns_->Fingerprint());
    REQUIRE(followed == ReferenceFingerprint());
    CompareReads();
    CompareTraits();
  }

  std::size_t ColumnOf(std::size_t question) const {
    return question - (left_out_ < 3 ? (question + 3 - left_out_ - 1) / 3 : 0);
  }

  std::string ReferenceFingerprint() {
    std::string out = "edge " + std::to_string(ToMicros(Hour(now_))) + "\n";
    const std::vector<Counting> counting = reference_.AllCounting();
    for (std::size_t i = 0; i < Questions().size(); ++i) {
      if (i % 3 == left_out_) {
        continue;
      }
      out += catalog_.all()[ColumnOf(i)].canonical + "\n";
      for (std::size_t customer = 0; customer < reference_.customer_count(); ++customer) {
        out += reference_.Answer(Questions()[i].question, counting, customer, ToMicros(Hour(now_)))
                   .exact +
               "\n";
      }
    }
    return out;
  }

  void CompareReads() {
    const std::vector<Counting> counting = reference_.AllCounting();
    const std::size_t count = reference_.customer_count();
    REQUIRE(home_.ledger->customer_count() == count);
    std::vector<double> read(count);
    for (std::size_t i = 0; i < Questions().size(); ++i) {
      if (i % 3 == left_out_) {
        continue;
      }
      columns_->Read(static_cast<int>(ColumnOf(i)), 0, read);
      for (std::size_t customer = 0; customer < count; ++customer) {
        CAPTURE(Questions()[i].text);
        CAPTURE(customer);
        const Answered answer =
            reference_.Answer(Questions()[i].question, counting, customer, ToMicros(Hour(now_)));
        const double want =
            answer.text ? static_cast<double>(home_.pool->Find(*answer.text).value_or(0xffffffffU))
                        : answer.value;
        REQUIRE((std::isnan(want) ? std::isnan(read[customer]) : want == read[customer]));
      }
    }
  }

  void CompareTraits() {
    for (std::size_t customer = 0; customer < reference_.customer_count(); ++customer) {
      for (int trait = 0; trait < 3; ++trait) {
        CAPTURE(customer);
        CAPTURE(trait);
        const TraitState* state = home_.ledger->Trait(static_cast<CustomerIndex>(customer), trait);
        const Value want = reference_.Trait(customer, trait);
        REQUIRE((state == nullptr ? Value() : state->value) == want);
        const double column = home_.ledger->TraitColumn(trait)[customer];
        REQUIRE(std::isnan(column) == IsMissing(want));
        const Type type = home_.schema.customer_traits[static_cast<std::size_t>(trait)].type;
        REQUIRE((IsMissing(want) || column == ValueToDouble(type, want, *home_.pool)));
      }
    }
  }

  Stream stream_;
  Home home_;
  Reference reference_;
  AggregateCatalog catalog_;
  std::optional<Columns> columns_;
  bool eager_;
  double now_ = 200;
  std::uint64_t left_out_ = 3;
};

TEST_CASE(
    "streams: columns that followed equal columns built anew and the plain reference, to the "
    "byte" *
    doctest::test_suite("thorough")) {
  const TempDir dir;
  const std::string path = dir / "state.db";
  const char* only = std::getenv("SEGUE_SEED");
  const std::uint64_t first = only == nullptr ? 1 : std::stoull(only);
  const std::uint64_t last =
      only == nullptr ? static_cast<std::uint64_t>(Rounds(100, 1000)) : first;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    INFO("SEGUE_SEED=" << seed);
    Play(seed, path).Run();
    for (const char* end : {"", "-wal", "-shm"}) {
      std::filesystem::remove(path + end);
    }
  }
}

}  // namespace
}  // namespace segue
