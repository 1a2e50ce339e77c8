// From validated documents to the structs of definitions.h.  Internal to this folder.
//
// Every function goes on after a problem: a value that is wrong is reported and left at its
// default, and a load with an error never hands out its workspace.

#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/definitions.h"
#include "config/document.h"
#include "config/report.h"
#include "expression/check.h"

namespace segue {

class Compiler {
 public:
  Compiler(const std::vector<SourceFile>& files, Names& names, Report& report, Workspace& workspace)
      : files_(files), names_(names), report_(report), workspace_(workspace) {}

  // Goes on where another one came to, for more files.
  Compiler(const Compiler& other, const std::vector<SourceFile>& files, Report& report)
      : files_(files),
        names_(other.names_),
        report_(report),
        workspace_(other.workspace_),
        insights_(other.insights_) {}

  void Run(std::vector<Document>& documents);

 private:
  friend class PlaybookCompiler;

  // compile.cc
  Scope BaseScope() const;
  Scope RunScope() const;
  std::optional<Condition> Expression(const Node* node, const Scope& scope,
                                      std::optional<Type> want);
  std::vector<Condition> Conditions(const Node* node, const Scope& scope);
  void OfAccountsAlone(const Node& node, const Expr& expr);
  bool IsFollowUp(const ExpressionError& error, std::string_view text, const Scope& scope) const;
  TextWithValues Text(const Node* node) const;
  void Missing(const Node& map, std::string_view key, std::string_view why);
  void Wrong(const Node& node, std::string message, std::string help = {});
  void Unknown(const Node& node, std::string_view kind, std::string_view name,
               const std::vector<std::string>& known);
  std::optional<int> FieldOf(const Node& node, const EventSpec& event);

  // compile_workspace.cc
  void WorkspaceOf(const Document& document);
  void Schema(const Document& document);
  void Event(const Node& key, const Node& fields);
  void Reversal(const Node& fields, EventSpec& event);
  std::optional<int> Trait(const Node* node, Type type);
  void Accounts(const Node& keys);
  void Consent(const Document& document);
  void Caps(const Document& document);
  void HoldoutAndBrakes(const Document& document);
  void Mirror(const Document& document);
  void Serving(const Document& document);
  void EmailNeeds(const Document& document);
  void RatesOf(const Document& document);  // rates.cc
  void SourceOf(const Document& document);
  void SourceColumns(const Document& document, Source& source);
  void PushedOf(const Document& document, Source& source);
  void ExportOf(const Document& document, Source& source);
  void SqlOf(const Document& document, Source& source);
  void SegmentMap(const Document& document, Source& source);
  void Misplaced(const Document& document, const std::vector<std::string_view>& keys,
                 std::string_view whose);
  void InboundOf(const Document& document, ConnectorSettings& settings);
  void MatchedAccount(const Document& document, const std::string& type);
  void ConnectorNeeds(const Document& document, const ConnectorSettings& settings);
  void ConnectorOf(const Document& document);

  // compile_model.cc
  void Models(std::vector<Document>& documents);
  void ModelOf(const Document& document);
  void Feature(const Node& key, const Node& value, Model& model, ModelNames& names);
  void ScoreOf(const Node& key, const Node& value, Model& model, ModelNames& names);
  void ScoreLines(const Node& map, const Expr& from, const Scope& scope, Score& score);
  void ScorePoints(const Node& points, const Scope& scope, Score& score, bool& whole);
  void FifthsOf(const Node& node, const Expr& from, const Scope& scope, Score& score);
  void Segments(const Document& document, const Scope& scope, Model& model, ModelNames& names);
  void SegmentOf(const Node& entry, bool last, const Scope& scope, Model& model);
  void Cells(const Node& list, const Model& model, Segment& segment);
  void Flags(const Document& document, const Scope& scope, Model& model, ModelNames& names);
  void Rank(const Document& document, Model& model);

  // compile_rest.cc
  void TemplateOf(const Document& document);
  void BodyOf(const Node& map, TemplateBody& body);
  void LayoutOf(const Document& document);
  void OfferOf(const Document& document);
  void BudgetOf(const Node& budget, Offer& offer);
  void PolicyOf(const Document& document);
  void FunnelOf(const Document& document);
  void InsightOf(const Document& document);
  void LookAt(const Node& node, Insight& insight);
  void Outcome(const Node& node, Insight& insight);

  // compile_test.cc
  void TestOf(const Document& document);
  void CheckLearned(const Node& key, const Node& values);

  const std::vector<SourceFile>& files_;
  Names& names_;
  Report& report_;
  Workspace& workspace_;
  std::vector<std::string> insights_;
  std::set<std::string> shaky_;  // Models with an error: what names them may fail for that alone.
};

// compile_playbook.cc
void CompilePlaybook(Compiler& compiler, const Document& document);

// lint.cc: what the compiled workspace lets be proven without data.
void Lint(const Workspace& workspace, const std::vector<Document>& documents, Report& report);

bool IsYes(const Node& map, std::string_view key);

}  // namespace segue
