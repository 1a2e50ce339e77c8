#include "pipeline/report.h"

namespace segue {

std::vector<MoveRow> MovesOf(State& state, CustomerIndex customer) {
  Statement list = state.db().Prepare(
      R"(SELECT at, model, coalesce("from", 'none'), coalesce("to", 'none'), cause, why FROM move WHERE customer = ?
         ORDER BY at, id)");
  list.Bind(1, static_cast<std::int64_t>(customer));
  std::vector<MoveRow> all;
  while (list.Step()) {
    all.push_back({FromMicros(list.Int(0)), list.Text(1), list.Text(2), list.Text(3),
                   static_cast<Cause>(list.Int(4)), list.Text(5)});
  }
  return all;
}

std::map<std::string, std::map<Cause, std::int64_t>> MovesByCause(State& state) {
  std::map<std::string, std::map<Cause, std::int64_t>> all;
  Statement list =
      state.db().Prepare("SELECT model, cause, count(*) FROM move GROUP BY model, cause");
  while (list.Step()) {
    all[list.Text(0)][static_cast<Cause>(list.Int(1))] = list.Int(2);
  }
  return all;
}

std::vector<PromisedRow> Promised(State& state) {
  Statement list = state.db().Prepare(R"(
    SELECT playbook,
           CASE WHEN template <> '' THEN template ELSE 'step ' || step END AS what,
           kind, count(DISTINCT customer), count(*),
           sum(state = 2), sum(state IN (0, 1)), sum(state IN (4, 6)), sum(state IN (3, 5, 7))
    FROM outbox GROUP BY playbook, what, kind ORDER BY playbook, min(id))");
  std::vector<PromisedRow> all;
  while (list.Step()) {
    all.push_back({list.Text(0), list.Text(1),
                   std::string(DeliveryKindName(static_cast<DeliveryKind>(list.Int(2)))),
                   list.Int(3), list.Int(4), list.Int(5), list.Int(6), list.Int(7), list.Int(8)});
  }
  return all;
}

std::vector<RefusedRow> Refused(State& state) {
  Statement list = state.db().Prepare(R"(
    SELECT playbook, reason, step = '' AS at_start, count(*) FROM decision
    WHERE passed = 0 AND reason <> '' GROUP BY playbook, reason, at_start ORDER BY playbook, count(*) DESC, reason)");
  std::vector<RefusedRow> all;
  while (list.Step()) {
    all.push_back({list.Text(0), list.Text(1), list.Int(2) == 1, list.Int(3)});
  }
  return all;
}

}  // namespace segue
