// Segments from outside: slots, new people, and what is read of the settled state.

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "segments/inner.h"

namespace segue {

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
  Pass pass{people,
            slot,
            now,
            !state.last_slot,
            inner_->Edited(),
            people.inputs_before() != nullptr,
            {},
            {},
            {},
            {},
            {}};
  pass.result.baseline = pass.baseline;
  pass.lines_before = inner_->LinesInForce();
  pass.lines = pass.lines_before;
  pass.margins_before = inner_->Margins();
  pass.margins = pass.margins_before;
  if (pass.edited) {
    pass.margins.assign(model.scores.size(), false);
  }
  state.Resize(people.count());
  inner_->FollowKeys(people);
  if (pass.edited) {
    inner_->before_values.Clear();
  } else {
    inner_->before_values.Trim(people.readers_since().value_or(now - Duration(1)));
  }
  inner_->Refit(pass);
  inner_->RunBlocks(pass);
  inner_->ForgetValues();
  if (state.last_slot) {
    state.missed += std::max(0, model.every.CountSlots(*state.last_slot, slot, model.timezone) - 1);
  } else {
    state.baseline = now;
  }
  state.last_slot = slot;
  state.hash = inner_->Hash();
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
  state.Resize(people.count());
  const bool edited = inner.Edited();
  const auto waits = [&](CustomerIndex customer) {
    return (state.settled(customer).bits & Settled::kPlaced) == 0 && people.IsAlive(customer) &&
           (!edited || customer >= state.known);
  };
  // Asked in every cycle: mostly nobody is new, or all who are not placed are outside of the model.
  std::vector<CustomerIndex> blocks;
  for (CustomerIndex first = 0; first < state.count(); first += kBlock) {
    if (inner.AnyInside(people, now, first, waits)) {
      blocks.push_back(first);
    }
  }
  for (std::vector<CustomerIndex>& flagged : inner.quiet) {
    flagged.clear();
  }
  if (blocks.empty() && !inner.forgotten) {
    return {};
  }
  Transaction work(inner.db);
  Pass pass{people, *state.last_slot, now, false, edited, false, {}, {}, {}, {}, {}};
  pass.lines = inner.LinesInForce();
  pass.margins.assign(inner.model.scores.size(), false);
  // An edited score whose lines are not learned yet would put everybody into the wrong segment: the
  // slot places them.
  bool lines_wait = false;
  for (std::size_t score = 0; pass.edited && score < pass.lines.size(); ++score) {
    lines_wait =
        lines_wait || (inner.model.scores[score].learned() && pass.lines[score].at.empty());
  }
  if (lines_wait) {
    blocks.clear();
  }
  std::vector<Wishes> wishes(1);
  Scorer scorer(inner.model, people, {now, inner.model.timezone});
  Inner::Part part{inner, pass, scorer, wishes[0]};
  for (const CustomerIndex first : blocks) {
    const std::size_t here = std::min<std::size_t>(kBlock, state.count() - first);
    scorer.Load(first, here);
    scorer.ComputeScores(pass.lines, nullptr, pass.margins, inner.model.scores.size());
    scorer.ComputeAnswers();
    part.ReadFlags();
    const Inner::Part::Said was = part.Says(first);
    const WhyContext why{inner.model, inner.workspace, scorer, pass.lines, pass.margins, state};
    for (std::size_t i = 0; i < here; ++i) {
      const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
      const bool place = waits(customer) && scorer.answer(i) != kNoSegment;
      part.stored[i] = place ? Inner::Part::Stored::kAsScored : Inner::Part::Stored::kAsBefore;
      if (place) {
        part.Place(why, customer, i);
      }
    }
    part.StoreValues(first);
    part.NoteFlags(was, {}, first);
  }
  Statement insert = state.PrepareMove();
  inner.GrantMoves(pass, wishes.front(), insert);
  inner.GrantRest(pass, wishes);
  if (!pass.result.moves.empty() || inner.forgotten) {
    inner.forgotten = false;
    state.Store();
  }
  work.Commit();
  return std::move(pass.result);
}

bool Segments::Inner::AnyInside(const Population& people, TimePoint now, CustomerIndex first,
                                const std::function<bool(CustomerIndex)>& waits) const {
  const std::size_t here = std::min<std::size_t>(kBlock, state.count() - first);
  std::size_t at = 0;
  while (at < here && !waits(first + static_cast<CustomerIndex>(at))) {
    ++at;
  }
  if (at == here || !who_stands_alone) {
    return at < here;
  }
  const auto begin = first + static_cast<CustomerIndex>(at);
  const std::vector<double> inside = AskWho(people, now, begin, here - at);
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (IsTrue(inside[i]) && waits(begin + static_cast<CustomerIndex>(i))) {
      return true;
    }
  }
  return false;
}

std::vector<double> Segments::Inner::AskWho(const Population& people, TimePoint now,
                                            CustomerIndex first, std::size_t size) const {
  std::vector<double> inside(size);
  ExecuteBlock(model.who->expr, people.inputs(), {now, model.timezone}, first, inside);
  return inside;
}

