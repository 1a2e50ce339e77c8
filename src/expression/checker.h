// The type checker.  Internal to expression/: check.cc has literals, operators and types, names.cc
// what names mean, calls.cc the functions.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "expression/check.h"

namespace segue {

// "number", "yes_no": the word that declares the type.
std::string_view TypeWord(Type type);
// Whether it is a number, money or a duration.
bool IsAmount(Type type);
// The operand as it is written, or `instead` where that is too long for a message.
std::string Shown(const Syntax& syntax, std::string_view instead);
// "did you mean …?", or nothing.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates);

class Checker {
 public:
  Checker(const Scope& scope, std::vector<ExpressionError>& errors)
      : scope_(scope), errors_(errors) {}

  // Nothing means that at least one error was added.
  std::optional<Expr> Check(const Syntax& syntax);

  // Turns a literal into the wanted type where the language allows it: 0 into no money or no time,
  // a text into a time. An error when it does not, or when the types differ.
  bool FitTo(Expr& expr, const Syntax& syntax, const ExprType& want);

 private:
  struct Call;  // A function's name, handler and shape.

  struct Place {
    std::size_t begin, end;
  };

  // check.cc
  std::optional<Expr> CheckLiteral(const Syntax& syntax);
  std::optional<Expr> CheckMoney(const Syntax& syntax);
  std::optional<Expr> CheckUnary(const Syntax& syntax);
  std::optional<Expr> CheckBinary(const Syntax& syntax);
  std::optional<Expr> CheckLogic(const Syntax& syntax);
  std::optional<Expr> CheckComparison(const Syntax& syntax, Expr left, Expr right);
  std::optional<Expr> CheckArithmetic(const Syntax& syntax, Expr left, Expr right);
  std::optional<Expr> CheckMembership(const Syntax& syntax);
  bool CheckCondition(const Expr& expr, const Syntax& syntax, std::string_view because);
  // Makes two operands comparable, changing literals; an error under `op` when they are not.
  bool Unify(Expr& left, const Syntax& left_syntax, Expr& right, const Syntax& right_syntax,
             Place op);
  bool ChoiceHas(const Expr& value, const Syntax& value_syntax, const Expr& literal,
                 const Syntax& literal_syntax);
  bool TextToTime(Expr& expr, const Syntax& syntax);
  bool CheckOrdered(const Expr& expr, const Syntax& syntax, Place op);

  // names.cc
  std::optional<Expr> CheckName(const Syntax& syntax);
  std::optional<Expr> CheckField(const Syntax& syntax);
  std::optional<Expr> CheckTrait(const Syntax& syntax, bool account);
  std::optional<Expr> CheckBareName(const Syntax& syntax);
  std::optional<Expr> CheckModelPart(const Syntax& syntax, int model, std::string_view part);
  std::optional<Expr> CheckInsight(const Syntax& syntax, int insight, std::string_view part);
  std::optional<Expr> UnknownName(const Syntax& syntax);

  // calls.cc
  struct EventPart;  // EVENT[.FIELD] [where …], resolved.
  static std::span<const Call> Calls();
  std::optional<Expr> CheckCall(const Syntax& syntax);
  std::optional<Expr> CheckEventCall(const Syntax& syntax, const Call& call);
  std::optional<Expr> CheckValueCall(const Syntax& syntax, const Call& call);
  std::optional<EventPart> CheckEventPart(const Syntax& arg, const Call& call);
  std::optional<int> FindEvent(const Syntax& name, std::string_view event);
  std::optional<int> FindField(const Syntax& name, const EventSpec& event, std::string_view field,
                               const Call& call);
  bool CheckWindows(const Syntax& syntax, const Call& call, Duration& window, Duration& before);
  std::optional<Duration> CheckDuration(const Syntax& syntax);
  Expr AggregateLeaf(const Syntax& syntax, AggregateOp op, const EventPart& part, Duration window,
                     Duration before);
  Expr UsualGap(const Syntax& syntax, const EventPart& part);
  std::optional<Expr> CheckMean(const Syntax& syntax);
  std::optional<Expr> CheckTimeCall(const Syntax& syntax, const Call& call);

  bool InCallWhere() const { return scope_.event.has_value() && !scope_.where_traits; }

  void Fail(std::string code, Place place, std::string message, std::string note, std::string help);
  std::nullopt_t Fail(std::string code, const Syntax& syntax, std::string message,
                      std::string help);

  const Scope& scope_;
  std::vector<ExpressionError>& errors_;
};

// A node that covers `syntax`.
Expr MakeExpr(Op op, ExprType type, const Syntax& syntax);
Expr MakeLeaf(Leaf::Kind kind, int model, int index, ExprType type, const Syntax& syntax);

}  // namespace segue
