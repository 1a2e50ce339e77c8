// The parser: recursive descent, one function per line of the grammar.

#include "expression/parse.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "expression/lex.h"

namespace segue {
namespace {

// A tree and how deep it is, so that long chains cannot make one that overflows the stack of
// whoever walks it.
struct Node {
  Syntax syntax;
  int depth = 1;
};

bool IsKeyword(std::string_view word) {
  static constexpr std::array<std::string_view, 8> kKeywords = {"is", "in",  "not", "and",
                                                                "or", "yes", "no",  "where"};
  return std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end();
}

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  boost::variant2::variant<Syntax, ExpressionError> Run() {
    if (tokens_.size() == 1) {
      return ExpressionError{"SG000", 0, 0, "an expression is missing", "", ""};
    }
    std::optional<Node> node = Expression();
    if (node && Current().kind != Token::Kind::kEnd) {
      Unexpected();
      node.reset();
    }
    if (!node) {
      return std::move(error_);
    }
    return std::move(node->syntax);
  }

 private:
  using Result = std::optional<Node>;

  const Token& Current() const { return tokens_[at_]; }

  const Token& Following() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }

  static bool Is(const Token& token, Token::Kind kind, std::string_view text) {
    return token.kind == kind && token.text == text;
  }

  bool AtWord(std::string_view word) const { return Is(Current(), Token::Kind::kWord, word); }

  bool AtSymbol(std::string_view symbol) const {
    return Is(Current(), Token::Kind::kSymbol, symbol);
  }

  bool TakeSymbol(std::string_view symbol) {
    if (!AtSymbol(symbol)) {
      return false;
    }
    ++at_;
    return true;
  }

  std::nullopt_t Fail(std::size_t begin, std::size_t end, std::string message, std::string help) {
    error_ = {"SG000", begin, end, std::move(message), "", std::move(help)};
    return std::nullopt;
  }

  // The text ended, or goes on, where `what` has to stand.
  std::nullopt_t Expected(std::string_view what) {
    const Token& token = Current();
    if (token.kind == Token::Kind::kEnd) {
      const Token& last = tokens_[at_ - 1];
      return Fail(last.begin, last.end, fmt::format("{} is missing at the end", what), "");
    }
    return Fail(token.begin, token.end, fmt::format("{} is missing here", what), "");
  }

  std::nullopt_t Unexpected() {
    const Token& token = Current();
    std::string help;
    if (token.kind == Token::Kind::kNumber && tokens_[at_ - 1].kind == Token::Kind::kNumber) {
      help = "write numbers without spaces between their digits";
    } else if (Is(token, Token::Kind::kSymbol, "..")) {
      help = "a range stands after `in`: x in 1..6";
    } else if (AtWord("where")) {
      help = "`where` stands inside a call, after the event: count(order_placed where amount > 0)";
    } else if (Is(token, Token::Kind::kSymbol, ",")) {
      help = "conditions are joined by `and` and `or`";
    }
    return Fail(token.begin, token.end, "the expression should end before this", help);
  }

  std::nullopt_t TooDeep(const Syntax& at) {
    return Fail(
        at.begin, at.end, "this expression is nested too deeply",
        fmt::format("at most {} levels; name a part of it as a feature", kExpressionDepthMax));
  }

  Result Checked(Node node) {
    if (node.depth > kExpressionDepthMax) {
      return TooDeep(node.syntax);
    }
    return node;
  }

  static Node Leaf(Syntax::Kind kind, const Token& token) {
    Node node;
    node.syntax.kind = kind;
    node.syntax.text = token.text;
    node.syntax.begin = token.begin;
    node.syntax.end = token.end;
    return node;
  }

  // `op` of the operands so far, which reach from the first one's begin to the last one's end.
  Result Join(Syntax::Kind kind, std::string_view op, const Token& op_first, const Token& op_last,
              std::vector<Node> operands) {
    Node node;
    node.syntax.kind = kind;
    node.syntax.text = op;
    node.syntax.op_begin = op_first.begin;
    node.syntax.op_end = op_last.end;
    node.syntax.begin = std::min(op_first.begin, operands.front().syntax.begin);
    node.syntax.end = operands.back().syntax.end;
    for (Node& operand : operands) {
      node.depth = std::max(node.depth, operand.depth + 1);
      node.syntax.args.push_back(std::move(operand.syntax));
    }
    return Checked(std::move(node));
  }

  Result Expression() {
    if (++level_ > kExpressionDepthMax) {
      return TooDeep(Leaf(Syntax::Kind::kName, Current()).syntax);
    }
    Result node = Chain("or", &Parser::AndTerm);
    --level_;
    return node;
  }

  Result AndTerm() { return Chain("and", &Parser::NotTerm); }

