// Settling: slots, holds, causes and moves.

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "segments/learn.h"
#include "segments/scorer.h"
#include "segments/segments.h"
#include "segments/state.h"
#include "segments/why.h"

namespace segue {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kPeopleForFifths =
    100;  // Fewer, and each new customer shifts the lines noticeably.
constexpr std::uint16_t kRunsMax = 0xffff;

// What one pass over the customers works with.
struct Pass {
  const Population& people;
  TimePoint slot, now;
  bool baseline = false;
  bool edited = false;
  bool refitted = false;
  std::vector<LineSet> lines, lines_before;
  std::vector<bool> margins, margins_before;
  SlotResult result;
};

}  // namespace

struct Segments::Inner {
  Inner(Database& db_in, const Workspace& workspace_in, int model_in)
      : db(db_in),
        workspace(workspace_in),
        model_index(model_in),
        model(workspace_in.models[static_cast<std::size_t>(model_in)]),
        state(db_in, model) {
    for (std::size_t score = 0; score < model.scores.size(); ++score) {
      basis.push_back(model.scores[score].learned() ? BasisOf(model, score) : std::string());
    }
    ShowLines();
  }

  bool Edited() const { return state.last_slot && state.hash != model.hash; }

  bool IsKnown(SegmentIndex segment) const { return segment < model.segments.size(); }

  SegmentIndex Shown(SegmentIndex segment) const { return IsKnown(segment) ? segment : kNoSegment; }

  const Fit* FindFit(std::size_t score) const {
    const auto found = state.fits.find(model.scores[score].name);
    return found == state.fits.end() || found->second.basis != basis[score] ? nullptr
                                                                            : &found->second;
  }

  // The lines in force: of the file, pinned, or learned (none while nothing was learned).
  std::vector<LineSet> LinesInForce() const {
    std::vector<LineSet> lines = FixedLines(model);
    for (std::size_t score = 0; score < lines.size(); ++score) {
      const auto pin = pinned.find(model.scores[score].name);
      if (pin != pinned.end()) {
        lines[score] = pin->second;
      } else if (const Fit* fit = model.scores[score].learned() ? FindFit(score) : nullptr) {
        lines[score] = fit->lines;
      }
    }
    return lines;
  }

  std::vector<bool> Margins() const {
    std::vector<bool> margins;
    for (const Score& score : model.scores) {
      margins.push_back(score.margin_applies && score.steps() > 0 && model.margin_percent > 0);
    }
    return margins;
  }

  void ShowLines() {
    shown = {};
    const std::vector<LineSet> lines = LinesInForce();
    for (std::size_t score = 0; score < lines.size(); ++score) {
      const Score& spec = model.scores[score];
      if (!spec.learned() || lines[score].at.empty()) {
        continue;
      }
      shown.by_score[spec.name] = lines[score].at;
      if (!lines[score].keys.empty()) {
        shown.keys_by_score[spec.name] = lines[score].keys;
      }
      if (const Fit* fit = FindFit(score); fit != nullptr && fit->slot >= shown.fitted) {
        shown.fitted = fit->slot;
        shown.people = std::max(shown.people, fit->people);
      }
    }
  }

  void Refit(Pass& pass);
  void RunBlocks(Pass& pass);
  void SettleBlock(Pass& pass, const Scorer& scorer, Scorer& before, CustomerIndex first);
  void SettleOne(Pass& pass, const WhyContext& why, CustomerIndex customer, std::size_t i,
                 std::optional<SegmentIndex> before);
  void Place(Pass& pass, const WhyContext& why, CustomerIndex customer, std::size_t i);
  void MoveTo(Pass& pass, Settled& settled, CustomerIndex customer, Cause cause, std::string text);
  void StoreValues(const Scorer& scorer, CustomerIndex customer, std::size_t i, bool outside);
  void ReadFlags(const Scorer& scorer);

