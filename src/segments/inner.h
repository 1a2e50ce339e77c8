// Inside a Segments: what it keeps, and the pass over everybody that settles.

#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/model_reads.h"
#include "segments/before.h"
#include "segments/key_codes.h"
#include "segments/learn.h"
#include "segments/scorer.h"
#include "segments/segments.h"
#include "segments/state.h"
#include "segments/watched.h"
#include "segments/why.h"

namespace segue {

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

// What a part of the customers wants to be stored, in their order: several parts are settled at a
// time, and SQLite is written by one.
struct Wishes {
  struct Wish {
    enum class Kind : std::uint8_t { kMove, kWait, kDropWait };

    Kind kind = Kind::kMove;
    CustomerIndex customer = 0;
    Move move;  // kMove, with its segments as they are stored.
    SegmentIndex from = kNoSegment, to = kNoSegment;
    std::string text;  // kWait
  };

  std::vector<Wish> all;
  std::vector<Relearned> relearned;
  std::vector<std::pair<int, CustomerIndex>> quiet;  // Who got a flag, but not by themselves.
};

struct Segments::Inner {
  Inner(Database& db_in, const Workspace& workspace_in, int model_in)
      : db(db_in),
        workspace(workspace_in),
        model_index(model_in),
        model(workspace_in.models[static_cast<std::size_t>(model_in)]),
        base(model.of == Subject::kAccount ? kFirstAccount : 0),
        silent(db_in.thrown_away()),
        state(db_in, model, FeaturesAreRead(workspace_in, model_in)),
        before_values(db_in, model, SameModel(model.hash, state.hash)),
        is_read(IsReadByOthers(workspace_in, model_in, false)),
        is_read_by_models(IsReadByOthers(workspace_in, model_in, true)),
        quiet(model.flags.size()) {
    for (const std::string& id : state.segment_ids()) {
      workspace.pool->Intern(id);  // Readers on several threads must find it there.
    }
    for (std::size_t score = 0; score < model.scores.size(); ++score) {
      basis.push_back(model.scores[score].learned() ? BasisOf(model, score) : std::string());
    }
    who_stands_alone = model.who.has_value();
    if (model.who) {
      ForEachLeaf(model.who->expr, [&](const Expr& leaf) {
        who_stands_alone = who_stands_alone && leaf.leaf.kind != Leaf::Kind::kOwnFeature &&
                           leaf.leaf.kind != Leaf::Kind::kOwnScore;
      });
    }
    ShowLines();
  }

  // Of a customer or account, its place in this model's columns.
  CustomerIndex At(CustomerIndex who) const { return who - base; }

  std::string Hash() const { return reads.empty() ? model.hash : model.hash + "." + reads; }

  bool Edited() const { return state.last_slot && !SameModel(state.hash, Hash()); }

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
  void GrantMoves(Pass& pass, Wishes& wishes, Statement& insert);
  void GrantRest(const Pass& pass, std::vector<Wishes>& parts);
  void GrantRelearned(const Pass& pass, std::vector<Wishes>& parts);
  // Only what every slot reads keeps its memory.
  void ForgetValues();
  void FollowKeys(const Population& people);
  // Whether one of this block's customers who wait may be inside of the model.
  bool AnyInside(const Population& people, TimePoint now, CustomerIndex first,
                 const std::function<bool(CustomerIndex)>& waits) const;
  // Whether nobody of these is, or was when it was last asked, inside of the model: then there is
  // nothing to settle.  Half of a base may be no business of a model.
  bool IsEmpty(const Population& people, TimePoint now, CustomerIndex first,
               std::size_t size) const;
  std::vector<double> AskWho(const Population& people, TimePoint now, CustomerIndex first,
                             std::size_t size) const;

  // The pass over one part; the state of other customers is not touched.
  struct Part {
    Inner& inner;
    const Pass& pass;
    Scorer& scorer;
    Wishes& wishes;
    // What becomes of somebody's scores, features and flags.
    enum class Stored : std::uint8_t { kAsBefore, kNone, kAsScored };

    // Of the block at hand: whether each flag's conditions hold, and what is stored of each.
    std::vector<std::vector<double>> flag_on = {}, flag_off = {};
    std::vector<Stored> stored = std::vector<Stored>(kBlock);
    std::vector<std::size_t> others = {};  // Of the block: those who may have something to settle.

    // `before` is null where no lines were learned at this slot.
    void SettleBlock(Scorer* before, CustomerIndex first);
    void FindOthers(CustomerIndex first);
    std::string Changed(const WhyContext& why, CustomerIndex customer, std::size_t i,
                        SegmentIndex from) const;
    void SettleOne(const WhyContext& why, CustomerIndex customer, std::size_t i,
                   std::optional<SegmentIndex> before);
    void Place(const WhyContext& why, CustomerIndex customer, std::size_t i);
    void MoveTo(Settled& settled, CustomerIndex customer, Cause cause, std::string text);
    void DropWait(CustomerIndex customer);
    void StoreValues(CustomerIndex first);
    void ReadFlags();

    // What the model says of a block: the segment, each score, each flag, each feature that is
    // kept; of what nobody will ask about nothing.
    using Said = std::vector<std::vector<double>>;

    Said Says(CustomerIndex first) const;
    void AskBefore(Scorer& before, CustomerIndex first);
    // What it would say with the lines and fits of before.
    Said WouldSay(const Said& was, const Said& is, const Scorer& before, std::size_t wishes_before,
                  CustomerIndex first) const;
    std::vector<double> FlagBefore(std::size_t flag, std::span<const double> was,
                                   const Scorer& before) const;
    void NoteFlags(const Said& was, const Said& would, CustomerIndex first);
    // Notes what is only said because of an edit or of what was learned, and who got a flag
    // quietly.
    void Note(const Said& was, const Scorer* before, std::size_t wishes_before,
              CustomerIndex first);
    Cause PlacedBy(CustomerIndex customer) const;
  };

  Database& db;
  const Workspace& workspace;
  int model_index;
  const Model& model;
  const CustomerIndex base;  // Number of the first whom the model is about.
  bool silent;               // Nobody will ask why somebody moved.
  ModelState state;
  BeforeValues before_values;
  const bool is_read, is_read_by_models;
  std::vector<std::vector<CustomerIndex>> quiet;  // By flag, of the last pass.
  std::string reads;                              // Of the versions of the models that it reads.
  std::vector<std::string> basis;
  std::map<std::string, LineSet> pinned;
  Lines shown;
  // `who` is there and asks about no feature or score, so that it can be asked alone.
  bool who_stands_alone = false;
  bool forgotten = false;         // Something is to be stored though nobody moved.
  KeyCodes keys;                  // Of everybody, where a score's ties go by key.
  std::vector<ScoreValues> read;  // By score.
};

}  // namespace segue