  // term {op term}; a term in brackets with the same op adds its own terms: they mean the same.
  Result Chain(std::string_view op, Result (Parser::*term)()) {
    Result first = (this->*term)();
    if (!first || !AtWord(op)) {
      return first;
    }
    const Token op_token = Current();
    std::vector<Node> terms;
    terms.push_back(*std::move(first));
    while (AtWord(op)) {
      ++at_;
      Result next = (this->*term)();
      if (!next) {
        return next;
      }
      terms.push_back(*std::move(next));
    }
    const std::size_t begin = terms.front().syntax.begin;
    const std::size_t end = terms.back().syntax.end;
    std::vector<Node> flat;
    for (Node& each : terms) {
      if (each.syntax.kind == Syntax::Kind::kBinary && each.syntax.text == op) {
        for (Syntax& inner : each.syntax.args) {
          flat.push_back({std::move(inner), each.depth - 1});
        }
      } else {
        flat.push_back(std::move(each));
      }
    }
    Result node = Join(Syntax::Kind::kBinary, op, op_token, op_token, std::move(flat));
    if (node) {
      node->syntax.begin = begin;
      node->syntax.end = end;
    }
    return node;
  }

  Result NotTerm() {
    if (!AtWord("not")) {
      return Comparison();
    }
    const Token op = Current();
    ++at_;
    if (AtWord("not")) {
      return Fail(op.begin, Current().end, "`not` twice in a row", "leave both away");
    }
    Result inner = Comparison();
    if (!inner) {
      return inner;
    }
    std::vector<Node> operands;
    operands.push_back(*std::move(inner));
    return Join(Syntax::Kind::kUnary, "not", op, op, std::move(operands));
  }

  // The comparison that begins here; empty when there is none.  Does not move.
  std::string ComparisonHere() const {
    if (AtWord("is") || AtSymbol("==")) {
      return AtWord("is") && Is(Following(), Token::Kind::kWord, "not") ? "is not" : "is";
    }
    if (AtSymbol("!=")) {
      return "is not";
    }
    if (AtWord("in")) {
      return "in";
    }
    if (AtWord("not") && Is(Following(), Token::Kind::kWord, "in")) {
      return "not in";
    }
    for (const std::string_view op : {"<", "<=", ">", ">="}) {
      if (AtSymbol(op)) {
        return std::string(op);
      }
    }
    return "";
  }

  Result Comparison() {
    Result left = Sum();
    const std::string op = ComparisonHere();
    if (!left || op.empty()) {
      return left;
    }
    const Token first = Current();
    const bool two_words = op.find(' ') != std::string::npos && first.kind == Token::Kind::kWord;
    const Token last = two_words ? Following() : first;
    at_ += two_words ? 2 : 1;
    Result node;
    if (op == "in" || op == "not in") {
      node = Membership(*std::move(left), op, first, last);
    } else {
      Result right = Sum();
      if (!right) {
        return right;
      }
      std::vector<Node> operands;
      operands.push_back(*std::move(left));
      operands.push_back(*std::move(right));
      node = Join(Syntax::Kind::kBinary, op, first, last, std::move(operands));
    }
    if (node && !ComparisonHere().empty()) {
      return Fail(Current().begin, Current().end, "comparisons cannot be chained",
                  "join two of them by `and`, or write a range: x in 1..6");
    }
    return node;
  }

  // "[" literal {"," literal} "]" | literal ".." literal
  Result Membership(Node value, const std::string& op, const Token& first, const Token& last) {
    std::vector<Node> operands;
    operands.push_back(std::move(value));
    if (!AtSymbol("[")) {
      Result low = Literal();
      if (!low) {
        return low;
      }
      if (!TakeSymbol("..")) {
        return Expected("`..` of a range, or a list in [ ],");
      }
      Result high = Literal();
      if (!high) {
        return high;
      }
      operands.push_back(*std::move(low));
      operands.push_back(*std::move(high));
      return Join(Syntax::Kind::kInRange, op, first, last, std::move(operands));
    }
    const Token open = Current();
    ++at_;
    do {
      Result literal = Literal();
      if (!literal) {
        return literal;
      }
      operands.push_back(*std::move(literal));
    } while (TakeSymbol(","));
    const std::size_t end = Current().end;
    if (!TakeSymbol("]")) {
      return Unclosed(open);
    }
    Result node = Join(Syntax::Kind::kIn, op, first, last, std::move(operands));
    if (node) {
      node->syntax.end = end;
    }
    return node;
  }

  Result Literal() {
    const Token& token = AtSymbol("-") ? Following() : Current();
    const bool literal = (token.kind != Token::Kind::kWord && token.kind != Token::Kind::kSymbol) ||
                         token.text == "yes" || token.text == "no";
    if (token.kind != Token::Kind::kEnd && !literal) {
      const bool name = token.kind == Token::Kind::kWord && !IsKeyword(token.text);
      return Fail(token.begin, token.end, "only fixed values may stand in a list or range",
                  name ? fmt::format("write a text in quotes: '{}'", token.text) : "");
    }
    return Unary();
  }

  Result Sum() { return LeftToRight({"+", "-"}, &Parser::Product); }

  Result Product() { return LeftToRight({"*", "/"}, &Parser::Unary); }

