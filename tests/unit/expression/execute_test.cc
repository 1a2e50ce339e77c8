// Running expressions: the meaning of every operator, and that the two executors give the same
// bits.

#include "expression/execute.h"

#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "unit/expression/fixture.h"

namespace segue {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// The same value for a leaf's name and every customer.
class NamedInputs final : public Inputs {
 public:
  std::map<std::string, double> values;

  void Read(const Leaf& leaf, CustomerIndex, std::span<double> out) const override {
    const auto found = values.find(leaf.name);
    std::fill(out.begin(), out.end(), found == values.end() ? kNone : found->second);
  }
};

TimePoint Time(const std::string& text) {
  return ParseTime(text, Zone()).value();
}

double Micros(const std::string& text) {
  return static_cast<double>(ToMicros(Time(text)));
}

struct World {
  World() {
    moment.now = Time("2026-03-26T04:00:00Z");
    moment.zone = fixture.schema.timezone;
  }

  double Run(const std::string& text) {
    const Expr expr = fixture.Compile(text);
    const double one = ExecuteOne(expr, inputs, moment, 7);
    std::vector<double> block(3);
    ExecuteBlock(expr, inputs, moment, 7, block);
    for (const double each : block) {
      CHECK(std::bit_cast<std::uint64_t>(each) == std::bit_cast<std::uint64_t>(one));
    }
    return one;
  }