bool Segments::Inner::IsEmpty(const Population& people, TimePoint now, CustomerIndex first,
                              std::size_t size) const {
  if (!who_stands_alone) {
    return false;
  }
  for (std::size_t i = 0; i < size; ++i) {
    const Settled& settled = state.settled(first + static_cast<CustomerIndex>(i));
    if (settled.bits != 0 || settled.segment != kNoSegment || settled.answer != kNoSegment) {
      return false;
    }
  }
  const std::vector<double> inside = AskWho(people, now, first, size);
  return std::none_of(inside.begin(), inside.end(), IsTrue);
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

std::string Segments::edition() const {
  return inner_->Edited() ? inner_->state.hash : inner_->Hash();
}

void Segments::FollowReads(std::string editions) {
  inner_->reads = std::move(editions);
}

bool Segments::RelearnedSince(TimePoint after) const {
  return inner_->before_values.AnySince(after);
}

const std::vector<CustomerIndex>& Segments::QuietlyFlagged(int flag) const {
  return inner_->quiet[static_cast<std::size_t>(flag)];
}

const Lines& Segments::lines() const {
  return inner_->shown;
}

Membership Segments::Get(CustomerIndex who) const {
  const ModelState& state = inner_->state;
  const CustomerIndex customer = inner_->At(who);
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
  if (out.size() == 1) {
    const CustomerIndex customer = inner_->At(first);
    const SegmentIndex segment =
        customer < state.count() ? state.settled(customer).segment : kNoSegment;
    out[0] = segment == kNoSegment ? kMissing : pool.Intern(state.segment_ids()[segment]);
    return;
  }
  std::vector<double> codes;
  for (const std::string& id : state.segment_ids()) {
    codes.push_back(pool.Intern(id));
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const CustomerIndex customer = inner_->At(first) + static_cast<CustomerIndex>(i);
    const SegmentIndex segment =
        customer < state.count() ? state.settled(customer).segment : kNoSegment;
    out[i] = segment == kNoSegment ? kMissing : codes[segment];
  }
}

void Segments::ReadScore(int score, CustomerIndex first, std::span<double> out) const {
  const ModelState& state = inner_->state;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const CustomerIndex customer = inner_->At(first) + static_cast<CustomerIndex>(i);
    out[i] = customer < state.count() ? state.score(static_cast<std::size_t>(score), customer)
                                      : kMissing;
  }
}

void Segments::ReadFlag(int flag, CustomerIndex first, std::span<double> out) const {
  const ModelState& state = inner_->state;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const CustomerIndex customer = inner_->At(first) + static_cast<CustomerIndex>(i);
    const bool inside = customer < state.count() && state.is_inside(customer);
    out[i] = !inside ? kMissing : state.flag(static_cast<std::size_t>(flag), customer) ? 1 : 0;
  }
}

void Segments::ReadFeature(int feature, CustomerIndex first, std::span<double> out) const {
  const ModelState& state = inner_->state;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const CustomerIndex customer = inner_->At(first) + static_cast<CustomerIndex>(i);
    out[i] = customer < state.count() ? state.feature(static_cast<std::size_t>(feature), customer)
                                      : kMissing;
  }
}

void Segments::ReadBefore(const Leaf& leaf, CustomerIndex first, std::span<double> out,
                          TextPool& pool, TimePoint after) const {
  const ModelState& state = inner_->state;
  const auto put_back = [&](Relearned::Of of) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      const CustomerIndex customer = inner_->At(first) + static_cast<CustomerIndex>(i);
      out[i] = inner_->before_values.Before(of, leaf.index, customer, out[i], after);
    }
  };
  switch (leaf.kind) {
    case Leaf::Kind::kScore:
      ReadScore(leaf.index, first, out);
      return put_back(Relearned::Of::kScore);
    case Leaf::Kind::kFlag:
      ReadFlag(leaf.index, first, out);
      return put_back(Relearned::Of::kFlag);
    case Leaf::Kind::kFeature:
      ReadFeature(leaf.index, first, out);
      return put_back(Relearned::Of::kFeature);
    default:
      break;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const CustomerIndex customer = inner_->At(first) + static_cast<CustomerIndex>(i);
    const SegmentIndex is = customer < state.count() ? state.settled(customer).segment : kNoSegment;
    const auto was = static_cast<SegmentIndex>(
        inner_->before_values.Before(Relearned::Of::kSegment, 0, customer, is, after));
    out[i] = was == kNoSegment ? kMissing : pool.Intern(state.segment_ids()[was]);
  }
}

std::vector<std::string> Segments::Explain(const Population& people, CustomerIndex who,
                                           TimePoint now, const TextPool& /*pool*/) const {
  const Inner& inner = *inner_;
  const CustomerIndex customer = inner.At(who);
  const std::vector<LineSet> lines = inner.LinesInForce();
  const std::vector<bool> margins = inner.Margins();
  Scorer scorer(inner.model, people, {now, inner.model.timezone});
  scorer.Load(customer, 1);
  scorer.ComputeScores(lines, inner.Edited() ? nullptr : &inner.state.steps(), margins,
                       inner.model.scores.size());
  scorer.ComputeAnswers();
  const WhyContext why{inner.model, inner.workspace, scorer, lines, margins, inner.state};
  std::vector<std::string> texts = ExplainAnswer(why, customer);
  const Membership membership = Get(who);
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

void Segments::Forget(CustomerIndex who) {
  const CustomerIndex customer = inner_->At(who);
  if (customer < inner_->state.count()) {
    inner_->state.Clear(customer);
    inner_->before_values.Forget(customer);
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

void Segments::KeepNothing() {
  inner_->state.keeps_nothing = true;
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