  Database& db;
  const Workspace& workspace;
  int model_index;
  const Model& model;
  ModelState state;
  std::vector<std::string> basis;
  std::map<std::string, LineSet> pinned;
  Lines shown;
  bool forgotten = false;  // Something is to be stored though nobody moved.
  // Of the block at hand: whether each flag's conditions hold.
  std::vector<std::vector<double>> flag_on, flag_off;
};

void Segments::Inner::Refit(Pass& pass) {
  std::vector<bool> due(model.scores.size(), false);
  for (std::size_t score = 0; score < due.size(); ++score) {
    const Score& spec = model.scores[score];
    due[score] = spec.learned() && !pinned.contains(spec.name) &&
                 IsFitDue(spec, basis[score], FindFit(score), pass.slot, workspace.schema.timezone);
  }
  if (std::find(due.begin(), due.end(), true) == due.end()) {
    return;
  }
  // What a learned score reads is scored as in a slot that learns nothing: with margins, but for an
  // edit.
  const Learning learning{
      model, pass.people, {pass.now, model.timezone}, pass.edited ? nullptr : &state.steps()};
  const std::vector<std::int64_t> people = Learn(learning, due, pass.margins, pass.lines);
  for (std::size_t score = 0; score < due.size(); ++score) {
    if (!due[score] || people[score] == 0) {
      continue;
    }
    pass.result.refitted = true;
    state.StoreFit(model.scores[score].name,
                   {pass.lines[score], pass.slot, people[score], basis[score]});
    if (people[score] < kPeopleForFifths) {
      pass.result.warnings.push_back(
          fmt::format("model {}: the lines of {} were learned from {} people; with fewer than {} a "
                      "few customers shift them, so "
                      "write `cuts` until there are more",
                      model.id, model.scores[score].name, people[score], kPeopleForFifths));
    }
    if (pass.lines[score] != pass.lines_before[score]) {
      pass.refitted = true;
      pass.margins[score] = false;
    }
  }
  ShowLines();
}

void Segments::Inner::ReadFlags(const Scorer& scorer) {
  flag_on.resize(model.flags.size(), std::vector<double>(kBlock));
  flag_off.resize(model.flags.size(), std::vector<double>(kBlock));
  for (std::size_t flag = 0; flag < model.flags.size(); ++flag) {
    scorer.Execute(model.flags[flag].on.expr, std::span(flag_on[flag]).first(scorer.count()));
    if (model.flags[flag].off) {
      scorer.Execute(model.flags[flag].off->expr, std::span(flag_off[flag]).first(scorer.count()));
    }
  }
}

void Segments::Inner::StoreValues(const Scorer& scorer, CustomerIndex customer, std::size_t i,
                                  bool outside) {
  if (outside) {
    state.ClearValues(customer);
    return;
  }
  for (std::size_t score = 0; score < model.scores.size(); ++score) {
    const double value = scorer.score(score, i);
    if (model.scores[score].steps() > 0) {
      const auto code = static_cast<StepCode>(value);
      state.SetStep(score, customer,
                    scorer.no_data(score, i) ? static_cast<StepCode>(code | kNoData) : code);
    } else {
      state.SetScore(score, customer, value);
    }
  }
  for (std::size_t feature = 0; feature < model.features.size(); ++feature) {
    state.SetFeature(feature, customer, scorer.feature(feature, i));
  }
  for (std::size_t flag = 0; flag < model.flags.size(); ++flag) {
    const bool turns_off =
        model.flags[flag].off ? IsTrue(flag_off[flag][i]) : !IsTrue(flag_on[flag][i]);
    const bool on = state.flag(flag, customer) ? !turns_off : IsTrue(flag_on[flag][i]);
    state.SetFlag(flag, customer, on);
  }
}

