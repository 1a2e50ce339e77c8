// PrintSyntax: a syntax tree as its one canonical text.

#include <string>

#include "base/check.h"
#include "expression/parse.h"

namespace segue {
namespace {

// How tightly a node binds; an operand that binds less than its place asks for stands in brackets.
enum Binding : int {
  kOrTerm = 1,
  kAndTerm,
  kNotTerm,
  kComparison,
  kSum,
  kProduct,
  kUnary,
  kPrimary
};

int BindingOf(const Syntax& syntax) {
  switch (syntax.kind) {
    case Syntax::Kind::kNumber:
    case Syntax::Kind::kMoney:
    case Syntax::Kind::kDuration:
    case Syntax::Kind::kText:
    case Syntax::Kind::kYesNo:
    case Syntax::Kind::kName:
    case Syntax::Kind::kCall:
    case Syntax::Kind::kWhere:
    case Syntax::Kind::kBefore:
      return kPrimary;
    case Syntax::Kind::kUnary:
      return syntax.text == "-" ? kUnary : kNotTerm;
    case Syntax::Kind::kBinary:
      if (syntax.text == "or") {
        return kOrTerm;
      }
      if (syntax.text == "and") {
        return kAndTerm;
      }
      if (syntax.text == "+" || syntax.text == "-") {
        return kSum;
      }
      return syntax.text == "*" || syntax.text == "/" ? kProduct : kComparison;
    case Syntax::Kind::kIn:
    case Syntax::Kind::kInRange:
      return kComparison;
  }
  return kPrimary;
}

void Print(const Syntax& syntax, int at_least, std::string& out);

void PrintList(const Syntax& syntax, std::size_t from, std::string_view separator, int at_least,
               std::string& out) {
  for (std::size_t i = from; i < syntax.args.size(); ++i) {
    if (i > from) {
      out += separator;
    }
    Print(syntax.args[i], at_least, out);
  }
}

void PrintBinary(const Syntax& syntax, std::string& out) {
  const int binding = BindingOf(syntax);
  if (binding == kOrTerm || binding == kAndTerm) {
    PrintList(syntax, 0, " " + syntax.text + " ", binding + 1, out);
    return;
  }
  // Sums and products group to the left; comparisons do not group.
  Print(syntax.args[0], binding == kComparison ? binding + 1 : binding, out);
  out += " " + syntax.text + " ";
  Print(syntax.args[1], binding + 1, out);
}

void PrintBare(const Syntax& syntax, std::string& out) {
  switch (syntax.kind) {
    case Syntax::Kind::kNumber:
    case Syntax::Kind::kMoney:
    case Syntax::Kind::kDuration:
    case Syntax::Kind::kYesNo:
    case Syntax::Kind::kName:
      out += syntax.text;
      return;
    case Syntax::Kind::kText: {
      // A text can hold one of the two quotes only: there is no way to write both.
      const char quote = syntax.text.find('\'') == std::string::npos ? '\'' : '"';
      out += quote + syntax.text + quote;
      return;
    }
    case Syntax::Kind::kCall:
      out += syntax.text + "(";
      PrintList(syntax, 0, ", ", kOrTerm, out);
      out += ")";
      return;
    case Syntax::Kind::kWhere:
      PrintList(syntax, 0, " where ", kOrTerm, out);
      return;
    case Syntax::Kind::kBefore:
      out += "before ";
      Print(syntax.args[0], kPrimary, out);
      return;
    case Syntax::Kind::kUnary:
      out += syntax.text == "-" ? "-" : "not ";
      Print(syntax.args[0], syntax.text == "-" ? kPrimary : kComparison, out);
      return;
    case Syntax::Kind::kBinary:
      PrintBinary(syntax, out);
      return;
    case Syntax::Kind::kIn:
      Print(syntax.args[0], kSum, out);
      out += " " + syntax.text + " [";
      PrintList(syntax, 1, ", ", kUnary, out);
      out += "]";
      return;
    case Syntax::Kind::kInRange:
      Print(syntax.args[0], kSum, out);
      out += " " + syntax.text + " ";
      PrintList(syntax, 1, "..", kUnary, out);
      return;
  }
  SEGUE_CHECK(false);
}

void Print(const Syntax& syntax, int at_least, std::string& out) {
  const bool brackets = BindingOf(syntax) < at_least;
  out += brackets ? "(" : "";
  PrintBare(syntax, out);
  out += brackets ? ")" : "";
}

}  // namespace

std::string PrintSyntax(const Syntax& syntax) {
  std::string out;
  Print(syntax, kOrTerm, out);
  return out;
}

}  // namespace segue