  Fixture fixture;
  NamedInputs inputs;
  Moment moment;
};

TEST_CASE("execute: a missing value makes comparisons false and their opposites true") {
  World world;
  for (const char* text :
       {"rfv.r is 3", "rfv.r < 3", "rfv.r >= 3", "rfv.r in 1..5", "rfv.r in [1, 2]",
        "rfv is 'lost'", "rfv.r > 1 and yes", "rfv.r is rfv.v", "customer.legal_hold is yes",
        "exists(rfv.r)", "customer.legal_hold or no", "customer.legal_hold and yes"}) {
    CHECK_MESSAGE(world.Run(text) == 0.0, text);
  }
  for (const char* text :
       {"rfv.r is not 3", "rfv.r not in 1..5", "rfv.r not in [1, 2]", "rfv is not 'lost'",
        "not customer.legal_hold", "not rfv.r < 3", "rfv.r is not rfv.v", "not exists(rfv.r)"}) {
    CHECK_MESSAGE(world.Run(text) == 1.0, text);
  }
  CHECK(std::isnan(world.Run("customer.legal_hold")));
  CHECK_FALSE(IsTrue(world.Run("customer.legal_hold")));
}

TEST_CASE("execute: arithmetic with a missing value, and by zero, is missing") {
  World world;
  world.inputs.values = {{"account.growth", 0.0}, {"value_tier.usage", 2.0}};
  for (const char* text :
       {"rfv.r + 1", "-rfv.r", "mean(1, rfv.r, 3)", "round(rfv.r)", "floor(rfv.r)",
        "value_tier.usage / account.growth", "account.growth / account.growth",
        "days(customer.signed_up)", "since(customer.signed_up)"}) {
    CHECK_MESSAGE(std::isnan(world.Run(text)), text);
  }
}

TEST_CASE("execute: operators compute what they say") {
  World world;
  world.inputs.values = {{"rfv.r", 3},
                         {"rfv.v", 4},
                         {"account.growth", -2.5},
                         {"value_tier.usage", 0.8},
                         {"customer.mrr", 6000}};
  const std::vector<std::pair<std::string, double>> table = {
      {"rfv.r + rfv.v * 2", 11},
      {"(rfv.r + rfv.v) * 2", 14},
      {"rfv.r - rfv.v - 1", -2},
      {"rfv.r / 2", 1.5},
      {"-rfv.r", -3},
      {"mean(rfv.r, rfv.v)", 3.5},
      {"round(mean(rfv.r, rfv.v))", 4},
      {"round(account.growth)", -3},
      {"floor(account.growth)", -3},
      {"floor(value_tier.usage)", 0},
      {"customer.mrr * 20%", 1200},
      {"customer.mrr in 60 EUR..60.01 EUR", 1},
      {"rfv.r in 3..4", 1},
      {"rfv.r in 4..5", 0},
      {"rfv.r not in [1, 3]", 0},
      {"rfv.r in [1, 2, 3]", 1},
      {"rfv.r <= 3 and rfv.v > 3", 1},
      {"rfv.r < 3 or rfv.v is 5", 0},
      {"not (rfv.r is 3)", 0},
      {"value_tier.usage >= 80%", 1},
      {"7d / 1d", 7},
  };
  for (const auto& row : table) {
    CHECK_MESSAGE(world.Run(row.first) == row.second, row.first);
  }
}

TEST_CASE("execute: time runs in microseconds and days() counts midnights of the zone") {
  World world;
  world.inputs.values = {{"customer.signed_up", Micros("2026-03-24T23:30:00Z")},
                         {"account.renewal", Micros("2026-03-29T01:00:00Z")}};
  CHECK(world.Run("since(customer.signed_up) / 1h") == 28.5);
  CHECK(world.Run("until(account.renewal) / 1h") == 69);
  CHECK(world.Run("floor(since(customer.signed_up) / 1d)") == 1);
  // Lisbon is on UTC in winter: 23:30 on the 24th, and now is the 26th.
  CHECK(world.Run("days(customer.signed_up)") == 2);
  CHECK(world.Run("days(account.renewal)") == -3);
  CHECK(world.Run("customer.signed_up < '2026-03-25'") == 1);
  CHECK(world.Run("customer.signed_up + 30m is '2026-03-25'") == 1);
  world.moment.zone = Zone::Find("Asia/Tokyo").value();
  CHECK(world.Run("days(customer.signed_up)") == 1);
}

TEST_CASE("execute: texts are compared by their number in the pool") {
  World world;
  world.inputs.values["rfv"] = world.fixture.pool.Intern("at_risk");
  CHECK(world.Run("rfv is 'at_risk'") == 1);
  CHECK(world.Run("rfv in ['lost', 'at_risk']") == 1);
  CHECK(world.Run("rfv is not 'at_risk'") == 0);
}

TEST_CASE("execute: usual_gap is missing under three events") {
  World world;
  const Expr expr = world.fixture.Compile("usual_gap(order_placed)");

  class Three final : public Inputs {
   public:
    std::vector<double> by_index;

    void Read(const Leaf& leaf, CustomerIndex, std::span<double> out) const override {
      std::fill(out.begin(), out.end(), by_index[static_cast<std::size_t>(leaf.index)]);
    }
  } inputs;

  const auto& all = world.fixture.aggregates.all();
  REQUIRE(all.size() == 3);
  CHECK(all[0].op == AggregateOp::kLast);
  CHECK(all[1].op == AggregateOp::kFirst);
  CHECK(all[2].op == AggregateOp::kCount);
  inputs.by_index = {900, 100, 5};
  CHECK(ExecuteOne(expr, inputs, world.moment, 0) == 200);
  inputs.by_index = {900, 100, 2};
  CHECK(std::isnan(ExecuteOne(expr, inputs, world.moment, 0)));
  inputs.by_index = {kNone, kNone, 0};
  CHECK(std::isnan(ExecuteOne(expr, inputs, world.moment, 0)));
}

TEST_CASE(
    "execute: a trace shows what was read, in the order of the text, calls as they were written") {
  World world;
  world.inputs.values = {{"customer.plan", world.fixture.pool.Intern("team")},
                         {"last(order_placed)", Micros("2026-03-03T12:00:00Z")},
                         {"did(ticket_opened, 3d)", 2},
                         {"customer.mrr", 6050},
                         {"account.growth", 1.0 / 3},
                         {"account.renewal", Micros("2026-03-29T02:00:00Z")}};
  const std::string text =
      "rfv.r > 3 and customer.plan is 'free' or since(last(order_placed)) > 21d or "
      "did(ticket_opened, 3d) "
      "or customer.mrr > account.arr * account.growth or account.renewal > '2026-01-01' or "
      "customer.legal_hold";
  const Expr expr = world.fixture.Compile(text);
  Trace trace;
  const double value = ExecuteOne(expr, world.inputs, world.moment, 0, &world.fixture.pool,
                                  &world.fixture.schema, &trace);
  CHECK(value == ExecuteOne(expr, world.inputs, world.moment, 0));
  std::string shown;
  for (const TraceEntry& entry : trace) {
    shown += entry.text + " [" + text.substr(entry.begin, entry.end - entry.begin) + "]\n";
  }
  CHECK(shown ==
        "rfv.r no data [rfv.r]\n"
        "customer.plan team [customer.plan]\n"
        "since(last(order_placed)) 22d 16h [since(last(order_placed))]\n"
        "did(ticket_opened, 3d) yes [did(ticket_opened, 3d)]\n"
        "customer.mrr 60.50 EUR [customer.mrr]\n"
        "account.arr no data [account.arr]\n"
        "account.growth 0.3333 [account.growth]\n"
        "account.renewal 2026-03-29 03:00 [account.renewal]\n"
        "customer.legal_hold no data [customer.legal_hold]\n");
}

double OnEvent(World& world, const std::string& kind, const std::string& where,
               const std::vector<Value>& fields, const Inputs* inputs = nullptr) {
  Scope scope = world.fixture.MakeScope();
  scope.event = world.fixture.schema.FindEvent(kind);
  scope.where_traits = true;
  const Expr expr = world.fixture.Compile(where, scope);
  const EventSpec& spec = world.fixture.schema.events[static_cast<std::size_t>(*scope.event)];
  return ExecuteOnEvent(expr, spec, fields, world.fixture.pool, inputs, world.moment, 0);
}

TEST_CASE("execute: a condition on an event reads its fields in their units") {
  World world;
  const std::vector<Value> line = {std::string("A1"), std::int64_t{2'500'000}, std::monostate(),
                                   std::int64_t{990}};
  CHECK(OnEvent(world, "order_line", "quantity is 2.5", line) == 1);
  CHECK(OnEvent(world, "order_line", "amount is 9.90 EUR", line) == 1);
  CHECK(OnEvent(world, "order_line", "price > 0", line) == 0);
  CHECK(OnEvent(world, "order_line", "not exists(price) and invoice is 'A1'", line) == 1);
  CHECK(OnEvent(world, "order_line", "invoice is 'A2'", line) == 0);
}

TEST_CASE(
    "execute: a text that the pool does not know equals no literal and no trait, but itself") {
  World world;
  world.inputs.values["customer.next_feature"] = world.fixture.pool.Intern("export");
  const auto order = [](const char* id, const char* delivery) {
    return std::vector<Value>{std::string(id), std::int64_t{1}, std::string(delivery),
                              std::int64_t{0}, std::monostate()};
  };
  CHECK(OnEvent(world, "order_placed", "delivery is customer.next_feature", order("x", "unknown"),
                &world.inputs) == 0);
  CHECK(OnEvent(world, "order_placed", "delivery is customer.next_feature", order("x", "export"),
                &world.inputs) == 1);
  CHECK(OnEvent(world, "order_placed", "delivery is customer.next_feature", order("x", "export")) ==
        0);
  CHECK(OnEvent(world, "order_placed", "exists(delivery)", order("x", "unknown")) == 1);
  CHECK(OnEvent(world, "order_placed", "order_id is delivery", order("same", "same")) == 1);
  CHECK(OnEvent(world, "order_placed", "order_id is delivery", order("one", "two")) == 0);
  CHECK_FALSE(world.fixture.pool.Find("unknown").has_value());
}

TEST_CASE("execute: values are shown in words that people use") {
  Fixture fixture;
  const auto show = [&](Type type, double value) {
    return FormatTyped({type, false, {}}, value, &fixture.pool, &fixture.schema);
  };
  CHECK(show(Type::kNumber, 3) == "3");
  CHECK(show(Type::kNumber, -0.00001) == "0");
  CHECK(show(Type::kNumber, 0.66666) == "0.6667");
  CHECK(show(Type::kMoney, 1500050) == "15 000.50 EUR");
  CHECK(show(Type::kDuration, 5.0 * 86'400'000'000.0) == "5d");
  CHECK(show(Type::kYesNo, 1) == "yes");
  CHECK(show(Type::kYesNo, 0) == "no");
  CHECK(show(Type::kTime, kNone) == "no data");
  CHECK(show(Type::kText, fixture.pool.Intern("team")) == "team");
  CHECK(ValueToDouble(Type::kNumber, Value(std::int64_t{500'000}), fixture.pool) == 0.5);
  CHECK(ValueToDouble(Type::kMoney, Value(std::int64_t{500}), fixture.pool) == 500);
  CHECK(std::isnan(ValueToDouble(Type::kText, Value(), fixture.pool)));
}

// Every customer and leaf has a value of its own, often an awkward one.
class RandomInputs final : public Inputs {
 public:
  explicit RandomInputs(std::uint64_t seed) : seed_(seed) {}

  void Read(const Leaf& leaf, CustomerIndex first, std::span<double> out) const override {
    static const std::vector<double> kAwkward = {0.0,
                                                 -0.0,
                                                 1.0,
                                                 -1.0,
                                                 2.5,
                                                 -2.5,
                                                 0.49999999999999994,
                                                 kNone,
                                                 -kNone,
                                                 std::numeric_limits<double>::infinity(),
                                                 -std::numeric_limits<double>::infinity(),
                                                 std::numeric_limits<double>::max(),
                                                 std::numeric_limits<double>::denorm_min(),
                                                 1e300,
                                                 3.0,
                                                 1.7743e15,
                                                 9007199254740992.0};
    for (std::size_t i = 0; i < out.size(); ++i) {
      std::mt19937_64 random(seed_ + first + i +
                             1'000'003 * static_cast<std::uint64_t>(leaf.index));
      random.discard(3);
      const std::uint64_t draw = random();
      out[i] = draw % 3 == 0
                   ? kAwkward[(draw >> 8U) % kAwkward.size()]
                   : static_cast<double>(static_cast<std::int64_t>(draw >> 40U)) / 64 - 1e4;
    }
  }

 private:
  std::uint64_t seed_;
};

Expr RandomExpr(std::mt19937& random, int depth) {
  const auto pick = [&](unsigned n) { return static_cast<unsigned>(random()) % n; };
  Expr expr;
  if (depth == 0 || pick(8) == 0) {
    if (pick(3) == 0) {
      expr.op = Op::kLiteral;
      expr.literal = static_cast<double>(pick(9)) - 4;
    } else {
      expr.op = Op::kLeaf;
      expr.leaf.kind = pick(12) == 0 ? Leaf::Kind::kNow : Leaf::Kind::kAggregate;
      expr.leaf.index = static_cast<int>(pick(6));
    }
    return expr;
  }
  expr.op = static_cast<Op>(
      static_cast<unsigned>(Op::kNegate) +
      pick(static_cast<unsigned>(Op::kUsualGap) - static_cast<unsigned>(Op::kNegate) + 1));
  std::size_t args = 2;
  switch (expr.op) {
    case Op::kNegate:
    case Op::kNot:
    case Op::kExists:
    case Op::kRound:
    case Op::kFloor:
    case Op::kDays:
      args = 1;
      break;
    case Op::kAnd:
    case Op::kOr:
    case Op::kMean:
      args = 2 + pick(3);
      break;
    case Op::kUsualGap:
      args = 3;
      break;
    case Op::kIn:
    case Op::kNotIn:
    case Op::kInRange:
    case Op::kNotInRange:
      expr.args.push_back(RandomExpr(random, depth - 1));
      for (int i = 0; i < 2; ++i) {
        Expr literal;
        literal.literal = static_cast<double>(pick(5)) - 2 + i;
        expr.args.push_back(literal);
      }
      return expr;
    default:
      break;
  }
  for (std::size_t i = 0; i < args; ++i) {
    expr.args.push_back(RandomExpr(random, depth - 1));
  }
  return expr;
}

TEST_CASE(
    "execute: the block and the single executor give the same bits for any tree and any input") {
  Moment moment{Time("2026-03-26T04:00:00Z"), Zone::Find("Europe/Lisbon").value()};
  const std::vector<std::size_t> sizes = {1, 2, 7, 8, 9, 31, 64};
  for (unsigned seed = 0; seed < 1500; ++seed) {
    std::mt19937 random(seed);
    const Expr expr = RandomExpr(random, 1 + static_cast<int>(seed % 6));
    const RandomInputs inputs(seed);
    const CustomerIndex first = seed % 5;
    std::vector<double> block(sizes[seed % sizes.size()]);
    ExecuteBlock(expr, inputs, moment, first, block);
    bool same = true;
    Trace trace;
    for (std::size_t i = 0; i < block.size(); ++i) {
      const auto customer = static_cast<CustomerIndex>(first + i);
      const double one = ExecuteOne(expr, inputs, moment, customer);
      const double traced = ExecuteOne(expr, inputs, moment, customer, nullptr, nullptr, &trace);
      same = same && std::bit_cast<std::uint64_t>(one) == std::bit_cast<std::uint64_t>(block[i]) &&
             std::bit_cast<std::uint64_t>(one) == std::bit_cast<std::uint64_t>(traced);
    }
    CHECK_MESSAGE(same, "seed " << seed);
  }
}

TEST_CASE("execute: a full block and an empty one are computed") {
  World world;
  world.inputs.values["rfv.r"] = 3;
  const Expr expr = world.fixture.Compile("rfv.r * 2");
  std::vector<double> out(kBlock);
  ExecuteBlock(expr, world.inputs, world.moment, 0, out);
  CHECK(out.front() == 6);
  CHECK(out.back() == 6);
  ExecuteBlock(expr, world.inputs, world.moment, 0, {});
}

}  // namespace
}  // namespace segue