void Segments::Inner::MoveTo(Pass& pass, Settled& settled, CustomerIndex customer, Cause cause,
                             std::string text) {
  Move move;
  move.model = model_index;
  move.customer = customer;
  move.from = Shown(settled.segment);
  move.to = settled.answer;
  move.cause = cause;
  move.at = pass.now;
  move.why = std::move(text);
  state.StoreMove(move, settled.segment, settled.answer);
  pass.result.moves.push_back(std::move(move));
  settled.segment = settled.answer;
  settled.since = ToMicros(pass.now);
  settled.runs = 0;
  state.DropWait(customer);
}

void Segments::Inner::Place(Pass& pass, const WhyContext& why, CustomerIndex customer,
                            std::size_t i) {
  Settled settled = state.settled(customer);
  settled.answer = why.scorer.answer(i);
  settled.bits = static_cast<std::uint8_t>(why.scorer.inside(i) ? Settled::kInside : 0);
  if (settled.answer != kNoSegment) {
    settled.bits |= Settled::kPlaced;
    if (pass.baseline) {
      settled.segment = settled.answer;
      settled.since = ToMicros(pass.now);
    } else {
      const Cause cause = pass.edited && customer < state.known    ? Cause::kEdit
                          : pass.people.FirstFactWasLate(customer) ? Cause::kImport
                                                                   : Cause::kBehaviour;
      MoveTo(pass, settled, customer, cause, WhyPlaced(why, i));
    }
  }
  state.Set(customer, settled);
}

// `before` is the answer with the lines before, where lines were learned at this slot.
void Segments::Inner::SettleOne(Pass& pass, const WhyContext& why, CustomerIndex customer,
                                std::size_t i, std::optional<SegmentIndex> before) {
  Settled settled = state.settled(customer);
  const SegmentIndex answer = why.scorer.answer(i);
  const bool was_pending = settled.runs > 0 && settled.answer == answer;
  settled.bits =
      static_cast<std::uint8_t>(Settled::kPlaced | (why.scorer.inside(i) ? Settled::kInside : 0));
  settled.answer = answer;
  if (answer == settled.segment) {
    settled.runs = 0;
    state.DropWait(customer);
    state.Set(customer, settled);
    return;
  }
  if (pass.edited &&
      (!was_pending || (settled.segment != kNoSegment && !IsKnown(settled.segment)))) {
    const std::string change = WhyChanged(why, customer, i, settled.segment, answer);
    MoveTo(pass, settled, customer, Cause::kEdit,
           "the model was edited" + (change.empty() ? "" : ": " + change));
    state.Set(customer, settled);
    return;
  }
  if (was_pending) {
    settled.runs = static_cast<std::uint16_t>(std::min<int>(settled.runs + 1, kRunsMax));
  } else {
    const bool refit = before.has_value() && *before == settled.segment;
    settled.runs = 1;
    settled.answer_since = ToMicros(pass.slot);
    settled.cause = static_cast<std::uint8_t>(
        refit ? Cause::kRefit : pass.people.CauseSince(customer).value_or(Cause::kTime));
  }
  const auto cause = static_cast<Cause>(settled.cause);
  const Duration held = pass.slot - FromMicros(settled.answer_since);
  const bool enough = cause == Cause::kRefit ||
                      (model.hold.time > Duration::zero() ? held >= model.hold.time
                                                          : settled.runs >= model.hold.runs);
  if (was_pending && enough) {
    const auto found = state.waits().find(customer);
    MoveTo(pass, settled, customer, cause,
           (found == state.waits().end() ? "" : found->second) + HeldFor(model.hold));
  } else if (enough) {
    const std::string change = WhyChanged(why, customer, i, settled.segment, answer);
    MoveTo(pass, settled, customer, cause,
           cause == Cause::kRefit ? "lines were learned again: " + change : change);
  } else if (!was_pending) {
    state.SetWait(customer, WhyChanged(why, customer, i, settled.segment, answer));
  }
  state.Set(customer, settled);
}

