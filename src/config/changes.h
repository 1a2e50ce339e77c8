// What differs between two sets of files, document by document, for people: `plan` shows it beside
// what comes of it.  Comments and layout are no difference.

#pragma once

#include <string>
#include <vector>

#include "config/diagnostic.h"

namespace segue {

struct DocumentChange {
  enum class Kind { kNew, kGone, kEdited };

  Kind kind = Kind::kEdited;
  std::string document;  // "playbook", "model", …
  std::string id;
  // Of the document in `after`, or in `before` when it is gone.
  Place place;

  struct Line {
    Place place;       // In `after`; of a key that was taken away the document's.
    std::string text;  // "scores.r.cuts 21d → 18d"
  };

  std::vector<Line> lines;  // Of an edited one.
};

// In the order of `after`; what is gone comes last.
std::vector<DocumentChange> ChangesBetween(const std::vector<SourceFile>& before,
                                           const std::vector<SourceFile>& after);

}  // namespace segue
