// Parsing and printing: the grammar, its canonical form, and what is said about texts outside it.

#include "expression/parse.h"

#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace segue {
namespace {

bool SameTree(const Syntax& a, const Syntax& b) {
  if (a.kind != b.kind || a.text != b.text || a.args.size() != b.args.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.args.size(); ++i) {
    if (!SameTree(a.args[i], b.args[i])) {
      return false;
    }
  }
  return true;
}

Syntax Parse(const std::string& text) {
  auto parsed = ParseExpression(text);
  if (const auto* error = boost::variant2::get_if<ExpressionError>(&parsed)) {
    FAIL(text << ": " << error->message);
  }
  return boost::variant2::get<Syntax>(parsed);
}

struct Printed {
  std::string text;
  std::string canonical;
};

TEST_CASE("parse: an expression is printed in its one canonical form") {
  const std::vector<Printed> table = {
      {"r>=4 and fv >= 4", "r >= 4 and fv >= 4"},
      {"r == 3", "r is 3"},
      {"r != 3", "r is not 3"},
      {"rfv   is  not 'lost'", "rfv is not 'lost'"},
      {"rfv is not \"lost\"", "rfv is not 'lost'"},
      {"x is \"it's\"", "x is \"it's\""},
      {"x is '\"'", "x is '\"'"},
      {"(((a)))", "a"},
      {"a or (b and c)", "a or b and c"},
      {"(a or b) and c", "(a or b) and c"},
      {"(a or b) or (c or d)", "a or b or c or d"},
      {"a and (b and c)", "a and b and c"},
      {"not (a and b)", "not (a and b)"},
      {"not (a is b)", "not a is b"},
      {"not (not a)", "not (not a)"},
      {"(not a) and b", "not a and b"},
      {"(not a) is no", "(not a) is no"},
      {"(a < b) is yes", "(a < b) is yes"},
      {"a - (b - c) - d", "a - (b - c) - d"},
      {"(a - b) - c", "a - b - c"},
      {"a * (b + c) / d", "a * (b + c) / d"},
      {"a / (b / c)", "a / (b / c)"},
      {"(a * b) + c", "a * b + c"},
      {"- a", "-a"},
      {"-(a + b)", "-(a + b)"},
      {"-(-a)", "-(-a)"},
      {"2 * -3", "2 * -3"},
      {"trend < -5", "trend < -5"},
      {"r in 2..4", "r in 2..4"},
      {"x not  in -4 .. -2", "x not in -4..-2"},
      {"x in 10%..20%", "x in 10%..20%"},
      {"rfv in ['loyalist','champion' , 'lost']", "rfv in ['loyalist', 'champion', 'lost']"},
      {"x in [1]", "x in [1]"},
      {"a + b in [1, -2]", "a + b in [1, -2]"},
      {"9.90   EUR", "9.90 EUR"},
      {"x > 15000 EUR and y", "x > 15000 EUR and y"},
      {"15% * x", "15% * x"},
      {"count( session_started ,30d , before 30d )", "count(session_started, 30d, before 30d)"},
      {"sum(order_line.amount where quantity>0 and price > 0, 2w)",
       "sum(order_line.amount where quantity > 0 and price > 0, 2w)"},
      {"count(e where (a or b))", "count(e where a or b)"},
      {"round( mean(f,v) )", "round(mean(f, v))"},
      {"customer.legal_hold", "customer.legal_hold"},
      {"before + 1", "before + 1"},
      {"yes", "yes"},
  };
  for (const Printed& each : table) {
    const Syntax tree = Parse(each.text);
    CHECK(PrintSyntax(tree) == each.canonical);
    CHECK_MESSAGE(SameTree(Parse(each.canonical), tree), each.text);
  }
}

struct Refused {
  std::string text;
  std::string underlined;
  std::string message;
  std::string help;
};

TEST_CASE("parse: every syntax error underlines what is wrong and says what to do") {
  const std::vector<Refused> table = {
      {"", "", "an expression is missing", ""},
      {"  ", "", "an expression is missing", ""},
      {"a >=", ">=", "a value is missing at the end", ""},
      {"a and", "and", "a value is missing at the end", ""},
      {"a and and b", "and", "a value is missing here", ""},
      {"a = 3", "=", "`=` is not a word here", "write `is`"},
      {"a && b", "&&", "`&&` is not a word here", "write `and`"},
      {"!a", "!", "`!` is not a word here", "write `not`"},
      {"a <> b", "<>", "`<>` is not a word here", "write `is not`"},
      {"did(x, 7d", "(", "`(` is never closed", ""},
      {"(a or b", "(", "`(` is never closed", ""},
      {"x in ['a', 'b'", "[", "`[` is never closed", ""},
      {"did(x 7d)", "7d", "`)` is missing here", ""},
      {"a) and b", ")", "the expression should end before this", ""},
      {"rfv is 'lost", "'lost", "this quote is never closed",
       "a text stands between two quotes of one kind, on one line"},
      {"1 < x < 5", "<", "comparisons cannot be chained",
       "join two of them by `and`, or write a range: x in 1..6"},
      {"x > 15 000 EUR", "000 EUR", "the expression should end before this", ""},
      {"x > 15 000", "000", "the expression should end before this",
       "write numbers without spaces between their digits"},
      {"x > 15EUR", "15EUR", "an amount needs a space before its currency", "write 15 EUR"},
      {"x > 30s", "30s", "unknown unit s",
       "durations are written in m, h, d or w: 90m, 6h, 3d, 2w"},
      {"x > 1.5d", "1.5d", "a duration is a whole number and a unit",
       "write a smaller unit, such as 36h for one day and a half"},
      {"x > 1.234%", "1.234%", "a percentage has two decimals at most", ""},
      {"x > .5", ".", "unexpected `.`", "write a digit before the point, such as 0.5"},
      {"x > 1234567890123456", "1234567890123456", "this number has too many digits",
       "write at most 15 digits"},
      {"plan is ü", "ü", "unexpected `ü`", ""},
      {"rfv in [lost]", "lost", "only fixed values may stand in a list or range",
       "write a text in quotes: 'lost'"},
      {"rfv in lost", "lost", "only fixed values may stand in a list or range",
       "write a text in quotes: 'lost'"},
      {"r in 3", "3", "`..` of a range, or a list in [ ], is missing at the end", ""},
      {"not not a", "not not", "`not` twice in a row", "leave both away"},
      {"1..6", "..", "the expression should end before this",
       "a range stands after `in`: x in 1..6"},
      {"did(a), 7d", ",", "the expression should end before this",
       "conditions are joined by `and` and `or`"},
      {"did(a) where b > 0", "where", "the expression should end before this",
       "`where` stands inside a call, after the event: count(order_placed where amount > 0)"},
      {"count(a + b where c)", "where", "`where` stands after an event or its field", ""},
  };
  for (const Refused& each : table) {
    CAPTURE(each.text);
    const auto parsed = ParseExpression(each.text);
    const auto* error = boost::variant2::get_if<ExpressionError>(&parsed);
    REQUIRE(error != nullptr);
    CHECK(error->code == "SG000");
    CHECK(each.text.substr(error->begin, error->end - error->begin) == each.underlined);
    CHECK(error->message == each.message);
    CHECK(error->help == each.help);
  }
}

TEST_CASE("parse: a node covers its text, brackets included, and knows where its operator stands") {
  const std::string text = "(a or b) and c is not 3";
  const Syntax tree = Parse(text);
  CHECK(tree.begin == 0);
  CHECK(tree.end == text.size());
  const Syntax& comparison = tree.args[1];
  CHECK(text.substr(comparison.begin, comparison.end - comparison.begin) == "c is not 3");
  CHECK(text.substr(comparison.op_begin, comparison.op_end - comparison.op_begin) == "is not");
}

int DepthOf(const Syntax& tree) {
  int deepest = 0;
  for (const Syntax& arg : tree.args) {
    deepest = std::max(deepest, DepthOf(arg));
  }
  return deepest + 1;
}

std::string Repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

TEST_CASE("parse: nothing that a text can do makes a tree deeper than the limit") {
  const std::vector<std::string> too_deep = {
      Repeat("(", 65) + "a" + Repeat(")", 65),
      Repeat("(", 5000),
      Repeat("mean(", 65) + "a" + Repeat(")", 65),
      "a" + Repeat(" + a", 64),
      Repeat("(", 60) + "a" + Repeat(" - a)", 60) + Repeat(" / a", 40),
  };
  for (const std::string& text : too_deep) {
    const auto parsed = ParseExpression(text);
    const auto* error = boost::variant2::get_if<ExpressionError>(&parsed);
    REQUIRE(error != nullptr);
    CHECK(error->message == "this expression is nested too deeply");
  }
  CHECK(DepthOf(Parse("a" + Repeat(" + a", 63))) == kExpressionDepthMax);
  CHECK(DepthOf(Parse("a" + Repeat(" or a", 2000))) == 2);
  const auto parsed = ParseExpression(std::string(kExpressionBytesMax + 1, ' '));
  CHECK(boost::variant2::holds_alternative<ExpressionError>(parsed));
}

// Any tree that the grammar has.
class RandomSyntax {
 public:
  explicit RandomSyntax(unsigned seed) : random_(seed) {}

