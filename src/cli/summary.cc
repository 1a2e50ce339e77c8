// Summary: what a state holds now, on one screen.

#include <fmt/format.h>

#include "cli/terminal.h"
#include "cli/verbs.h"
#include "pipeline/report.h"

namespace segue {
namespace {

std::string SegmentTables(State& state) {
  std::string text;
  const Workspace& workspace = state.workspace();
  for (std::size_t i = 0; i < workspace.models.size(); ++i) {
    const auto* segments = state.segments(static_cast<int>(i));
    if (segments == nullptr) {
      continue;
    }
    const Model& model = workspace.models[i];
    const std::vector<std::int64_t> counts = segments->CountBySegment();
    std::int64_t all = 0;
    for (const std::int64_t count : counts) {
      all += count;
    }
    text += fmt::format("{}: {} customers\n", model.id, Grouped(all));
    Table table({"  segment", ">customers", ">share", ""});
    for (std::size_t segment = 0; segment < counts.size(); ++segment) {
      const double share =
          all == 0 ? 0 : static_cast<double>(counts[segment]) / static_cast<double>(all);
      table.Row({"  " + model.segments[segment].name, Grouped(counts[segment]), Percent(share),
                 Bar(share, 24)});
    }
    text += table.Text() + "\n";
  }
  return text;
}

std::string MoveTable(State& state) {
  Table table({"moves of", ">behaviour", ">time", ">import", ">merge", ">refit", ">edit"});
  for (auto& [model, causes] : MovesByCause(state)) {
    std::map<Cause, std::int64_t> by = causes;
    table.Row({model, Grouped(by[Cause::kBehaviour]), Grouped(by[Cause::kTime]),
               Grouped(by[Cause::kImport]), Grouped(by[Cause::kMerge]), Grouped(by[Cause::kRefit]),
               Grouped(by[Cause::kEdit])});
  }
  return table.Text() + "\n";
}

std::string PromisedTable(State& state) {
  Table table(
      {"playbook", "what", "kind", ">people", ">promised", ">delivered", ">waiting", ">dropped"});
  for (const PromisedRow& row : Promised(state)) {
    table.Row({row.playbook, row.what, row.kind, Grouped(row.people), Grouped(row.promised),
               Grouped(row.accepted), Grouped(row.waiting), Grouped(row.dropped + row.other)});
  }
  return table.Text() + "\n";
}

std::string RefusedTable(State& state) {
  Table table({"not sent", "at", "reason", ">times"});
  for (const RefusedRow& row : Refused(state)) {
    table.Row({row.playbook, row.at_start ? "start" : "step", row.reason, Grouped(row.times)});
  }
  return table.Text() + "\n";
}

}  // namespace

std::string Summary(State& state) {
  return SegmentTables(state) + MoveTable(state) + PromisedTable(state) + RefusedTable(state);
}

}  // namespace segue