void Segments::Inner::SettleBlock(Pass& pass, const Scorer& scorer, Scorer& before,
                                  CustomerIndex first) {
  const WhyContext why{model, workspace, scorer, pass.lines, pass.margins, state};
  // The lines before are asked only where they can matter.
  bool ask_before = false;
  for (std::size_t i = 0; pass.refitted && !pass.edited && !pass.baseline && i < scorer.count();
       ++i) {
    const Settled& settled = state.settled(first + static_cast<CustomerIndex>(i));
    ask_before = ask_before ||
                 ((settled.bits & Settled::kPlaced) != 0 && settled.segment != scorer.answer(i));
  }
  if (ask_before) {
    before.Load(first, scorer.count());
    before.ComputeScores(pass.lines_before, &state.steps(), pass.margins_before,
                         model.scores.size());
    before.ComputeAnswers();
  }
  ReadFlags(scorer);
  for (std::size_t i = 0; i < scorer.count(); ++i) {
    const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
    if (!pass.people.IsAlive(customer)) {
      state.Clear(customer);
      continue;
    }
    if ((state.settled(customer).bits & Settled::kPlaced) == 0) {
      Place(pass, why, customer, i);
    } else {
      SettleOne(pass, why, customer, i,
                ask_before ? std::optional(before.answer(i)) : std::nullopt);
    }
    StoreValues(scorer, customer, i, !scorer.inside(i));
  }
}

void Segments::Inner::RunBlocks(Pass& pass) {
  Scorer scorer(model, pass.people, {pass.now, model.timezone});
  Scorer before(model, pass.people, {pass.now, model.timezone});
  for (CustomerIndex first = 0; first < state.count(); first += kBlock) {
    scorer.Load(first, std::min<std::size_t>(kBlock, state.count() - first));
    scorer.ComputeScores(pass.lines, pass.edited ? nullptr : &state.steps(), pass.margins,
                         model.scores.size());
    scorer.ComputeAnswers();
    SettleBlock(pass, scorer, before, first);
  }
}

Segments::Segments(Database& db, const Workspace& workspace, int model)
    : inner_(std::make_unique<Inner>(db, workspace, model)) {}

Segments::~Segments() = default;

SlotResult Segments::RunSlot(const Population& people, TimePoint slot, TimePoint now) {
  ModelState& state = inner_->state;
  const Model& model = inner_->model;
  if (state.last_slot && slot <= *state.last_slot) {
    return {};
  }
  Transaction work(inner_->db);
  Pass pass{people, slot, now, !state.last_slot, inner_->Edited(), false, {}, {}, {}, {}, {}};
  pass.result.baseline = pass.baseline;
  pass.lines_before = inner_->LinesInForce();
  pass.lines = pass.lines_before;
  pass.margins_before = inner_->Margins();
  pass.margins = pass.margins_before;
  if (pass.edited) {
    pass.margins.assign(model.scores.size(), false);
  }
  state.Resize(people.count());
  inner_->Refit(pass);
  inner_->RunBlocks(pass);
  if (state.last_slot) {
    state.missed += std::max(0, model.every.CountSlots(*state.last_slot, slot, model.timezone) - 1);
  } else {
    state.baseline = now;
  }
  state.last_slot = slot;
  state.hash = model.hash;
  state.known = people.count();
  inner_->forgotten = false;
  state.Store();
  work.Commit();
  return std::move(pass.result);
}