  Syntax Expression(int depth) { return Pick(3) == 0 ? Terms("or", depth) : AndTerm(depth); }

 private:
  unsigned Pick(unsigned n) { return static_cast<unsigned>(random_()) % n; }

  static Syntax Node(Syntax::Kind kind, std::string text, std::vector<Syntax> args = {}) {
    Syntax node;
    node.kind = kind;
    node.text = std::move(text);
    node.args = std::move(args);
    return node;
  }

  Syntax Terms(const std::string& op, int depth) {
    std::vector<Syntax> args;
    for (unsigned i = 0; i < 2 + Pick(2); ++i) {
      Syntax arg = Any(depth - 1);
      if (arg.kind == Syntax::Kind::kBinary && arg.text == op) {
        arg = Literal();
      }
      args.push_back(std::move(arg));
    }
    return Node(Syntax::Kind::kBinary, op, std::move(args));
  }

  Syntax AndTerm(int depth) { return Pick(3) == 0 ? Terms("and", depth) : Any(depth); }

  Syntax Any(int depth) {
    if (depth <= 0) {
      return Literal();
    }
    static const std::vector<std::string> kOps = {"+",      "-", "*",  "/", "is",
                                                  "is not", "<", "<=", ">", ">="};
    switch (Pick(8)) {
      case 0:
        return Terms(Pick(2) == 0 ? "and" : "or", depth);
      case 1:
        return Node(Syntax::Kind::kUnary, Pick(2) == 0 ? "not" : "-", {Any(depth - 1)});
      case 2:
        return Node(Syntax::Kind::kIn, Pick(2) == 0 ? "in" : "not in",
                    {Any(depth - 1), Literal(), Literal()});
      case 3:
        return Node(
            Syntax::Kind::kInRange, Pick(2) == 0 ? "in" : "not in",
            {Any(depth - 1), Node(Syntax::Kind::kNumber, "1"), Node(Syntax::Kind::kNumber, "6")});
      case 4:
        return Node(Syntax::Kind::kCall, "mean", {Any(depth - 1), Any(depth - 1)});
      case 5:
        return Node(
            Syntax::Kind::kCall, "count",
            {Node(Syntax::Kind::kWhere, "where", {Node(Syntax::Kind::kName, "e"), Any(depth - 1)}),
             Node(Syntax::Kind::kDuration, "30d"),
             Node(Syntax::Kind::kBefore, "before", {Node(Syntax::Kind::kDuration, "2w")})});
      default:
        return Node(Syntax::Kind::kBinary, kOps[Pick(static_cast<unsigned>(kOps.size()))],
                    {Any(depth - 1), Any(depth - 1)});
    }
  }

  Syntax Literal() {
    static const std::vector<Syntax> kLeaves = {
        Node(Syntax::Kind::kNumber, "15%"),  Node(Syntax::Kind::kNumber, "0.25"),
        Node(Syntax::Kind::kMoney, "5 EUR"), Node(Syntax::Kind::kDuration, "90m"),
        Node(Syntax::Kind::kText, "it's"),   Node(Syntax::Kind::kText, ""),
        Node(Syntax::Kind::kYesNo, "no"),    Node(Syntax::Kind::kText, "a and (b"),
    };
    return kLeaves[Pick(static_cast<unsigned>(kLeaves.size()))];
  }

  std::mt19937 random_;
};

TEST_CASE("parse: printing any tree and parsing it again gives the same tree") {
  for (unsigned seed = 0; seed < 3000; ++seed) {
    const Syntax tree = RandomSyntax(seed).Expression(static_cast<int>(seed % 6));
    const std::string printed = PrintSyntax(tree);
    const Syntax again = Parse(printed);
    CHECK_MESSAGE(SameTree(tree, again), printed);
    CHECK(PrintSyntax(again) == printed);
  }
}

}  // namespace
}  // namespace segue