  Result LeftToRight(std::array<std::string_view, 2> ops, Result (Parser::*term)()) {
    Result left = (this->*term)();
    while (left && (AtSymbol(ops[0]) || AtSymbol(ops[1]))) {
      const Token op = Current();
      ++at_;
      Result right = (this->*term)();
      if (!right) {
        return right;
      }
      std::vector<Node> operands;
      operands.push_back(*std::move(left));
      operands.push_back(*std::move(right));
      left = Join(Syntax::Kind::kBinary, op.text, op, op, std::move(operands));
    }
    return left;
  }

  Result Unary() {
    if (!AtSymbol("-")) {
      return Primary();
    }
    const Token op = Current();
    ++at_;
    Result inner = Primary();
    if (!inner) {
      return inner;
    }
    std::vector<Node> operands;
    operands.push_back(*std::move(inner));
    return Join(Syntax::Kind::kUnary, "-", op, op, std::move(operands));
  }

  Result Primary() {
    const Token& token = Current();
    switch (token.kind) {
      case Token::Kind::kNumber:
        return Leaf(Syntax::Kind::kNumber, tokens_[at_++]);
      case Token::Kind::kMoney:
        return Leaf(Syntax::Kind::kMoney, tokens_[at_++]);
      case Token::Kind::kDuration:
        return Leaf(Syntax::Kind::kDuration, tokens_[at_++]);
      case Token::Kind::kText:
        return Leaf(Syntax::Kind::kText, tokens_[at_++]);
      case Token::Kind::kWord:
        if (token.text == "yes" || token.text == "no") {
          return Leaf(Syntax::Kind::kYesNo, tokens_[at_++]);
        }
        if (IsKeyword(token.text)) {
          return Expected("a value");
        }
        if (Is(Following(), Token::Kind::kSymbol, "(")) {
          return Call();
        }
        return Leaf(Syntax::Kind::kName, tokens_[at_++]);
      case Token::Kind::kSymbol:
        return token.text == "(" ? Brackets() : Result(Expected("a value"));
      case Token::Kind::kEnd:
        break;
    }
    return Expected("a value");
  }

  Result Brackets() {
    const Token open = Current();
    ++at_;
    Result node = Expression();
    if (!node) {
      return node;
    }
    node->syntax.begin = open.begin;
    node->syntax.end = Current().end;
    if (!TakeSymbol(")")) {
      return Unclosed(open);
    }
    return node;
  }

  // What was opened is not closed here: either the text ended, or something else stands in the way.
  std::nullopt_t Unclosed(const Token& open) {
    const Token& token = Current();
    if (token.kind == Token::Kind::kEnd) {
      return Fail(open.begin, open.end, fmt::format("`{}` is never closed", open.text), "");
    }
    return Fail(token.begin, token.end,
                fmt::format("`{}` is missing here", open.text == "[" ? "]" : ")"), "");
  }

  Result Call() {
    Node node = Leaf(Syntax::Kind::kCall, Current());
    const Token open = Following();
    at_ += 2;
    if (!AtSymbol(")")) {
      do {
        Result arg = Argument();
        if (!arg) {
          return arg;
        }
        node.depth = std::max(node.depth, arg->depth + 1);
        node.syntax.args.push_back(std::move(arg->syntax));
      } while (TakeSymbol(","));
    }
    node.syntax.end = Current().end;
    if (!TakeSymbol(")")) {
      return Unclosed(open);
    }
    return Checked(std::move(node));
  }

  // "before" duration | expression ["where" expression]
  Result Argument() {
    const Token begin = Current();
    if (AtWord("before") && Following().kind == Token::Kind::kDuration) {
      ++at_;
      std::vector<Node> operands;
      operands.push_back(Leaf(Syntax::Kind::kDuration, tokens_[at_++]));
      return Join(Syntax::Kind::kBefore, "before", begin, begin, std::move(operands));
    }
    Result node = Expression();
    if (!node || !AtWord("where")) {
      return node;
    }
    const Token where = Current();
    if (node->syntax.kind != Syntax::Kind::kName || begin.kind == Token::Kind::kSymbol) {
      return Fail(where.begin, where.end, "`where` stands after an event or its field", "");
    }
    ++at_;
    Result condition = Expression();
    if (!condition) {
      return condition;
    }
    std::vector<Node> operands;
    operands.push_back(*std::move(node));
    operands.push_back(*std::move(condition));
    return Join(Syntax::Kind::kWhere, "where", where, where, std::move(operands));
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int level_ = 0;
  ExpressionError error_;
};

}  // namespace

boost::variant2::variant<Syntax, ExpressionError> ParseExpression(std::string_view text) {
  if (text.size() > kExpressionBytesMax) {
    return ExpressionError{
        "SG000",     0,
        text.size(), fmt::format("this expression is longer than {} bytes", kExpressionBytesMax),
        "",          ""};
  }
  auto tokens = LexExpression(text);
  if (auto* error = boost::variant2::get_if<ExpressionError>(&tokens)) {
    return std::move(*error);
  }
  return Parser(std::move(boost::variant2::unsafe_get<0>(tokens))).Run();
}

}  // namespace segue