SlotResult Segments::PlaceNew(const Population& people, TimePoint now) {
  Inner& inner = *inner_;
  ModelState& state = inner.state;
  if (!state.last_slot) {
    return {};
  }
  Transaction work(inner.db);
  Pass pass{people, *state.last_slot, now, false, inner.Edited(), false, {}, {}, {}, {}, {}};
  pass.lines = inner.LinesInForce();
  pass.margins.assign(inner.model.scores.size(), false);
  // An edited score whose lines are not learned yet would put everybody into the wrong segment: the
  // slot places them.
  bool lines_wait = false;
  for (std::size_t score = 0; pass.edited && score < pass.lines.size(); ++score) {
    lines_wait =
        lines_wait || (inner.model.scores[score].learned() && pass.lines[score].at.empty());
  }
  state.Resize(people.count());
  Scorer scorer(inner.model, people, {now, inner.model.timezone});
  const auto waits = [&](CustomerIndex customer) {
    return (state.settled(customer).bits & Settled::kPlaced) == 0 && people.IsAlive(customer) &&
           (!pass.edited || customer >= state.known);
  };
  for (CustomerIndex first = 0; !lines_wait && first < state.count(); first += kBlock) {
    const std::size_t here = std::min<std::size_t>(kBlock, state.count() - first);
    bool any = false;
    for (std::size_t i = 0; !any && i < here; ++i) {
      any = waits(first + static_cast<CustomerIndex>(i));
    }
    if (!any) {
      continue;
    }
    scorer.Load(first, here);
    scorer.ComputeScores(pass.lines, nullptr, pass.margins, inner.model.scores.size());
    scorer.ComputeAnswers();
    inner.ReadFlags(scorer);
    const WhyContext why{inner.model, inner.workspace, scorer, pass.lines, pass.margins, state};
    for (std::size_t i = 0; i < here; ++i) {
      const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
      if (waits(customer) && scorer.answer(i) != kNoSegment) {
        inner.Place(pass, why, customer, i);
        inner.StoreValues(scorer, customer, i, false);
      }
    }
  }
  if (!pass.result.moves.empty() || inner.forgotten) {
    inner.forgotten = false;
    state.Store();
  }
  work.Commit();
  return std::move(pass.result);
}

std::optional<TimePoint> Segments::last_slot() const {
  return inner_->state.last_slot;
}

std::int64_t Segments::missed_slots() const {
  return inner_->state.missed;
}

bool Segments::edited() const {
  return inner_->Edited();
}

const Lines& Segments::lines() const {
  return inner_->shown;
}

Membership Segments::Get(CustomerIndex customer) const {
  const ModelState& state = inner_->state;
  Membership membership;
  if (customer >= state.count()) {
    membership.scores.assign(inner_->model.scores.size(), kMissing);
    membership.features.assign(inner_->model.features.size(), kMissing);
    membership.flags.assign(inner_->model.flags.size(), false);
    return membership;
  }
  const Settled& settled = state.settled(customer);
  membership.segment = inner_->Shown(settled.segment);
  membership.since = FromMicros(settled.since);
  membership.answer = inner_->Shown(settled.answer);
  membership.answer_runs = settled.runs;
  membership.answer_since = FromMicros(settled.answer_since);
  for (std::size_t score = 0; score < inner_->model.scores.size(); ++score) {
    membership.scores.push_back(state.score(score, customer));
  }
  for (std::size_t feature = 0; feature < inner_->model.features.size(); ++feature) {
    membership.features.push_back(state.feature(feature, customer));
  }
  for (std::size_t flag = 0; flag < inner_->model.flags.size(); ++flag) {
    membership.flags.push_back(state.flag(flag, customer));
  }
  membership.placed = (settled.bits & Settled::kPlaced) != 0;
  return membership;
}

std::vector<std::int64_t> Segments::CountBySegment() const {
  std::vector<std::int64_t> counts(inner_->model.segments.size(), 0);
  for (CustomerIndex customer = 0; customer < inner_->state.count(); ++customer) {
    const SegmentIndex segment = inner_->state.settled(customer).segment;
    if (inner_->IsKnown(segment)) {
      ++counts[segment];
    }
  }
  return counts;
}

void Segments::ReadSegment(CustomerIndex first, std::span<double> out, TextPool& pool) const {
  const ModelState& state = inner_->state;
  std::vector<double> codes;
  for (const std::string& id : state.segment_ids()) {
    codes.push_back(pool.Intern(id));
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
    const SegmentIndex segment =
        customer < state.count() ? state.settled(customer).segment : kNoSegment;
    out[i] = segment == kNoSegment ? kMissing : codes[segment];
  }
}

void Segments::ReadScore(int score, CustomerIndex first, std::span<double> out) const {
  const ModelState& state = inner_->state;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
    out[i] = customer < state.count() ? state.score(static_cast<std::size_t>(score), customer)
                                      : kMissing;
  }
}

void Segments::ReadFlag(int flag, CustomerIndex first, std::span<double> out) const {
  const ModelState& state = inner_->state;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
    const bool inside = customer < state.count() && state.is_inside(customer);
    out[i] = !inside ? kMissing : state.flag(static_cast<std::size_t>(flag), customer) ? 1 : 0;
  }
}

void Segments::ReadFeature(int feature, CustomerIndex first, std::span<double> out) const {
  const ModelState& state = inner_->state;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
    out[i] = customer < state.count() ? state.feature(static_cast<std::size_t>(feature), customer)
                                      : kMissing;
  }
}

std::vector<std::string> Segments::Explain(const Population& people, CustomerIndex customer,
                                           TimePoint now, const TextPool& /*pool*/) const {
  const Inner& inner = *inner_;
  const std::vector<LineSet> lines = inner.LinesInForce();
  const std::vector<bool> margins = inner.Margins();
  Scorer scorer(inner.model, people, {now, inner.model.timezone});
  scorer.Load(customer, 1);
  scorer.ComputeScores(lines, inner.Edited() ? nullptr : &inner.state.steps(), margins,
                       inner.model.scores.size());
  scorer.ComputeAnswers();
  const WhyContext why{inner.model, inner.workspace, scorer, lines, margins, inner.state};
  std::vector<std::string> texts = ExplainAnswer(why, customer);
  const Membership membership = Get(customer);
  for (std::size_t flag = 0; flag < inner.model.flags.size(); ++flag) {
    texts.push_back(inner.model.flags[flag].name + ": " + (membership.flags[flag] ? "yes" : "no") +
                    ", as of the last slot");
  }
  const auto name = [&](SegmentIndex segment) {
    return segment == kNoSegment ? std::string("none") : inner.model.segments[segment].id;
  };
  texts.push_back(membership.placed ? fmt::format("settled: {} since {}", name(membership.segment),
                                                  FormatTime(membership.since))
                                    : "settled: none, never placed");
  if (membership.answer_runs > 0) {
    const auto wait = inner.state.waits().find(customer);
    texts.push_back(fmt::format("pending: {}, first at {}, in {} {} so far; {}",
                                name(membership.answer), FormatTime(membership.answer_since),
                                membership.answer_runs,
                                membership.answer_runs == 1 ? "run" : "runs",
                                wait == inner.state.waits().end() ? "" : wait->second));
  }
  return texts;
}

void Segments::Forget(CustomerIndex customer) {
  if (customer < inner_->state.count()) {
    inner_->state.Clear(customer);
    inner_->forgotten = true;
  }
}

void Segments::Erase(CustomerIndex customer) {
  Transaction work(inner_->db);
  Forget(customer);
  Statement moves = inner_->db.Prepare("UPDATE move SET why = '' WHERE model = ? AND customer = ?");
  moves.Bind(1, inner_->model.id).Bind(2, std::int64_t{customer}).Run();
  if (inner_->state.last_slot) {
    inner_->state.Store();
  }
  work.Commit();
}

void Segments::PinLines(Lines lines) {
  for (const auto& [score, at] : lines.by_score) {
    LineSet& pin = inner_->pinned[score];
    pin.at = at;
    if (const auto keys = lines.keys_by_score.find(score); keys != lines.keys_by_score.end()) {
      pin.keys = keys->second;
    }
  }
  inner_->ShowLines();
}

}  // namespace segue
